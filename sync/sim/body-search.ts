/** Fetches of a simulated body store that wait for someone to have the body. */
import { Hope } from "../bodies/hope.ts";
import type { Milliseconds } from "../ids.ts";
import { type BodyRef, BodyUnavailable } from "../ports/bodies.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { BodyLife } from "./body-life.ts";

/** How often a fetch looks again whether someone connected has the body. */
const LOOK_AGAIN_MILLISECONDS = 100;

interface Looking<Holder> {
	readonly reference: BodyRef;
	readonly found: (holder: Holder) => void;
}

export interface BodySearchParts<Holder> {
	readonly clock: Clock;
	readonly life: BodyLife;
	/** Someone connected who has it now. */
	readonly holder: (reference: BodyRef) => Holder | undefined;
	/** Whether waiting is of any use. */
	readonly mayCome: (reference: BodyRef) => boolean;
}

export class BodySearch<Holder> {
	readonly #parts: BodySearchParts<Holder>;
	readonly #looking = new Set<Looking<Holder>>();
	readonly #hope: Hope;

	constructor(parts: BodySearchParts<Holder>) {
		this.#parts = parts;
		const { clock, life, mayCome } = parts;
		this.#hope = new Hope(
			{
				monotonic: () => clock.monotonic(),
				after: (milliseconds, run) => life.after(milliseconds, run),
			},
			mayCome,
		);
	}

	/** Something arrived somewhere. */
	look(): void {
		for (const looking of this.#looking) {
			const holder = this.#parts.holder(looking.reference);
			if (holder !== undefined) looking.found(holder);
		}
	}

	/** Someone connected who has the body; rejects with BodyUnavailable at the deadline. */
	find(
		reference: BodyRef,
		deadline: Milliseconds,
		urgent: boolean,
	): Promise<Holder> {
		const now = this.#parts.holder(reference);
		if (now !== undefined) return Promise.resolve(now);
		return new Promise((resolve, reject) => {
			const cancels: Cancel[] = [];
			const end = () => {
				for (const cancel of cancels) cancel();
				this.#looking.delete(looking);
			};
			const fail = (error: Error) => {
				end();
				reject(error);
			};
			const looking: Looking<Holder> = {
				reference,
				found: (holder) => {
					end();
					resolve(holder);
				},
			};
			this.#looking.add(looking);
			cancels.push(this.#parts.life.onEnd(fail));
			if (urgent)
				cancels.push(this.#hope.watch(reference, () => fail(nobody())));
			cancels.push(this.#lookAgain(looking, deadline, () => fail(nobody())));
		});
	}

	/** Now and then until the deadline, then `late`. */
	#lookAgain(
		looking: Looking<Holder>,
		deadline: Milliseconds,
		late: () => void,
	): Cancel {
		const { clock, life, holder } = this.#parts;
		let stop: Cancel = () => {};
		const look = () => {
			const found = holder(looking.reference);
			const left = deadline - clock.monotonic();
			if (found !== undefined) looking.found(found);
			else if (left <= 0) late();
			else stop = life.after(Math.min(left, LOOK_AGAIN_MILLISECONDS), look);
		};
		look();
		return () => stop();
	}
}

const nobody = () => new BodyUnavailable("no connected member has the body");
