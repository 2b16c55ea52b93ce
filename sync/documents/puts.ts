/**
 * The change that nearly all mail makes: texts put under keys that nobody put anything under. Automerge's own encoder and
 * decoder take some 100 µs for one; these take a tenth, make the very same bytes, and know no other change: whatever else
 * a change is, decodePuts() leaves it to Automerge. Format: https://automerge.org/automerge-binary-format-spec/
 */
import { createHash } from "node:crypto";
import { ByteReader, ByteWriter } from "./bytes.ts";

/** The actor of the genesis (flat.ts), in whose objects the keys lie. */
export const GENESIS_ACTOR = "00".repeat(8);

/** One text under one new key. */
export interface Put {
	/** Operation number of the genesis that made the map. */
	readonly map: number;
	readonly key: string;
	readonly value: string;
}

export interface Puts {
	/** Hex. */
	readonly actor: string;
	/** Number of the change among the actor's. */
	readonly seq: number;
	/** Number of its first operation. */
	readonly startOp: number;
	/** Hashes of the changes that it follows, sorted. */
	readonly deps: readonly string[];
	readonly puts: readonly Put[];
}

export interface DecodedPuts extends Puts {
	/** Of the change, by which others name it. */
	readonly hash: string;
}

export interface EncodedPuts {
	readonly change: Uint8Array;
	/** By which others name it. */
	readonly hash: string;
}

const MAGIC = Buffer.from("856f4a83", "hex");
const CHANGE_CHUNK = 1;
const PUT = 1;
const UTF8 = 6;
/** Of the object (actor and number), key, "is an insertion", action, type and length of value, value, predecessors. */
const COLUMNS = [0x01, 0x02, 0x15, 0x34, 0x42, 0x56, 0x57, 0x70];
const HASH_BYTES = 32;
const NUMBER_MAX = 2 ** 31;

// Used by one call at a time.
const columns = new ByteWriter();
const content = new ByteWriter();

/** Whether a value can be put this way: what has no bytes has no column. */
export const canPut = (value: unknown): value is string =>
	typeof value === "string" && value !== "" && value.isWellFormed();

export function encodePuts(changed: Puts): EncodedPuts {
	const { actor, seq, startOp, deps, puts } = changed;
	const lengths = writeColumns(puts);
	content.clear();
	content.unsigned(deps.length);
	for (const dep of deps) content.bytes(Buffer.from(dep, "hex"));
	content.block(Buffer.from(actor, "hex"));
	content.unsigned(seq);
	content.unsigned(startOp);
	// Time and message.
	content.unsigned(0);
	content.unsigned(0);
	content.unsigned(1);
	content.block(Buffer.from(GENESIS_ACTOR, "hex"));
	content.unsigned(COLUMNS.length);
	for (const [i, column] of COLUMNS.entries()) {
		content.unsigned(column);
		content.unsigned(lengths[i] as number);
	}
	content.bytes(columns.written());
	return chunk(content.written());
}

function chunk(bytes: Uint8Array): EncodedPuts {
	columns.clear();
	columns.unsigned(CHANGE_CHUNK);
	columns.unsigned(bytes.length);
	columns.bytes(bytes);
	const hashed = columns.written();
	const digest = createHash("sha256").update(hashed).digest();
	const change = new Uint8Array(8 + hashed.length);
	change.set(MAGIC);
	change.set(digest.subarray(0, 4), 4);
	change.set(hashed, 8);
	return { change, hash: digest.toString("hex") };
}

/** Returns the length of each. */
function writeColumns(puts: readonly Put[]): number[] {
	const ends: number[] = [];
	columns.clear();
	const all = (value: number) => {
		columns.run(puts.length);
		columns.unsigned(value);
	};
	all(1);
	ends.push(columns.length);
	columns.runs(
		puts.map(({ map }) => map),
		(map) => columns.unsigned(map),
	);
	ends.push(columns.length);
	columns.runs(
		puts.map(({ key }) => key),
		(key) => columns.text(key),
	);
	ends.push(columns.length);
	columns.unsigned(puts.length);
	ends.push(columns.length);
	all(PUT);
	ends.push(columns.length);
	columns.runs(
		puts.map(({ value }) => Buffer.byteLength(value) * 16 + UTF8),
		(meta) => columns.unsigned(meta),
	);
	ends.push(columns.length);
	for (const { value } of puts) columns.utf8(value);
	ends.push(columns.length);
	all(0);
	ends.push(columns.length);
	return ends.map((end, i) => end - (ends[i - 1] ?? 0));
}

/** What encodePuts() made, by whomever; undefined for any other change, damaged ones among them. Never throws. */
export function decodePuts(change: Uint8Array): DecodedPuts | undefined {
	const puts = read(change);
	if (puts === undefined || puts.puts.length === 0) return undefined;
	// Whatever could be wrong with it shows here.
	const again = encodePuts(puts);
	return Buffer.compare(again.change, change) === 0
		? { ...puts, hash: again.hash }
		: undefined;
}

function read(change: Uint8Array): Puts | undefined {
	const reader = new ByteReader(change);
	reader.skip(8);
	if (reader.unsigned() !== CHANGE_CHUNK) return undefined;
	reader.unsigned();
	const deps: string[] = [];
	for (let left = reader.count(HASH_BYTES); left > 0; left--)
		deps.push(reader.hex(HASH_BYTES));
	const actor = reader.hex(reader.unsigned());
	const seq = reader.unsigned();
	const startOp = reader.unsigned();
	// Automerge has no larger ones.
	if (Math.max(seq, startOp) > NUMBER_MAX) return undefined;
	if (reader.unsigned() + reader.unsigned() !== 0 || reader.unsigned() !== 1)
		return undefined;
	reader.skip(reader.unsigned());
	const lengths = new Map<number, number>();
	for (let left = reader.count(2); left > 0; left--)
		lengths.set(reader.unsigned(), reader.unsigned());
	if (lengths.size !== COLUMNS.length) return undefined;
	const [, maps, keys, , , metas, values] = COLUMNS.map((column) =>
		reader.part(lengths.get(column) ?? 0),
	) as [ByteReader, ...ByteReader[]];
	if (!maps || !keys || !metas || !values) return undefined;
	const most = change.length;
	const inMaps = maps.runs(most, () => maps.unsigned());
	const named = keys.runs(most, () => keys.text(keys.unsigned()));
	const sizes = metas.runs(most, () => metas.unsigned());
	const puts = named.map((key, i) => ({
		map: inMaps[i] ?? 0,
		key,
		value: values.text(Math.floor((sizes[i] ?? 0) / 16)),
	}));
	return reader.failed ? undefined : { actor, seq, startOp, deps, puts };
}
