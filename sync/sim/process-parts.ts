/** What a simulated process has of its own: a clock and a disk that end with it, and its diary. */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log, LogFields, LogLevel } from "../ports/log.ts";
import {
	type RangeOptions,
	type Store,
	StoreFailed,
	type StoreValue,
	type StoreWrite,
} from "../ports/store.ts";
import type { CommitListener } from "./machine.ts";
import type { MemoryStore } from "./store.ts";

/** The clock of a process: stops for good with kill(), and holds its timers back between pause() and resume(). */
export class ProcessClock implements Clock {
	readonly #clock: Clock;
	#held: (() => void)[] | undefined;
	#alive = true;
	#busyUntilMilliseconds = 0;

	constructor(clock: Clock) {
		this.#clock = clock;
	}
	now(): number {
		return this.#clock.now();
	}
	monotonic(): number {
		return this.#clock.monotonic();
	}
	after(delayMilliseconds: number, run: () => void): Cancel {
		let cancelled = false;
		const due = (): void => {
			if (cancelled || !this.#alive) return;
			const busyMilliseconds = this.#busyUntilMilliseconds - this.monotonic();
			if (this.#held !== undefined) this.#held.push(due);
			else if (busyMilliseconds > 0)
				cancel = this.#clock.after(busyMilliseconds, due);
			else run();
		};
		let cancel = this.#clock.after(delayMilliseconds, due);
		return () => {
			cancelled = true;
			cancel();
		};
	}
	kill(): void {
		this.#alive = false;
	}
	/** The process waits for its disk: its timers run only when that is over. */
	busy(milliseconds: number): void {
		const from = Math.max(this.#busyUntilMilliseconds, this.monotonic());
		this.#busyUntilMilliseconds = from + milliseconds;
	}
	pause(): void {
		this.#held ??= [];
	}
	resume(): void {
		const held = this.#held ?? [];
		this.#held = undefined;
		for (const due of held) this.#clock.after(0, due);
	}
}

export type Deadline = "before" | "after";

/** The disk as one process sees it: closed for good when the process dies, also in the midst of a commit. */
export class ProcessStore implements Store {
	readonly #disk: MemoryStore;
	readonly #before: CommitListener;
	#alive = true;
	#deadline: { when: Deadline; die: () => void } | undefined;
	commits = 0;

	constructor(disk: MemoryStore, before: CommitListener) {
		this.#disk = disk;
		this.#before = before;
	}
	get(key: string): StoreValue | undefined {
		return this.#disk.get(key);
	}
	getAll(keys: readonly string[]): (StoreValue | undefined)[] {
		return this.#disk.getAll(keys);
	}
	range(from: string, to: string, options?: RangeOptions) {
		return this.#disk.range(from, to, options);
	}
	commit(writes: readonly StoreWrite[]): void {
		if (!this.#alive) throw new StoreFailed("the process is dead");
		this.commits++;
		this.#before(writes);
		const deadline = this.#deadline;
		if (deadline?.when !== "before") this.#disk.commit(writes);
		if (deadline === undefined) return;
		deadline.die();
		throw new StoreFailed("the process died while it wrote");
	}
	sizeBytes(): number {
		return this.#disk.sizeBytes();
	}
	close(): void {
		this.#alive = false;
	}
	get dying(): boolean {
		return this.#deadline !== undefined;
	}
	/** The process dies at its next commit: just before that is durable, or just after. */
	dieAtCommit(when: Deadline, die: () => void): void {
		this.#deadline = { when, die };
	}
}

export function diary(
	note: (level: LogLevel, message: string, fields: LogFields) => void,
	always: LogFields,
): Log {
	const at =
		(level: LogLevel) =>
		(message: string, fields: LogFields = {}): void =>
			note(level, message, { ...always, ...fields });
	return {
		debug: at("debug"),
		info: at("info"),
		warn: at("warn"),
		error: at("error"),
		child: (fields) => diary(note, { ...always, ...fields }),
	};
}
