/**
 * A file of commits, written in order and synced at each. Two of them take turns: while one is carried over into the
 * database, the other is written. A file is used again from its start, so that a sync seldom has to grow it; what older
 * commits are left behind in it has lower numbers.
 */
import {
	closeSync,
	constants,
	fdatasyncSync,
	fsyncSync,
	openSync,
	readFileSync,
	writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { StoreDamaged } from "../../ports/store.ts";
import { type Commit, decodeCommit, HEAD_BYTES, nextMark } from "./record.ts";

export class Journal {
	readonly file: string;
	readonly #descriptor: number;
	#lengthBytes = 0;
	/** A write that was refused may have left a whole record behind. */
	#dirtyEnd = false;

	/** Opens or makes the file; the next commit goes to `lengthBytes`, after those that readJournal() found and that still count. */
	constructor(file: string, lengthBytes = 0) {
		this.file = file;
		this.#lengthBytes = lengthBytes;
		this.#descriptor = openSync(
			file,
			constants.O_RDWR | constants.O_CREAT,
			0o600,
		);
		// The last commit may have been written by a process that was killed before its sync: it is about to be told of.
		if (lengthBytes > 0) fdatasyncSync(this.#descriptor);
		syncFolder(dirname(file));
	}

	/** Of the commits that the database may not have yet. */
	get lengthBytes(): number {
		return this.#lengthBytes;
	}

	/** Durable when it returns. Throws what the file system says; then nothing was written. */
	append(record: Uint8Array): void {
		if (this.#dirtyEnd) this.#wipe();
		this.#dirtyEnd = true;
		for (let at = 0; at < record.length; )
			at += writeSync(
				this.#descriptor,
				record,
				at,
				record.length - at,
				this.#lengthBytes + at,
			);
		fdatasyncSync(this.#descriptor);
		this.#dirtyEnd = false;
		this.#lengthBytes += record.length;
	}

	/** A commit that was refused must not come back at the next start. */
	#wipe(): void {
		writeSync(
			this.#descriptor,
			Buffer.alloc(HEAD_BYTES),
			0,
			HEAD_BYTES,
			this.#lengthBytes,
		);
		fdatasyncSync(this.#descriptor);
		this.#dirtyEnd = false;
	}

	/** All that is in it is in the database: the next commit goes to the start. */
	restart(): void {
		this.#lengthBytes = 0;
	}

	close(): void {
		try {
			if (this.#dirtyEnd) this.#wipe();
		} finally {
			closeSync(this.#descriptor);
		}
	}
}

function syncFolder(folder: string): void {
	const descriptor = openSync(folder, "r");
	try {
		fsyncSync(descriptor);
	} finally {
		closeSync(descriptor);
	}
}

export interface JournalContent {
	readonly commits: readonly Commit[];
	/** Where the last of them ends; 0 where there are none. */
	readonly lengthBytes: number;
}

/**
 * The commits of a file that come after `after`, in order and without a gap. A torn commit at the end was never
 * acknowledged and does not count. Throws StoreDamaged when one is damaged that others follow.
 */
export function readJournal(
	file: string,
	after: number,
	salt: number,
): JournalContent {
	const buffer = readFileSync(file);
	const commits: Commit[] = [];
	let at = 0;
	for (
		let found = decodeCommit(buffer, at, salt);
		found !== undefined;
		found = decodeCommit(buffer, at, salt)
	) {
		const last = commits.at(-1)?.number;
		// What the file held before it was used again.
		if (last !== undefined && found.commit.number !== last + 1) break;
		commits.push(found.commit);
		at = found.end;
	}
	const newest = Math.max(after, commits.at(-1)?.number ?? 0);
	for (
		let mark = nextMark(buffer, at);
		mark >= 0;
		mark = nextMark(buffer, mark + 1)
	)
		if ((decodeCommit(buffer, mark, salt)?.commit.number ?? 0) > newest)
			throw new StoreDamaged(
				`${file} is damaged at byte ${at}: a commit in its middle cannot be read`,
			);
	const left = commits.filter(({ number }) => number > after);
	return { commits: left, lengthBytes: left.length > 0 ? at : 0 };
}
