/**
 * Bodies that the scrub found missing or damaged, and fetches anew. One that cannot be had now is tried again: whoever
 * has it may be out of reach, or the disk full. It is an error, which somebody must look into, only once all members were
 * asked, several times. Not kept: after a start the next round finds them again.
 */
import { OWED_BODIES_MAX } from "../limits.ts";
import type { BodyRef } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { StoreFailed, StoreFull } from "../ports/store.ts";
import { type Flaw, whatOf } from "./flaws.ts";

export type BodyFlaw = Extract<Flaw, { kind: "body" }>;

export interface OwedBodiesOptions {
	/** Makes a durable copy here, as Bodies.fetch(). */
	readonly fetchBody: (body: BodyRef) => Promise<void>;
	readonly clock: Clock;
	readonly diary: Log;
	/** Whether a body is missed here. */
	readonly isWanted: (body: BodyRef) => boolean;
	/** Whether it is not here yet since its entry came a while ago: it is being fetched then. */
	readonly isAwaited: (body: BodyRef) => boolean;
	/** Every member can be asked now. */
	readonly inTouch: () => boolean;
}

interface Owed {
	readonly flaw: BodyFlaw;
	/** It came a while ago, and nothing was ever wrong here. */
	readonly awaited: boolean;
	/** How often all members were asked in vain. */
	tries: number;
	/** When it is tried again (monotonic). */
	dueMilliseconds: number;
}

const AGAIN_MILLISECONDS = 60_000;
const TRIES = 3;

export class OwedBodies {
	readonly #options: OwedBodiesOptions;
	readonly #owed = new Map<string, Owed>();
	/** Of these the diary tells already. */
	readonly #seen = new WeakSet<BodyFlaw>();

	constructor(options: OwedBodiesOptions) {
		this.#options = options;
	}

	/** Resolves to whether the scrub found something with this, and whether that is mended. */
	async take(flaw: BodyFlaw): Promise<"nothing" | "found" | "mended"> {
		const { diary, isAwaited } = this.#options;
		const awaited = flaw.state === "missing" && isAwaited(flaw.body);
		if (awaited) {
			this.#owe({ flaw, awaited, tries: 0 });
			return "nothing";
		}
		if (!(await this.#fetch({ flaw, awaited, tries: 0 }))) return "found";
		diary.warn(`the scrub found: ${whatOf(flaw)}`, { mended: true });
		return "mended";
	}

	/** Tries the first that is due again. Resolves to whether something that was found is mended now. */
	async again(): Promise<boolean> {
		const { clock, diary, isWanted } = this.#options;
		const [[key, owed] = []] = this.#owed;
		if (key === undefined || owed === undefined) return false;
		if (clock.monotonic() < owed.dueMilliseconds) return false;
		this.#owed.delete(key);
		const { flaw, awaited } = owed;
		if (!isWanted(flaw.body) || !(await this.#fetch(owed)) || awaited)
			return false;
		const { mailbox, entry } = flaw;
		diary.info("a body that the scrub found missing was fetched", {
			mailbox,
			entry,
		});
		return true;
	}

	async #fetch(owed: Omit<Owed, "dueMilliseconds">): Promise<boolean> {
		try {
			await this.#options.fetchBody(owed.flaw.body);
			return true;
		} catch (error) {
			this.#failed(owed, error);
			return false;
		}
	}

	#failed(owed: Omit<Owed, "dueMilliseconds">, error: unknown): void {
		const { diary, inTouch } = this.#options;
		const { flaw, awaited } = owed;
		const isOwnDisk =
			error instanceof StoreFull || error instanceof StoreFailed;
		const tries = owed.tries + Number(inTouch() && !isOwnDisk);
		const what = `the scrub found: ${whatOf(flaw)}`;
		const details = { mended: false, error: String(error) };
		const isNew = !this.#seen.has(flaw);
		this.#seen.add(flaw);
		if (tries === TRIES && owed.tries < TRIES)
			diary.error(
				`${what}; no member has it: bring a member back that may have it, or restore a backup`,
				details,
			);
		else if (isNew && !awaited)
			diary.warn(`${what}; it is tried again`, details);
		this.#owe({ flaw, awaited, tries });
	}

	#owe(owed: Omit<Owed, "dueMilliseconds">): void {
		if (this.#owed.size >= OWED_BODIES_MAX) return;
		const { drive, blob } = owed.flaw.body;
		const key = `${drive} ${blob[1]}`;
		// In the order in which they are due.
		this.#owed.delete(key);
		const dueMilliseconds =
			this.#options.clock.monotonic() + AGAIN_MILLISECONDS;
		this.#owed.set(key, { ...owed, dueMilliseconds });
	}
}
