/** Memory twins of what an IMAP server needs beside accounts: bodies and structures. For tests. */
import { createHash } from "node:crypto";
import type { Message } from "../../sync/api.ts";
import { bodyHash } from "../../sync/ids.ts";
import {
	type Bodies,
	type BodyRef,
	BodyUnavailable,
	type BodyWriter,
} from "../../sync/ports/bodies.ts";
import { type Parsed, parseMessage } from "../mime/index.ts";
import type { MessageStructures } from "./structures.ts";

const CHUNK_BYTES = 64 * 1024;

export class MemoryBodies implements Bodies {
	readonly drive = "0".repeat(64);
	/** Hashes of bodies that cannot be had. */
	readonly missing = new Set<string>();
	/** Asked before each body that is begun: what it returns is thrown by write(). */
	fault: () => Error | undefined = () => undefined;
	readonly #blobs = new Map<string, Buffer>();
	#length = 0;

	put(bytes: Uint8Array): BodyRef {
		const hash = createHash("sha256").update(bytes).digest("hex");
		this.#blobs.set(hash, Buffer.from(bytes));
		this.#length += bytes.length;
		return {
			hash: bodyHash(hash),
			sizeBytes: bytes.length,
			drive: this.drive,
			blob: [0, 0, 1, bytes.length],
		};
	}

	create(): BodyWriter {
		const chunks: Uint8Array[] = [];
		const fault = this.fault();
		const put = (bytes: Uint8Array) => this.put(bytes);
		return {
			sizeBytes: 0,
			write(chunk) {
				if (fault !== undefined) throw fault;
				chunks.push(Uint8Array.from(chunk));
			},
			commit: async () => put(Buffer.concat(chunks)),
			abort: () => {},
		};
	}

	#get(ref: BodyRef): Buffer {
		const bytes = this.#blobs.get(ref.hash);
		if (bytes === undefined || this.missing.has(ref.hash))
			throw new BodyUnavailable("the message body is not here");
		return bytes;
	}

	async has(ref: BodyRef): Promise<boolean> {
		return this.#blobs.has(ref.hash) && !this.missing.has(ref.hash);
	}

	async fetch(ref: BodyRef): Promise<void> {
		this.#get(ref);
	}

	async read(ref: BodyRef, start = 0, end?: number): Promise<Uint8Array> {
		return this.#get(ref).subarray(start, end ?? ref.sizeBytes);
	}

	async *stream(
		ref: BodyRef,
		start = 0,
		end = ref.sizeBytes,
	): AsyncIterable<Uint8Array> {
		for (let at = start; at < end; at += CHUNK_BYTES)
			yield this.#get(ref).subarray(at, Math.min(at + CHUNK_BYTES, end));
	}

	setDrives(): void {}
	lengthBlocks(): number {
		return this.#blobs.size;
	}
	sizeBytes(): number {
		return this.#length;
	}
	async close(): Promise<void> {}
}

/** Parses at each question, as if nothing were cached. */
export class ParsedStructures implements MessageStructures {
	readonly #bodies: Bodies;
	constructor(bodies: Bodies) {
		this.#bodies = bodies;
	}

	async parsed({ body }: Message): Promise<Parsed> {
		return parseMessage(await this.#bodies.read(body));
	}

	async header({ body }: Message): Promise<Uint8Array> {
		const bytes = await this.#bodies.read(body);
		const { structure } = parseMessage(bytes);
		return bytes.subarray(structure.headerStart, structure.bodyStart);
	}
}
