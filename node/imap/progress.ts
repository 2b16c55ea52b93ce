/** Tells a client that waits for a long command that it is still at work (INPROGRESS, RFC 9585). */
import { IMAP_PROGRESS_MILLISECONDS } from "../../sync/limits.ts";
import type { Cancel, Clock } from "../../sync/ports/clock.ts";
import type { Output } from "./output.ts";

/** How far a command is; counted by it, told from time to time. */
export interface Progress {
	done: number;
	/** 0: not known. */
	goal: number;
}

interface Running extends Progress {
	readonly tag: string;
	readonly sinceMilliseconds: number;
}

/**
 * While a command runs that begin() was called for, `* OK [INPROGRESS ("a1" 454 1000)]` goes out between responses. Only for
 * commands that write whole responses at once. Nearly all are over long before: so the timer is one of the session, which
 * they neither set nor cancel; it runs out when it finds nothing to tell, or with the session.
 */
export class ProgressTeller {
	readonly #output: Output;
	readonly #clock: Clock;
	#running: Running | undefined;
	#isWatched = false;
	#cancel: Cancel = () => {};

	constructor(output: Output, clock: Clock) {
		this.#output = output;
		this.#clock = clock;
	}

	/** Of the command that runs, if it is one that tells how far it is. */
	get progress(): Progress | undefined {
		return this.#running;
	}

	begin(tag: string): void {
		const sinceMilliseconds = this.#clock.monotonic();
		this.#running = { tag, sinceMilliseconds, done: 0, goal: 0 };
		if (!this.#isWatched) this.#watch(IMAP_PROGRESS_MILLISECONDS);
	}

	end(): void {
		this.#running = undefined;
	}

	/** The session is over: else the timer would keep it in memory. */
	close(): void {
		this.#cancel();
	}

	#watch(milliseconds: number): void {
		this.#isWatched = true;
		this.#cancel = this.#clock.after(milliseconds, () => this.#look());
	}

	#look(): void {
		const running = this.#running;
		this.#isWatched = running !== undefined;
		if (running === undefined) return;
		const passed = this.#clock.monotonic() - running.sinceMilliseconds;
		const left = IMAP_PROGRESS_MILLISECONDS - passed;
		if (left <= 0) this.#tell(running);
		this.#watch(left > 0 ? left : IMAP_PROGRESS_MILLISECONDS);
	}

	#tell({ tag, done, goal }: Running): void {
		// RFC 9585 §4: what is done is less than what there is to do.
		const numbers = goal > 0 && done < goal ? `${done} ${goal}` : "NIL NIL";
		// RFC 9585 §4: a tag may hold what ends a response code; then it is left out.
		const name = tag.includes("]") ? "NIL" : `"${tag}"`;
		this.#output.text(
			`* OK [INPROGRESS (${name} ${numbers})] Still at work\r\n`,
		);
		this.#output.flush();
	}
}
