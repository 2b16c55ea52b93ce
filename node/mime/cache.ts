/**
 * What FETCH needs of a message without its body: wire strings, structure and header by body hash, in memory and in
 * SQLite. All of it can be had again from the bodies: the file may be deleted while the node is down, and nothing here
 * is ever the only copy. Bodies that are small enough to lie in memory anyway (BODY_MEMORY_BYTES_MAX) are read whole,
 * larger ones are parsed as they stream by, so memory stays flat.
 */
import type { Message } from "../../sync/api.ts";
import type { BodyHash } from "../../sync/ids.ts";
import {
	BODY_MEMORY_BYTES_MAX,
	HEADERS_MEMORY_BYTES_MAX,
	ORDERINGS_MEMORY_BYTES_MAX,
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
import { CacheFile, type Row, type StoredStructure } from "./cache-file.ts";
import { asBuffer } from "./header.ts";
import { ByteLru } from "./lru.ts";
import {
	type Ordering,
	orderingOf,
	packOrdering,
	unpackOrdering,
} from "./ordering.ts";
import { parseMessage, StructureParser } from "./parser.ts";
import type { Parsed } from "./types.ts";
import { bodyStructureImap, envelopeImap } from "./wire.ts";

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

export interface StructureCache {
	/** Rejects with BodyUnavailable when the message is not cached and its body cannot be had. */
	entry(message: Wanted): Promise<CachedStructure>;
	/** Those of many that are cached, by body hash, in one pass: ask for some hundred or thousand at a time. */
	cached(messages: readonly Wanted[]): ReadonlyMap<BodyHash, CachedStructure>;
	/** Envelope and tree of parts. Rejects as entry(). */
	parsed(message: Wanted): Promise<Parsed>;
	/** The message's own header with the blank line that ends it. Rejects as entry(). */
	header(message: Wanted): Promise<Uint8Array>;
	/** Headers of many that are cached, as cached(). */
	cachedHeaders(messages: readonly Wanted[]): ReadonlyMap<BodyHash, Uint8Array>;
	cachedOrderings(messages: readonly Wanted[]): ReadonlyMap<BodyHash, Ordering>;
	/** What SORT and THREAD compare, of each message in turn. Rejects as entry(). */
	orderings(messages: readonly Wanted[]): Promise<Ordering[]>;
	/** Previews (RFC 8970) that are cached. */
	cachedPreviews(messages: readonly Wanted[]): ReadonlyMap<BodyHash, string>;
	keepPreview(message: Wanted, preview: string): void;
	/** Fills the cache at intake, while the bytes of the whole message are at hand. Costs some 0.1 ms for 20 kB. */
	prime(hash: BodyHash, bytes: Uint8Array): void;
	/** Writes what waits, and closes the file. */
	close(): void;
}

export interface StructureCacheOptions {
	/** Path of cache.db; its folder exists. */
	readonly file: string;
	readonly bodies: Bodies;
	readonly log: Log;
	readonly clock: Clock;
}

/** Opens the cache; a damaged file is made anew, with a warning. Never throws because of the file. */
export const createStructureCache = (
	options: StructureCacheOptions,
): StructureCache => new Cache(options);

/** Characters of a row that is kept. */
const lengthOf = (row: Row): number =>
	row.envelope.length +
	row.bodyStructure.length +
	row.tree.length +
	row.ordering.length;
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

function rowOf(hash: string, parsed: Parsed, start: Uint8Array): Row {
	const headerBytes = parsed.structure.bodyStart;
	const header = start.subarray(0, headerBytes);
	return {
		hash,
		envelope: envelopeImap(parsed),
		bodyStructure: bodyStructureImap(parsed, true),
		tree: JSON.stringify(parsed),
		ordering: packOrdering(orderingOf(parsed.envelope, header)),
		headerBytes,
		header:
			headerBytes <= Math.min(STRUCTURE_HEADER_BYTES_MAX, start.length)
				? Uint8Array.from(header)
				: undefined,
	};
}

class Cache implements StructureCache {
	readonly #bodies: Bodies;
	readonly #clock: Clock;
	readonly #file: CacheFile;
	readonly #entries = new ByteLru<CachedStructure>(STRUCTURES_MEMORY_BYTES_MAX);
	readonly #trees = new ByteLru<Parsed>(TREES_MEMORY_BYTES_MAX);
	readonly #headers = new ByteLru<Uint8Array>(HEADERS_MEMORY_BYTES_MAX);
	readonly #orderings = new ByteLru<Ordering>(ORDERINGS_MEMORY_BYTES_MAX);
	/** Waits for the next transaction. */
	readonly #pending = new Map<string, Row>();
	#flushLater: Cancel | undefined;
	/** Being read and parsed, so that two sessions do not do the same work. */
	readonly #reading = new Map<string, Promise<Row>>();
	readonly #waiting: (() => void)[] = [];
	#free = STRUCTURE_PARSES_MAX;
	#closed = false;

	constructor({ file, bodies, log, clock }: StructureCacheOptions) {
		this.#bodies = bodies;
		this.#clock = clock;
		this.#file = new CacheFile(file, log);
	}

	async entry(message: Wanted): Promise<CachedStructure> {
		const { body } = message;
		return (
			this.cached([message]).get(body.hash) ?? entryOf(await this.#read(body))
		);
	}

	cached(messages: readonly Wanted[]): Map<BodyHash, CachedStructure> {
		return this.#lookUp(
			messages,
			(hash) => this.#entries.get(hash),
			(row) => this.#remember(row),
			(hashes) =>
				this.#file
					.structures(hashes)
					.map((row) => [row.hash, this.#remember(row)]),
		);
	}

	async parsed({ body }: Wanted): Promise<Parsed> {
		const known = this.#trees.get(body.hash);
		if (known !== undefined) return known;
		const json =
			this.#pending.get(body.hash)?.tree ??
			this.#file.texts("tree", [body.hash])[0]?.[1] ??
			(await this.#read(body)).tree;
		const parsed = JSON.parse(json) as Parsed;
		this.#trees.set(body.hash, parsed, treeBytes(json));
		return parsed;
	}

	async header(message: Wanted): Promise<Uint8Array> {
		return (
			this.cachedHeaders([message]).get(message.body.hash) ??
			(await this.#readHeader(message))
		);
	}

	cachedHeaders(messages: readonly Wanted[]): Map<BodyHash, Uint8Array> {
		return this.#lookUp(
			messages,
			(hash) => this.#headers.get(hash),
			(row) => row.header,
			(hashes) => {
				// As Buffers, so that no view of the memory has to be made for each message that is answered.
				const found = this.#file
					.headers(hashes)
					.map(([hash, header]): [string, Buffer] => [hash, asBuffer(header)]);
				for (const [hash, header] of found)
					this.#headers.set(hash, header, 200 + header.length);
				return found;
			},
		);
	}

	cachedOrderings(messages: readonly Wanted[]): Map<BodyHash, Ordering> {
		return this.#lookUp(
			messages,
			(hash) => this.#orderings.get(hash),
			(row) => this.#takeOrdering(row.hash, row.ordering),
			(hashes) =>
				this.#file
					.texts("ordering", hashes)
					.map(([hash, packed]) => [hash, this.#takeOrdering(hash, packed)]),
		);
	}

	#takeOrdering(hash: string, packed: string): Ordering {
		const ordering = unpackOrdering(packed);
		this.#orderings.set(hash, ordering, orderingBytes(packed));
		return ordering;
	}

	async orderings(messages: readonly Wanted[]): Promise<Ordering[]> {
		const held: Ordering[] = [];
		for (const { body } of messages) {
			const ordering = this.#orderings.get(body.hash);
			if (ordering === undefined) break;
			held.push(ordering);
		}
		if (held.length === messages.length) return held;
		const known = this.cachedOrderings(messages);
		const missing = messages.filter(({ body }) => !known.has(body.hash));
		let next = 0;
		const worker = async (): Promise<void> => {
			for (let of = missing[next++]; of; of = missing[next++]) {
				const { hash, ordering } = await this.#read(of.body);
				known.set(of.body.hash, this.#takeOrdering(hash, ordering));
			}
		};
		await Promise.all(Array.from({ length: STRUCTURE_PARSES_MAX }, worker));
		return messages.map(({ body }) => known.get(body.hash) as Ordering);
	}

	cachedPreviews(messages: readonly Wanted[]): ReadonlyMap<BodyHash, string> {
		const hashes = messages.map(({ body }) => body.hash);
		return new Map(
			this.#file
				.texts("preview", hashes)
				.map(([hash, text]) => [hash as BodyHash, text]),
		);
	}

	keepPreview({ body }: Wanted, preview: string): void {
		if (this.#pending.has(body.hash)) this.#flush();
		this.#file.putPreview(body.hash, preview);
	}

	prime(hash: BodyHash, bytes: Uint8Array): void {
		if (this.#pending.has(hash) || this.#entries.get(hash) !== undefined)
			return;
		this.#keep(rowOf(hash, parseMessage(bytes), bytes));
	}

	close(): void {
		this.#flush();
		this.#closed = true;
		this.#file.close();
	}

	/** From memory, from what waits to be written, or from the file. */
	#lookUp<T>(
		messages: readonly Wanted[],
		inMemory: (hash: BodyHash) => T | undefined,
		waiting: (row: Row) => T | undefined,
		inFile: (hashes: readonly BodyHash[]) => readonly [string, T][],
	): Map<BodyHash, T> {
		const found = new Map<BodyHash, T>();
		const missing: BodyHash[] = [];
		for (const { body } of messages) {
			const row = this.#pending.get(body.hash);
			const value = inMemory(body.hash) ?? (row && waiting(row));
			if (value === undefined) missing.push(body.hash);
			else found.set(body.hash, value);
		}
		if (missing.length > 0)
			for (const [hash, value] of inFile(missing))
				found.set(hash as BodyHash, value);
		return found;
	}

	async #readHeader(message: Wanted): Promise<Uint8Array> {
		const { body } = message;
		const kept = this.cached([message]).get(body.hash);
		if (kept !== undefined) return this.#bodies.read(body, 0, kept.headerBytes);
		const row = await this.#read(body);
		return row.header ?? this.#bodies.read(body, 0, row.headerBytes);
	}

	/** Reads and parses a body; at most STRUCTURE_PARSES_MAX at a time, each body once. */
	#read(body: BodyRef): Promise<Row> {
		let reading = this.#reading.get(body.hash);
		if (reading === undefined) {
			reading = this.#parse(body).finally(() =>
				this.#reading.delete(body.hash),
			);
			this.#reading.set(body.hash, reading);
		}
		return reading;
	}

	async #parse(body: BodyRef): Promise<Row> {
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

	async #parseWhole(body: BodyRef): Promise<Row> {
		const bytes = await this.#bodies.read(body);
		return rowOf(body.hash, parseMessage(bytes), bytes);
	}

	async #parseStream(body: BodyRef): Promise<Row> {
		const parser = new StructureParser();
		const start = Buffer.alloc(STRUCTURE_HEADER_BYTES_MAX);
		let startBytes = 0;
		for await (const chunk of this.#bodies.stream(body)) {
			const room = start.length - startBytes;
			start.set(chunk.subarray(0, room), startBytes);
			startBytes += Math.min(room, chunk.length);
			parser.push(chunk);
		}
		return rowOf(body.hash, parser.end(), start.subarray(0, startBytes));
	}

	#remember(row: StoredStructure): CachedStructure {
		const entry = entryOf(row);
		this.#entries.set(row.hash, entry, entryBytes(row));
		return entry;
	}

	#keep(row: Row): void {
		if (this.#closed || lengthOf(row) > STRUCTURE_BYTES_MAX) return;
		this.#remember(row);
		this.#pending.set(row.hash, row);
		if (this.#pending.size >= STRUCTURES_PENDING_MAX) this.#flush();
		else
			this.#flushLater ??= this.#clock.after(
				STRUCTURES_PENDING_MILLISECONDS,
				() => this.#flush(),
			);
	}

	#flush(): void {
		this.#flushLater?.();
		this.#flushLater = undefined;
		if (this.#pending.size === 0) return;
		const rows = [...this.#pending.values()];
		this.#pending.clear();
		this.#file.put(rows);
	}
}
