/**
 * The files of the structure cache, in segments by age: never synced, checked by row. Whatever is wrong with them, the
 * answer is "not here". The oldest segment goes when there are too many.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
	STRUCTURES_FILE_ROWS_MAX,
	STRUCTURES_SEGMENTS_MAX,
} from "../../sync/limits.ts";
import type { Log } from "../../sync/ports/log.ts";
import { RowFile, removeRowFile } from "../rows/row-file.ts";
import {
	type CacheRow,
	headerIn,
	ROW_FORMAT,
	type StoredStructure,
	structureIn,
	type TextKind,
	textIn,
	withPreview,
} from "./cache-row.ts";

const SEGMENT_ROWS_MAX = Math.floor(
	STRUCTURES_FILE_ROWS_MAX / STRUCTURES_SEGMENTS_MAX,
);
const SEGMENT = /^(\d{8})\.heads$/;

export interface CacheFileOptions {
	/** Made if it is missing. */
	readonly folder: string;
	/** What a former version kept instead: taken away. */
	readonly formerFile?: string | undefined;
	readonly log: Log;
	/** For tests. */
	readonly segmentRowsMax?: number | undefined;
}

type Use = "read" | "write";

export class CacheFile {
	readonly #options: CacheFileOptions;
	readonly #log: Log;
	/** The oldest first; none after the folder could not be used, and nothing is kept on disk then. */
	readonly #segments: RowFile[] = [];
	readonly #numbers: number[] = [];
	/** What failed the last time, and the log says so: reading may go on where there is no room to write. */
	readonly #failing = new Set<Use>();

	constructor(options: CacheFileOptions) {
		this.#options = options;
		this.#log = options.log;
		this.#guard("write", () => this.#open());
	}

	#open(): void {
		const { folder, formerFile } = this.#options;
		mkdirSync(folder, { recursive: true, mode: 0o700 });
		if (formerFile !== undefined) this.#removeFormer(formerFile);
		const numbers = readdirSync(folder)
			.map((name) => Number(SEGMENT.exec(name)?.[1]))
			.filter((number) => number > 0)
			.sort((a, b) => a - b);
		for (const number of numbers) this.#openSegment(number);
		if (numbers.length === 0) this.#openSegment(1);
	}

	#removeFormer(file: string): void {
		for (const suffix of ["-wal", "-shm"])
			rmSync(`${file}${suffix}`, { force: true });
		try {
			rmSync(file);
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
			throw error;
		}
		this.#log.info(
			`${file} is of a former version and was removed; what it held is made anew from the messages`,
		);
	}

	#base(number: number): string {
		return join(this.#options.folder, `${number}`.padStart(8, "0"));
	}

	#openSegment(number: number): RowFile {
		const segment = new RowFile({
			base: this.#base(number),
			format: ROW_FORMAT,
			warn: (text) => this.#log.warn(text),
		});
		this.#segments.push(segment);
		this.#numbers.push(number);
		return segment;
	}

	has(hash: string): boolean {
		let isHere = false;
		this.#guard("read", () => {
			isHere = this.#segments.some((segment) => segment.has(hash));
		});
		return isHere;
	}

	/** Those of the hashes that are kept, in any order. */
	structures(hashes: readonly string[]): StoredStructure[] {
		const found: StoredStructure[] = [];
		this.#each("read", hashes, (segment, some) =>
			segment.notes(some, (hash, note) => found.push(structureIn(hash, note))),
		);
		return found;
	}

	texts(
		kind: TextKind,
		hashes: readonly string[],
	): [hash: string, text: string][] {
		const texts: [string, string][] = [];
		this.#each("read", hashes, (segment, some) =>
			segment.rows(some, (hash, row) => {
				const text = textIn(row, kind);
				if (text !== undefined) texts.push([hash, text]);
			}),
		);
		return texts;
	}

	headers(hashes: readonly string[]): [hash: string, header: Buffer][] {
		const headers: [string, Buffer][] = [];
		this.#each("read", hashes, (segment, some) =>
			segment.rows(some, (hash, row) => {
				const header = headerIn(row);
				// Its own bytes: what was read around it would stay in memory as long as it does.
				if (header !== undefined) headers.push([hash, Buffer.from(header)]);
			}),
		);
		return headers;
	}

	/** All at once; those that are kept already among the newest stay as they are. */
	put(rows: readonly CacheRow[]): void {
		this.#guard("write", () => {
			for (const { hash, note, row } of rows) {
				const newest = this.#newest();
				// To look at older segments, their records would have to be read: too much for one message after a start.
				if (newest?.has(hash) === false) newest.add(hash, note, row);
			}
			this.#segments.at(-1)?.flush();
		});
	}

	/** Of messages that are kept already; for others nothing is kept. */
	putPreviews(previews: ReadonlyMap<string, string>): void {
		this.#each("write", [...previews.keys()], (segment, hashes) => {
			const rows = new Map<string, Buffer>();
			const missing = segment.rows(hashes, (hash, row) =>
				rows.set(hash, withPreview(row, previews.get(hash) as string)),
			);
			const notes = new Map<string, Buffer>();
			segment.notes(rows.keys(), (hash, note) =>
				notes.set(hash, Buffer.from(note)),
			);
			for (const [hash, note] of notes)
				segment.add(hash, note, rows.get(hash) as Buffer);
			segment.flush();
			return missing;
		});
	}

	close(): void {
		this.#guard("write", () => {
			for (const segment of this.#segments.splice(0)) segment.close();
		});
	}

	/** The segment that takes rows now; the oldest goes when there is one too many. */
	#newest(): RowFile | undefined {
		const newest = this.#segments.at(-1);
		const rowsMax = this.#options.segmentRowsMax ?? SEGMENT_ROWS_MAX;
		if (newest === undefined || newest.size < rowsMax) return newest;
		newest.flush();
		const next = this.#openSegment((this.#numbers.at(-1) as number) + 1);
		while (this.#segments.length > STRUCTURES_SEGMENTS_MAX) {
			this.#segments.shift()?.close();
			removeRowFile(this.#base(this.#numbers.shift() as number));
		}
		return next;
	}

	/** Asks each segment for what it has of the hashes that younger ones lack. */
	#each(
		use: Use,
		hashes: readonly string[],
		ask: (segment: RowFile, hashes: readonly string[]) => readonly string[],
	): void {
		this.#guard(use, () => {
			let missing = hashes;
			for (const segment of this.#segments.toReversed()) {
				if (missing.length === 0) return;
				missing = ask(segment, missing);
			}
		});
	}

	/** Runs `work`; what the file system cannot do is reported, once. */
	#guard(use: Use, work: () => void): void {
		try {
			work();
			this.#failing.delete(use);
		} catch (error) {
			// Errors of the file system have a code; anything else is a bug of ours.
			if (!(error instanceof Error && "code" in error)) throw error;
			if (!this.#failing.has(use))
				this.#log.warn(
					`${this.#options.folder} cannot be used: ${error.message}; messages are parsed each time until it can`,
				);
			this.#failing.add(use);
		}
	}
}
