/** The blobs cores that are open: this incarnation's own and those of the other incarnations, held in part. */
import type Corestore from "corestore";
import type { Hypercore } from "hypercore";
import { BODY_DRIVES_UNLISTED_MAX } from "../limits.ts";
import { BodyUnavailable } from "../ports/bodies.ts";
import "./cleared-nodes.ts";
import "./lengths.ts";
import "./missing-nodes.ts";
import "./unproven.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { shareReads } from "./shared-reads.ts";

/** Requests in flight to one peer: hypercore's default of 16 fills no long line, this was measured to double it. */
const INFLIGHT_RANGE: [number, number] = [128, 384];

/** Many fetches give up at once. */
const ASK_AGAIN_MILLISECONDS = 1_000;

/** An open core is announced to every member, which is how two of them find that they share it. */
export class Drives {
	readonly #store: Corestore;
	readonly #own: Hypercore;
	readonly #ownKey: string;
	readonly #clock: Clock;
	readonly #log: Log;
	/** Drives that were asked for again just now. */
	readonly #resting = new Set<string>();
	readonly #onRefused: (error: unknown) => void;
	/** By key in hex, in the order in which they were opened. */
	readonly #open = new Map<string, Promise<Hypercore>>();
	/** Those of them that are open by now. */
	readonly #ready = new Map<string, Hypercore>();
	#listed: ReadonlySet<string> = new Set();
	#closed = false;

	/** `onRefused` is told when what a member sent could not be taken. */
	constructor(
		store: Corestore,
		own: Hypercore,
		clock: Clock,
		log: Log,
		onRefused: (error: unknown) => void,
	) {
		this.#onRefused = onRefused;
		this.#store = store;
		this.#own = own;
		this.#ownKey = own.key.toString("hex");
		this.#clock = clock;
		this.#log = log;
		shareReads(own.core.state.storage);
		this.#watch(own, this.#ownKey);
	}

	/** Rejects with BodyUnavailable when the core cannot be opened. */
	async get(drive: string): Promise<Hypercore> {
		if (this.#closed) throw new BodyUnavailable("the body store is closed");
		if (this.#ownKey === drive) return this.#own;
		const known = this.#open.get(drive);
		if (known !== undefined) return known;
		const opening = this.#openCore(drive);
		this.#open.set(drive, opening);
		this.#closeSurplus();
		try {
			return await opening;
		} catch (error) {
			this.#forget(drive, opening);
			throw new BodyUnavailable(`drive ${drive.slice(0, 16)} does not open`, {
				cause: error,
			});
		}
	}

	/** Without waiting: undefined also where it is only about to open. */
	opened(drive: string): Hypercore | undefined {
		return drive === this.#ownKey ? this.#own : this.#ready.get(drive);
	}

	/** Opens these and closes others; drives that bodies name although they are not listed are opened on demand. */
	set(drives: readonly string[]): void {
		const before = this.#listed;
		this.#listed = new Set(drives);
		for (const drive of drives)
			this.get(drive).catch((error) =>
				this.#log.error("a drive does not open", { drive, error }),
			);
		for (const [drive, core] of this.#open)
			if (before.has(drive) && !this.#listed.has(drive))
				this.#close(drive, core);
	}

	/** Goes on after writes failed: hypercore asks nothing more of a peer whose data it could not take. */
	async resume(): Promise<void> {
		for (const core of [this.#own, ...(await this.#cores())])
			for (const peer of core.peers) peer.paused = false;
	}

	/**
	 * Nothing came of what was asked for: peers of which hypercore asks nothing any more are asked again, and all are told
	 * how long the core is here. Else what went wrong with one of them would last as long as its link.
	 */
	async askAgain(drive: string): Promise<void> {
		if (this.#closed || this.#resting.has(drive)) return;
		this.#resting.add(drive);
		this.#clock.after(ASK_AGAIN_MILLISECONDS, () =>
			this.#resting.delete(drive),
		);
		const core = await this.get(drive);
		for (const peer of core.peers) {
			peer.paused = false;
			peer.stats.notAvailableBackoffs = 0;
			peer.stats.backoffs = 0;
			peer.sendSync();
		}
		core.core.replicator.updateAll();
	}

	/** How long those are that are to be held and open. */
	async lengths(): Promise<Map<string, number>> {
		const lengths = new Map<string, number>();
		for (const drive of this.#listed) {
			const core = await this.#open.get(drive)?.catch(() => undefined);
			if (core !== undefined) lengths.set(drive, core.length);
		}
		return lengths;
	}

	async close(): Promise<void> {
		this.#closed = true;
		const cores = await this.#cores();
		this.#open.clear();
		for (const core of cores) await core.close();
	}

	/** Those that opened. */
	async #cores(): Promise<Hypercore[]> {
		const opened = await Promise.allSettled(this.#open.values());
		return opened.flatMap((core) =>
			core.status === "fulfilled" ? [core.value] : [],
		);
	}

	async #openCore(drive: string): Promise<Hypercore> {
		const key = Buffer.from(drive, "hex");
		const core = this.#store.get({ key, inflightRange: INFLIGHT_RANGE });
		await core.ready();
		// Else a new length is asked for first, alone, and the blocks that wait for it a way back and forth later. Bodies that
		// are sent unasked bring it with them.
		core.core.replicator.eagerUpgrade = false;
		this.#watch(core, drive);
		core.once("close", () => this.#forget(drive, undefined));
		this.#ready.set(drive, core);
		return core;
	}

	#watch(core: Hypercore, drive: string): void {
		core.on("conflict", () =>
			this.#log.error(
				"a drive has two versions: it was continued from an old copy; nothing more can be read from members for it",
				{ drive },
			),
		);
		core.on("verification-error", (error: unknown) => {
			this.#log.warn("what a member sent could not be taken", { drive, error });
			this.#onRefused(error);
		});
	}

	#forget(drive: string, opening: Promise<Hypercore> | undefined): void {
		if (opening === undefined || this.#open.get(drive) === opening) {
			this.#open.delete(drive);
			this.#ready.delete(drive);
		}
	}

	#close(drive: string, core: Promise<Hypercore>): void {
		this.#open.delete(drive);
		this.#ready.delete(drive);
		core
			.then((open) => open.close())
			.catch((error) =>
				this.#log.warn("a drive does not close", { drive, error }),
			);
	}

	#closeSurplus(): void {
		let surplus = -BODY_DRIVES_UNLISTED_MAX;
		for (const drive of this.#open.keys())
			if (!this.#listed.has(drive)) surplus++;
		for (const [drive, core] of this.#open) {
			if (surplus <= 0) return;
			if (this.#listed.has(drive)) continue;
			this.#close(drive, core);
			surplus--;
		}
	}
}
