/**
 * Bodies that a member handed over by itself, since its copy of the drive cannot be brought here: each is a file, named by
 * where the body lies in its drive and what it is. So they are known to every start without an index, and whatever asks by
 * a reference, or clears its blocks, finds them. Nothing is here that was not whole and synced before it got its name.
 */
import { createHash } from "node:crypto";
import {
	type FileHandle,
	mkdir,
	open,
	readdir,
	rename,
	rm,
} from "node:fs/promises";
import { join } from "node:path";
import {
	type BlockRange,
	type BodyRef,
	BodyUnavailable,
} from "../ports/bodies.ts";
import { GroupSync, syncDirectory } from "./durable.ts";
import { BLOCK_BYTES, type ByteRange, blocksOf } from "./reference.ts";

interface Handed {
	readonly drive: string;
	readonly start: number;
	readonly end: number;
	readonly sizeBytes: number;
}

const NAME = /^([0-9a-f]{64})-(\d+)-(\d+)-([0-9a-f]{64})$/;

const nameOf = ({ drive, blob, sizeBytes, hash }: BodyRef): string =>
	`${drive}-${blob[1]}-${sizeBytes}-${hash}`;

function parse(name: string): Handed | undefined {
	const [, drive, block, size] = NAME.exec(name) ?? [];
	if (drive === undefined) return undefined;
	const start = Number(block);
	const sizeBytes = Number(size);
	return { drive, start, end: start + blocksOf(sizeBytes), sizeBytes };
}

export class HandedBodies {
	readonly #directory: string;
	readonly #sync: GroupSync;
	/** By the name of the file. */
	readonly #bodies = new Map<string, Handed>();

	private constructor(directory: string) {
		this.#directory = directory;
		this.#sync = new GroupSync(() => syncDirectory(directory));
	}

	static async open(directory: string): Promise<HandedBodies> {
		await mkdir(directory, { recursive: true, mode: 0o700 });
		const handed = new HandedBodies(directory);
		for (const name of await readdir(directory)) {
			const body = parse(name);
			if (body !== undefined) handed.#bodies.set(name, body);
		}
		// What a killed process renamed without a sync is made durable before anybody is told of it.
		await handed.#sync.durable();
		return handed;
	}

	get sizeBytes(): number {
		let bytes = 0;
		for (const { sizeBytes } of this.#bodies.values()) bytes += sizeBytes;
		return bytes;
	}

	has(reference: BodyRef): boolean {
		return this.#bodies.size > 0 && this.#bodies.has(nameOf(reference));
	}

	/**
	 * Resolves when the body lies here durably. Rejects with BodyUnavailable where the bytes are not what the reference
	 * says. `draft` is a file that nobody else uses, on the same disk; whatever is left of it is removed at the next start.
	 */
	async take(
		reference: BodyRef,
		bytes: AsyncIterable<Uint8Array>,
		draft: string,
	): Promise<void> {
		const name = nameOf(reference);
		try {
			await writeRight(reference, bytes, draft);
			await rename(draft, join(this.#directory, name));
		} catch (error) {
			await rm(draft, { force: true });
			throw error;
		}
		await this.#sync.durable();
		const body = parse(name);
		if (body !== undefined) this.#bodies.set(name, body);
	}

	async *read(
		reference: BodyRef,
		{ start, end }: ByteRange,
	): AsyncGenerator<Uint8Array> {
		const file = await this.#open(nameOf(reference));
		try {
			for (let at = start; at < end; ) {
				const chunk = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, end - at));
				const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
				if (bytesRead === 0) throw wrong(reference);
				yield chunk.subarray(0, bytesRead);
				at += bytesRead;
			}
		} finally {
			await file.close();
		}
	}

	async #open(name: string): Promise<FileHandle> {
		try {
			return await open(join(this.#directory, name), "r");
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
			throw new BodyUnavailable("the body has just been cleared", {
				cause: error,
			});
		}
	}

	/** Reads it; rejects where it cannot be read. */
	async isRight(reference: BodyRef): Promise<boolean> {
		const hash = createHash("sha256");
		const all = { start: 0, end: reference.sizeBytes };
		for await (const chunk of this.read(reference, all)) hash.update(chunk);
		return hash.digest("hex") === reference.hash;
	}

	async remove(reference: BodyRef): Promise<void> {
		await this.#remove(nameOf(reference));
	}

	/** Bodies with a block in these ranges. What a power cut brings back is found again as nobody's. */
	async clear(drive: string, ranges: readonly BlockRange[]): Promise<void> {
		for (const [name, body] of [...this.#bodies])
			if (
				body.drive === drive &&
				ranges.some(({ start, end }) => start < body.end && body.start < end)
			)
				await this.#remove(name);
	}

	/** Ascending. */
	held(drive: string): readonly BlockRange[] {
		return [...this.#bodies.values()]
			.filter((body) => body.drive === drive)
			.sort((a, b) => a.start - b.start);
	}

	async #remove(name: string): Promise<void> {
		this.#bodies.delete(name);
		await rm(join(this.#directory, name), { force: true });
	}
}

async function writeRight(
	reference: BodyRef,
	bytes: AsyncIterable<Uint8Array>,
	path: string,
): Promise<void> {
	const hash = createHash("sha256");
	let left = reference.sizeBytes;
	const file = await open(path, "wx", 0o600);
	try {
		for await (const chunk of bytes) {
			left -= chunk.length;
			if (left < 0) throw wrong(reference);
			hash.update(chunk);
			await file.appendFile(chunk);
		}
		if (left !== 0 || hash.digest("hex") !== reference.hash)
			throw wrong(reference);
		await file.sync();
	} finally {
		await file.close();
	}
}

const wrong = ({ hash }: BodyRef): BodyUnavailable =>
	new BodyUnavailable(`body ${hash.slice(0, 16)} is not what its hash says`);

/** What is in one of them; each ascending. */
export function joined(
	one: readonly BlockRange[],
	other: readonly BlockRange[],
): readonly BlockRange[] {
	if (other.length === 0) return one;
	const all: { start: number; end: number }[] = [];
	for (const { start, end } of [...one, ...other].sort(
		(a, b) => a.start - b.start,
	)) {
		const last = all.at(-1);
		if (last !== undefined && start <= last.end)
			last.end = Math.max(last.end, end);
		else all.push({ start, end });
	}
	return all;
}
