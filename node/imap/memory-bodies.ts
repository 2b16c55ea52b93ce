/** Memory twins of what an IMAP server needs beside accounts: bodies and structures. For tests. */
import { createHash } from "node:crypto";
import type { Account, Message } from "../../sync/api.ts";
import { type AccountId, type BodyHash, bodyHash } from "../../sync/ids.ts";
import {
	type Bodies,
	type BodyRef,
	type BodyState,
	BodyUnavailable,
	type BodyWriter,
} from "../../sync/ports/bodies.ts";
import type { CachedStructure, InTurn } from "../mime/cache.ts";
import {
	bodyStructureImap,
	envelopeImap,
	holds,
	type Ordering,
	orderingOf,
	type Parsed,
	parseMessage,
} from "../mime/index.ts";
import { textOf } from "../search/load.ts";
import type { MessageTexts, Sought } from "../search/types.ts";
import type { MessageStructures } from "./structures.ts";

const CHUNK_BYTES = 64 * 1024;

type Wanted = Pick<Message, "body">;

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
			whole: undefined,
			write(chunk) {
				if (fault !== undefined) throw fault;
				chunks.push(chunk);
			},
			commit: async () => put(Buffer.concat(chunks)),
			abort: () => {},
		};
	}

	/** Undefined: it cannot be had. */
	peek(ref: BodyRef): Buffer | undefined {
		return this.missing.has(ref.hash) ? undefined : this.#blobs.get(ref.hash);
	}

	#get(ref: BodyRef): Buffer {
		const bytes = this.peek(ref);
		if (bytes === undefined)
			throw new BodyUnavailable("the message body is not here");
		return bytes;
	}

	async has(ref: BodyRef): Promise<boolean> {
		return this.#blobs.has(ref.hash) && !this.missing.has(ref.hash);
	}

	async verify(ref: BodyRef): Promise<BodyState> {
		return (await this.has(ref)) ? "whole" : "missing";
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

	onAppended(): void {}
	lengthAt(): undefined {}
	async take(): Promise<boolean> {
		return false;
	}
	setDrives(): void {}
	setPacking(): void {}
	lengthBlocks(): number {
		return this.#blobs.size;
	}
	sizeBytes(): number {
		return this.#length;
	}
	async close(): Promise<void> {}
}

/** Parses at each question; what is not missing counts as cached. */
export class ParsedStructures implements MessageStructures {
	readonly #bodies: MemoryBodies;
	readonly #previews = new Map<BodyHash, string>();
	constructor(bodies: MemoryBodies) {
		this.#bodies = bodies;
	}

	async parsed({ body }: Wanted): Promise<Parsed> {
		return parseMessage(await this.#bodies.read(body));
	}

	async entry({ body }: Wanted): Promise<CachedStructure> {
		return entryOf(await this.#bodies.read(body));
	}

	async header({ body }: Wanted): Promise<Uint8Array> {
		return headerOf(await this.#bodies.read(body));
	}

	async orderings(messages: readonly Wanted[]): Promise<Ordering[]> {
		return Promise.all(
			messages.map(async (message) =>
				orderingOf(
					(await this.parsed(message)).envelope,
					await this.header(message),
				),
			),
		);
	}

	cached(messages: readonly Wanted[]): InTurn<CachedStructure> {
		return this.#present(messages, entryOf);
	}
	cachedHeaders(messages: readonly Wanted[]): InTurn<Uint8Array> {
		return this.#present(messages, headerOf);
	}
	cachedOrderings(messages: readonly Wanted[]): InTurn<Ordering> {
		return this.#present(messages, (bytes) =>
			orderingOf(parseMessage(bytes).envelope, headerOf(bytes)),
		);
	}
	cachedPreviews(messages: readonly Wanted[]): InTurn<string> {
		return messages.map(({ body }) => this.#previews.get(body.hash));
	}
	keepPreview({ body }: Wanted, preview: string): void {
		this.#previews.set(body.hash, preview);
	}

	#present<T>(
		messages: readonly Wanted[],
		make: (bytes: Uint8Array) => T,
	): InTurn<T> {
		return messages.map(({ body }) => {
			const bytes = this.#bodies.peek(body);
			return bytes && make(bytes);
		});
	}
}

function entryOf(bytes: Uint8Array): CachedStructure {
	const parsed = parseMessage(bytes);
	return {
		envelopeImap: envelopeImap(parsed),
		bodyStructureImap: bodyStructureImap(parsed, true),
		headerBytes: parsed.structure.bodyStart,
	};
}
/** Reads each message, as an index does that knows nothing. */
export class ReadTexts implements MessageTexts {
	readonly #bodies: Bodies;
	/** Accounts that were looked at, and how much has arrived. */
	readonly looked: AccountId[] = [];
	arrivedCount = 0;
	constructor(bodies: Bodies) {
		this.#bodies = bodies;
	}

	async known(
		_account: AccountId,
		bodies: readonly BodyRef[],
		sought: readonly Sought[],
	): Promise<readonly Uint8Array[]> {
		return sought.map(() => new Uint8Array(bodies.length));
	}

	async read(
		_account: AccountId,
		body: BodyRef,
		sought: readonly Sought[],
	): Promise<readonly boolean[]> {
		const whole = Uint8Array.from(await this.#bodies.read(body));
		const text = textOf({ whole });
		return sought.map(({ kind, mapped }) =>
			holds(text, kind, Buffer.from(mapped, "utf8")),
		);
	}

	looking({ id }: Account): void {
		this.looked.push(id);
	}
	arrived(_account: AccountId, bodies: readonly BodyRef[]): void {
		this.arrivedCount += bodies.length;
	}
}

const headerOf = (bytes: Uint8Array): Uint8Array =>
	bytes.subarray(0, parseMessage(bytes).structure.bodyStart);
