/**
 * The Store on disk: a commit is appended to a journal and synced, and that is all it costs; it is read from memory until
 * a thread of its own has carried the journal over into SQLite, many commits at once. Two journals take turns. At a start
 * what is in the journals is read into memory again, and carried over when it would have been: nobody waits for it.
 */
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import {
	STORE_CHECKED_BYTES_MAX,
	STORE_JOURNAL_BYTES_MAX,
	STORE_JOURNAL_CARRY_BYTES,
} from "../limits.ts";
import {
	type RangeOptions,
	type Store,
	type StoreDamaged,
	StoreFailed,
	StoreFull,
	type StoreValue,
	type StoreWrite,
} from "../ports/store.ts";
import { Base, sizeOf } from "./store/base.ts";
import { integrityFaults, settleCopy } from "./store/copy.ts";
import { checkAtStart, noteDamage } from "./store/met.ts";
import { Overlay } from "./store/overlay.ts";
import { CommitEncoder } from "./store/record.ts";
import {
	journalFiles,
	openTurns,
	type Turn,
	type Turns,
} from "./store/turns.ts";
import { type CarryAnswer, Writer } from "./store/writer.ts";

export interface StoreSizes {
	/** A journal is carried over from this on, as it lies in memory. */
	readonly carryBytes: number;
	/** And nothing more is taken beyond this. */
	readonly journalBytesMax: number;
	/** Rows that a walk over a range reads at once. */
	readonly pageRows: number;
	/** A larger database is not looked through at each start. */
	readonly checkedBytesMax: number;
}
const usual: StoreSizes = {
	carryBytes: STORE_JOURNAL_CARRY_BYTES,
	journalBytesMax: STORE_JOURNAL_BYTES_MAX,
	pageRows: 1_000,
	checkedBytesMax: STORE_CHECKED_BYTES_MAX,
};

/** Opens or makes the store in `file`. Throws StoreDamaged, or StoreFailed where it is of a newer format or in use. */
export function openStore(
	file: string,
	options: Partial<StoreSizes> & {
		/** Told of damage that is met later, besides whoever met it. */
		readonly onDamage?: (damage: StoreDamaged) => void;
	} = {},
): JournaledStore {
	const { onDamage = () => {}, ...given } = options;
	const sizes = { ...usual, ...given };
	mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
	const base = new Base(file, (damage) => {
		noteDamage(file, damage);
		onDamage(damage);
	});
	try {
		checkAtStart(base, sizes.checkedBytesMax);
		return new JournaledStore(base, sizes, openTurns(base));
	} catch (error) {
		base.close();
		throw error;
	}
}

export class JournaledStore implements Store {
	readonly #base: Base;
	readonly #sizes: StoreSizes;
	readonly #encoder: CommitEncoder;
	#number: number;
	/** Commits go here. */
	#active: Turn;
	/** To be carried over, or empty. */
	#resting: Turn;
	/** The database does not have all of the resting journal yet. */
	#carrying = false;
	/** The thread is at work on it. */
	#atWork = false;
	#rested: (() => void)[] = [];
	/** Copies that are being made. */
	#copies = 0;
	#writer: Writer | undefined;
	/** Why nothing is written any more. */
	#failure: Error | undefined;
	#closed = false;

	constructor(
		base: Base,
		sizes: StoreSizes,
		{ active, resting, number, salt }: Turns,
	) {
		this.#base = base;
		this.#sizes = sizes;
		this.#number = number;
		this.#encoder = new CommitEncoder(salt);
		this.#active = active;
		this.#resting = resting;
		this.#carrying = resting.overlay.size > 0;
		// Whoever starts a node has better things to wait for.
		setTimeout(() => {
			this.#orderAgain();
			this.#carryIfDue();
		}, CARRY_AGAIN_MILLISECONDS).unref();
	}

	get(key: string): StoreValue | undefined {
		let held = this.#active.overlay.get(key);
		if (held === undefined) held = this.#resting.overlay.get(key);
		return held === undefined ? this.#base.get(key) : (held ?? undefined);
	}

	getAll(keys: readonly string[]): (StoreValue | undefined)[] {
		const found = keys.map((key) => {
			const held = this.#active.overlay.get(key);
			return held === undefined ? this.#resting.overlay.get(key) : held;
		});
		const below = keys.filter((_, i) => found[i] === undefined);
		if (below.length > 0) {
			const values = this.#base.getAll(below);
			for (const [i, key] of keys.entries())
				if (found[i] === undefined) found[i] = values.get(key);
		}
		return found.map((value) => value ?? undefined);
	}

	*range(
		from: string,
		to: string,
		options: RangeOptions = {},
	): Iterable<readonly [string, StoreValue]> {
		const { reverse = false } = options;
		let left = options.limit ?? Number.POSITIVE_INFINITY;
		let [low, high] = [from, to];
		while (left > 0 && low < high) {
			const page = this.#page(
				low,
				high,
				Math.min(left, this.#sizes.pageRows),
				reverse,
			);
			for (const [key, value] of page.entries)
				if (value !== undefined && left-- > 0) yield [key, value];
			if (page.end === undefined) return;
			if (reverse) high = page.end;
			else low = `${page.end}\0`;
		}
	}

	/**
	 * Some entries of a range in order, with those that are deleted as undefined, up to the key `end`; without `end` the
	 * range is done.
	 */
	#page(
		low: string,
		high: string,
		rows: number,
		reverse: boolean,
	): {
		entries: [string, StoreValue | undefined][];
		end: string | undefined;
	} {
		const below = this.#base.range(low, high, rows, reverse);
		const last = below.length < rows ? undefined : below.at(-1)?.[0];
		const values = new Map<string, StoreValue | undefined>(below);
		// Of what lies above only the part that this page of the database covers.
		const [from, to] =
			last === undefined
				? [low, high]
				: reverse
					? [last, high]
					: [low, `${last}\0`];
		let added = 0;
		for (const { overlay } of [this.#resting, this.#active])
			for (const key of overlay.keys(from, to)) {
				if (!values.has(key)) added++;
				values.set(key, overlay.get(key) ?? undefined);
			}
		const entries = [...values];
		if (added > 0) entries.sort(([a], [b]) => (a < b !== reverse ? -1 : 1));
		return { entries, end: last };
	}

	commit(writes: readonly StoreWrite[]): void {
		if (writes.length === 0) return;
		this.#refuse();
		const { journal, overlay } = this.#active;
		const record = this.#encoder.encode({ number: this.#number + 1, writes });
		try {
			journal.append(record);
		} catch (error) {
			throw this.#fault(error, journal.file);
		}
		this.#number++;
		overlay.take(writes);
		this.#carryIfDue();
	}

	#refuse(): void {
		if (this.#closed) throw new StoreFailed(`${this.#base.file} is closed`);
		if (this.#failure !== undefined) throw this.#failure;
		if (this.#active.overlay.bytes >= this.#sizes.journalBytesMax)
			throw new StoreFull(
				`no room to write ${this.#base.file}, or its disk is too slow; free some disk space`,
			);
	}

	#fault(error: unknown, file: string): Error {
		const { code, message, syscall } = error as NodeJS.ErrnoException;
		const full = code === "ENOSPC" || code === "EDQUOT";
		if (full && syscall !== "fdatasync")
			return new StoreFull(`no room to write ${file}; free some disk space`);
		const failed = new StoreFailed(
			`cannot write ${file}: ${message}; see that the disk is sound`,
		);
		// After a failed sync nobody knows what is on the disk: nothing may follow it.
		if (syscall === "fdatasync") this.#failure = failed;
		return failed;
	}

	/** The other journal takes over, and the thread begins with this one; unless it is still at work. */
	#carryIfDue(): void {
		if (this.#active.overlay.bytes < this.#sizes.carryBytes) return;
		if (this.#carrying || this.#copies > 0 || this.#closed) return;
		[this.#active, this.#resting] = [this.#resting, this.#active];
		this.#order();
	}

	#order(): void {
		this.#carrying = true;
		this.#atWork = true;
		this.#writer ??= new Writer(this.#base.file, (answer) =>
			this.#carried(answer),
		);
		this.#writer.carry({ journal: this.#resting.journal.file });
	}

	#carried(answer: CarryAnswer): void {
		this.#atWork = false;
		for (const run of this.#rested.splice(0)) run();
		if (this.#closed) return;
		if (answer.done) {
			this.#carrying = false;
			this.#resting.overlay = new Overlay();
			this.#resting.journal.restart();
			this.#carryIfDue();
		} else if (answer.why === "full")
			// It stays readable from memory, and is tried again, until the active journal is full too.
			setTimeout(() => this.#orderAgain(), CARRY_AGAIN_MILLISECONDS).unref();
		else
			this.#failure =
				answer.why === "damaged"
					? this.#base.damaged(answer.message)
					: new StoreFailed(answer.message);
	}

	#orderAgain(): void {
		if (this.#closed || this.#atWork || this.#copies > 0) return;
		if (this.#carrying) this.#order();
	}

	/** By a copy beside the file, since the file itself is read and written meanwhile. */
	async damage(signal?: AbortSignal): Promise<readonly string[]> {
		const copy = `${this.#base.file}.check`;
		try {
			await this.copyTo(copy, signal);
			return await integrityFaults(copy);
		} finally {
			rmSync(copy, { force: true });
		}
	}

	/**
	 * A consistent copy of what is committed at a moment during the call, as one file of SQLite, while the store is in use.
	 * Journals are not carried over meanwhile: SQLite would begin its copy anew each time, and what is carried when its
	 * copy is done would be neither in that nor in the journals.
	 */
	async copyTo(
		file: string,
		signal?: AbortSignal,
		progress?: (done: number, total: number) => void,
	): Promise<void> {
		this.#copies++;
		try {
			await this.#rest();
			await this.#base.copyTo(file, signal, progress);
			const copy = new Base(file);
			try {
				for (const { overlay } of [this.#resting, this.#active])
					copy.carry(overlay.writes(), this.#number);
			} finally {
				copy.close();
			}
			await settleCopy(file);
		} finally {
			this.#copies--;
			this.#orderAgain();
			this.#carryIfDue();
		}
	}

	/** Resolves when the thread is not at work. */
	#rest(): Promise<void> {
		if (!this.#atWork) return Promise.resolve();
		return new Promise((resolve) => this.#rested.push(resolve));
	}

	sizeBytes(): number {
		return (
			this.#base.sizeBytes() +
			journalFiles(this.#base.file).reduce((sum, file) => sum + sizeOf(file), 0)
		);
	}

	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#writer?.close();
		for (const { journal } of [this.#active, this.#resting]) journal.close();
		this.#base.close();
	}
}

const CARRY_AGAIN_MILLISECONDS = 1_000;
