/**
 * What FETCH needs of a message without its body: wire strings, structure and header by body hash, in memory and in
 * files. All of it can be had again from the bodies: the files may be deleted while the node is down, and nothing here
 * is ever the only copy. Bodies that are small enough to lie in memory anyway (BODY_MEMORY_BYTES_MAX) are read whole,
 * larger ones are parsed as they stream by, so memory stays flat.
 */
import type { Message } from "../../sync/api.ts";
import type { BodyHash } from "../../sync/ids.ts";
import {
	BODY_MEMORY_BYTES_MAX,
	HEADERS_MEMORY_BYTES_MAX,
	ORDERINGS_MEMORY_BYTES_MAX,
	PRIMED_MEMORY_BYTES_MAX,
	STRUCTURE_BYTES_MAX,
	STRUCTURE_HEADER_BYTES_MAX,
	STRUCTURE_PARSES_MAX,
	STRUCTURES_MEMORY_BYTES_MAX,
	STRUCTURES_PENDING_MAX,
	STRUCTURES_PENDING_MILLISECONDS,
	TREES_MEMORY_BYTES_MAX,
} from "../../sync/limits.ts";
import type { Bodies, BodyRef } from "../../sync/ports/bodies.ts";
import type { Cancel, Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import { CacheFile } from "./cache-file.ts";
import {
	type CacheRow,
	cacheRow,
	headerIn,
	type StoredStructure,
	structureIn,
	textIn,
} from "./cache-row.ts";
import { ByteLru } from "./lru.ts";
import { type Ordering, unpackOrdering } from "./ordering.ts";
import { parseMessage, StructureParser } from "./parser.ts";
import type { Parsed } from "./types.ts";

/** Wire strings hold one character an octet: write them as "latin1". */
export interface CachedStructure {
	/** Value of ENVELOPE. */
	readonly envelopeImap: string;
	/** Value of BODYSTRUCTURE. */
	readonly bodyStructureImap: string;
	/** Bytes of the message's header, its blank line included. */
	readonly headerBytes: number;
}

type Wanted = Pick<Message, "body">;
/** Of each of the messages that were asked about, in their order. */
export type InTurn<T> = readonly (T | undefined)[];

export interface StructureCache {
	/** Rejects with BodyUnavailable when the message is not cached and its body cannot be had. */
	entry(message: Wanted): Promise<CachedStructure>;
	/** Those of many that are cached, in one pass: ask for some hundred or thousand at a time. */
	cached(messages: readonly Wanted[]): InTurn<CachedStructure>;
	/** Envelope and tree of parts. Rejects as entry(). */
	parsed(message: Wanted): Promise<Parsed>;
	/** The message's own header with the blank line that ends it. Rejects as entry(). */
	header(message: Wanted): Promise<Uint8Array>;
	/** Headers of many that are cached, as cached(). */
	cachedHeaders(messages: readonly Wanted[]): InTurn<Uint8Array>;
	cachedOrderings(messages: readonly Wanted[]): InTurn<Ordering>;
	/** What SORT and THREAD compare, of each message in turn. Rejects as entry(). */
	orderings(messages: readonly Wanted[]): Promise<Ordering[]>;
	/** Previews (RFC 8970) that are cached. */
	cachedPreviews(messages: readonly Wanted[]): InTurn<string>;
	keepPreview(message: Wanted, preview: string): void;
	/**
	 * Takes a whole message while its bytes are at hand: it is parsed when somebody asks for it, or by the thread that reads
	 * it for the index of texts anyway (atHand(), then keep()). Some megabytes of such wait here; the caller leaves the bytes.
	 */
	prime(hash: BodyHash, bytes: Uint8Array): void;
	/** What was primed and is not known from keep() yet. */
	atHand(hash: BodyHash): Uint8Array | undefined;
	/** Nobody will ask for this message here. */
	release(hash: BodyHash): void;
	/** Whether it is parsed already, for a client or by keep(). */
	isKept(hash: BodyHash): boolean;
	/** A message that was parsed elsewhere. */
	keep(row: CacheRow): void;
	/** Writes what waits, and closes the file. */
	close(): void;
}

export interface StructureCacheOptions {
	/** Made if it is missing. */
	readonly folder: string;
	/** What a former version kept instead: taken away. */
	readonly formerFile?: string | undefined;
	readonly bodies: Bodies;
	readonly log: Log;
	readonly clock: Clock;
}

/** Opens the cache; a damaged file is made anew, with a warning. Never throws because of the files. */
export const createStructureCache = (
	options: StructureCacheOptions,
): StructureCache => new Cache(options);

/** In memory; objects take about four times as many bytes as the JSON that they are made from. */
const entryBytes = (row: StoredStructure): number =>
	300 + row.envelope.length + row.bodyStructure.length;
const treeBytes = (json: string): number => 300 + 4 * json.length;
const orderingBytes = (packed: string): number => 400 + 2 * packed.length;

const entryOf = (row: StoredStructure): CachedStructure => ({
	envelopeImap: row.envelope,
	bodyStructureImap: row.bodyStructure,
	headerBytes: row.headerBytes,
});
const entryIn = ({ hash, note }: CacheRow): CachedStructure =>
	entryOf(structureIn(hash, note));

interface Held<T> {
	readonly value: T;
	/** What it takes in memory, about. */
	readonly bytes: number;
}
const heldEntry = (row: StoredStructure): Held<CachedStructure> => ({
	value: entryOf(row),
	bytes: entryBytes(row),
});
const heldHeader = (header: Uint8Array): Held<Uint8Array> => ({
	value: header,
	bytes: 200 + header.length,
});
const heldOrdering = (packed: string): Held<Ordering> => ({
	value: unpackOrdering(packed),
	bytes: orderingBytes(packed),
});
/** Whoever asks for so many at once goes through a mailbox. */
const SCAN_MESSAGES = 100;

/** Every row has these. */
const ownText = ({ row }: CacheRow, kind: "tree" | "ordering"): string =>
	textIn(row, kind) as string;

class Cache implements StructureCache {
	readonly #bodies: Bodies;
	readonly #clock: Clock;
	readonly #file: CacheFile;
	readonly #entries = new ByteLru<CachedStructure>(STRUCTURES_MEMORY_BYTES_MAX);
	readonly #trees = new ByteLru<Parsed>(TREES_MEMORY_BYTES_MAX);
	readonly #headers = new ByteLru<Uint8Array>(HEADERS_MEMORY_BYTES_MAX);
	readonly #orderings = new ByteLru<Ordering>(ORDERINGS_MEMORY_BYTES_MAX);
	/** Whole messages that nobody has parsed yet, or that the index has not read. */
	readonly #primed = new ByteLru<Uint8Array>(PRIMED_MEMORY_BYTES_MAX);
	/** Waits to be written. */
	readonly #pending = new Map<string, CacheRow>();
	/** The same of previews. */
	readonly #previews = new Map<string, string>();
	#flushLater: Cancel | undefined;
	/** Being read and parsed, so that two sessions do not do the same work. */
	readonly #reading = new Map<string, Promise<CacheRow>>();
	readonly #waiting: (() => void)[] = [];
	#free = STRUCTURE_PARSES_MAX;
	#closed = false;

	constructor(options: StructureCacheOptions) {
		this.#bodies = options.bodies;
		this.#clock = options.clock;
		this.#file = new CacheFile(options);
	}

	async entry(message: Wanted): Promise<CachedStructure> {
		const { body } = message;
		return this.cached([message])[0] ?? entryIn(await this.#read(body));
	}

	cached(messages: readonly Wanted[]): InTurn<CachedStructure> {
		return this.#lookUp(
			messages,
			this.#entries,
			({ hash, note }) => heldEntry(structureIn(hash, note)),
			(hashes, take) => {
				for (const row of this.#file.structures(hashes))
					take(row.hash, heldEntry(row));
			},
		);
	}

	async parsed({ body }: Wanted): Promise<Parsed> {
		const known = this.#trees.get(body.hash);
		if (known !== undefined) return known;
		const atHand = this.#rowAtHand(body.hash);
		const json =
			(atHand && ownText(atHand, "tree")) ??
			this.#file.texts("tree", [body.hash])[0]?.[1] ??
			ownText(await this.#read(body), "tree");
		const parsed = JSON.parse(json) as Parsed;
		this.#trees.set(body.hash, parsed, treeBytes(json));
		return parsed;
	}

	async header(message: Wanted): Promise<Uint8Array> {
		return (
			this.cachedHeaders([message])[0] ?? (await this.#readHeader(message))
		);
	}

	cachedHeaders(messages: readonly Wanted[]): InTurn<Uint8Array> {
		return this.#lookUp(
			messages,
			this.#headers,
			({ row }) => {
				const header = headerIn(row);
				// Its own bytes: the row was read with others.
				return header && heldHeader(Buffer.from(header));
			},
			(hashes, take) => {
				for (const [hash, header] of this.#file.headers(hashes))
					take(hash, heldHeader(header));
			},
		);
	}

	cachedOrderings(messages: readonly Wanted[]): (Ordering | undefined)[] {
		return this.#lookUp(
			messages,
			this.#orderings,
			(row) => heldOrdering(ownText(row, "ordering")),
			(hashes, take) => {
				for (const [hash, packed] of this.#file.texts("ordering", hashes))
					take(hash, heldOrdering(packed));
			},
		);
	}

	async orderings(messages: readonly Wanted[]): Promise<Ordering[]> {
		const known = this.cachedOrderings(messages);
		if (known.includes(undefined)) await this.#readOrderings(messages, known);
		return known as Ordering[];
	}

	/** Fills in those of messages that are not kept. */
	async #readOrderings(
		messages: readonly Wanted[],
		known: (Ordering | undefined)[],
	): Promise<void> {
		let next = 0;
		const worker = async (): Promise<void> => {
			for (;;) {
				const at = next++;
				const { body } = messages[at] ?? {};
				if (body === undefined) return;
				if (known[at] !== undefined) continue;
				const row = await this.#read(body);
				const { value, bytes } = heldOrdering(ownText(row, "ordering"));
				this.#orderings.set(row.hash, value, bytes);
				known[at] = value;
			}
		};
		await Promise.all(Array.from({ length: STRUCTURE_PARSES_MAX }, worker));
	}

	cachedPreviews(messages: readonly Wanted[]): InTurn<string> {
		return this.#lookUp(
			messages,
			this.#previews,
			() => undefined,
			(hashes, take) => {
				for (const [hash, preview] of this.#file.texts("preview", hashes))
					take(hash, { value: preview, bytes: 0 });
			},
		);
	}

	keepPreview({ body }: Wanted, preview: string): void {
		this.#previews.set(body.hash, preview);
		this.#flushSoon();
	}

	prime(hash: BodyHash, bytes: Uint8Array): void {
		if (this.#closed) return;
		// What a small one is a part of stays in memory with it.
		this.#primed.set(hash, bytes, 200 + bytes.buffer.byteLength);
	}

	atHand(hash: BodyHash): Uint8Array | undefined {
		return this.#primed.get(hash);
	}

	release(hash: BodyHash): void {
		this.#primed.delete(hash);
	}

	isKept(hash: BodyHash): boolean {
		return this.#pending.has(hash) || this.#file.has(hash);
	}

	keep(row: CacheRow): void {
		this.#primed.delete(row.hash);
		this.#keep(row);
	}

	/** What waits to be written, or is parsed now. */
	#rowAtHand(hash: BodyHash): CacheRow | undefined {
		// Mostly nothing is, and whoever goes through a mailbox asks of each message.
		if (this.#pending.size === 0 && this.#primed.isEmpty) return undefined;
		const waiting = this.#pending.get(hash);
		if (waiting !== undefined) return waiting;
		const bytes = this.#primed.get(hash);
		if (bytes === undefined) return undefined;
		const row = cacheRow(hash, parseMessage(bytes), bytes);
		this.#keep(row);
		return row;
	}

	close(): void {
		this.#flush();
		this.#closed = true;
		this.#file.close();
	}

	/** From memory, from what waits to be written, or from the file; what memory lacked goes there, if it has such a place. */
	#lookUp<T>(
		messages: readonly Wanted[],
		inMemory: ByteLru<T> | ReadonlyMap<string, T>,
		waiting: (row: CacheRow) => Held<T> | undefined,
		inFile: (
			hashes: readonly BodyHash[],
			take: (hash: string, held: Held<T>) => void,
		) => void,
	): (T | undefined)[] {
		const found: (T | undefined)[] = [];
		const isScan = messages.length >= SCAN_MESSAGES;
		const keep = (hash: string, { value, bytes }: Held<T>): T => {
			if (!(inMemory instanceof ByteLru)) return value;
			if (isScan) inMemory.offer(hash, value, bytes);
			else inMemory.set(hash, value, bytes);
			return value;
		};
		/** Places of what must be looked for in the file; of one that is asked about twice, the last. */
		const missing = new Map<BodyHash, number>();
		let isTwice = false;
		for (const { body } of messages) {
			const { hash } = body;
			let value = inMemory.get(hash);
			if (value === undefined) {
				const row = this.#rowAtHand(hash);
				const held = row && waiting(row);
				if (held !== undefined) value = keep(hash, held);
				else {
					const before = missing.size;
					missing.set(hash, found.length);
					isTwice ||= missing.size === before;
				}
			}
			found.push(value);
		}
		if (missing.size === 0) return found;
		inFile([...missing.keys()], (hash, held) => {
			found[missing.get(hash as BodyHash) as number] = keep(hash, held);
		});
		if (isTwice)
			for (const [at, { body }] of messages.entries())
				found[at] ??= found[missing.get(body.hash) as number];
		return found;
	}

	async #readHeader(message: Wanted): Promise<Uint8Array> {
		const { body } = message;
		const [kept] = this.cached([message]);
		if (kept !== undefined) return this.#bodies.read(body, 0, kept.headerBytes);
		const row = await this.#read(body);
		const { headerBytes } = entryIn(row);
		return headerIn(row.row) ?? this.#bodies.read(body, 0, headerBytes);
	}

	/** Reads and parses a body; at most STRUCTURE_PARSES_MAX at a time, each body once. */
	#read(body: BodyRef): Promise<CacheRow> {
		let reading = this.#reading.get(body.hash);
		if (reading === undefined) {
			reading = this.#parse(body).finally(() =>
				this.#reading.delete(body.hash),
			);
			this.#reading.set(body.hash, reading);
		}
		return reading;
	}

	async #parse(body: BodyRef): Promise<CacheRow> {
		if (this.#free === 0)
			await new Promise<void>((resume) => this.#waiting.push(resume));
		else this.#free--;
		try {
			const row =
				body.sizeBytes <= BODY_MEMORY_BYTES_MAX
					? await this.#parseWhole(body)
					: await this.#parseStream(body);
			this.#keep(row);
			return row;
		} finally {
			const next = this.#waiting.shift();
			if (next === undefined) this.#free++;
			else next();
		}
	}

	async #parseWhole(body: BodyRef): Promise<CacheRow> {
		const bytes = await this.#bodies.read(body);
		return cacheRow(body.hash, parseMessage(bytes), bytes);
	}

	async #parseStream(body: BodyRef): Promise<CacheRow> {
		const parser = new StructureParser();
		const start = Buffer.alloc(STRUCTURE_HEADER_BYTES_MAX);
		let startBytes = 0;
		for await (const chunk of this.#bodies.stream(body)) {
			const room = start.length - startBytes;
			start.set(chunk.subarray(0, room), startBytes);
			startBytes += Math.min(room, chunk.length);
			parser.push(chunk);
		}
		return cacheRow(body.hash, parser.end(), start.subarray(0, startBytes));
	}

	#keep(row: CacheRow): void {
		if (this.#closed || row.note.length + row.row.length > STRUCTURE_BYTES_MAX)
			return;
		this.#pending.set(row.hash, row);
		this.#flushSoon();
	}

	#flushSoon(): void {
		if (this.#pending.size + this.#previews.size >= STRUCTURES_PENDING_MAX)
			this.#flush();
		else
			this.#flushLater ??= this.#clock.after(
				STRUCTURES_PENDING_MILLISECONDS,
				() => this.#flush(),
			);
	}

	#flush(): void {
		this.#flushLater?.();
		this.#flushLater = undefined;
		if (this.#pending.size > 0) this.#file.put([...this.#pending.values()]);
		this.#pending.clear();
		if (this.#previews.size > 0) this.#file.putPreviews(this.#previews);
		this.#previews.clear();
	}
}
