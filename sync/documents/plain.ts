/**
 * The changes that nearly all mail makes: texts and truth values put under keys, and keys removed. Automerge's own encoder
 * and decoder take some 100 µs for one; these take a tenth, make the very same bytes, and know no other change: whatever
 * else a change is, decodePlain() leaves it to Automerge. Format: https://automerge.org/automerge-binary-format-spec/
 */
import { createHash } from "node:crypto";
import { ByteReader, ByteWriter } from "./bytes.ts";

/** The actor of the genesis (flat.ts), in whose objects the keys lie. */
export const GENESIS_ACTOR = "00".repeat(8);

/** One operation on one key. */
export interface Operation {
	/** Operation number of the genesis that made the map. */
	readonly map: number;
	readonly key: string;
	/** What is put there; undefined: the key is removed. */
	readonly value: string | boolean | undefined;
	/** The operations (`<number>@<actor>`) whose values go with it. */
	readonly pred: readonly string[];
}

export interface PlainChange {
	/** Hex. */
	readonly actor: string;
	/** Number of the change among the actor's. */
	readonly seq: number;
	/** Number of its first operation. */
	readonly startOp: number;
	/** Hashes of the changes that it follows, sorted. */
	readonly deps: readonly string[];
	readonly operations: readonly Operation[];
}

export interface DecodedPlain extends PlainChange {
	/** Of the change, by which others name it. */
	readonly hash: string;
}

export interface EncodedPlain {
	readonly change: Uint8Array;
	/** By which others name it. */
	readonly hash: string;
}

const MAGIC = Buffer.from("856f4a83", "hex");
const CHANGE_CHUNK = 1;
const PUT = 1;
const REMOVE = 3;
const UTF8 = 6;
/** Of a value without bytes. */
const META_NONE = 0;
const META_FALSE = 1;
const META_TRUE = 2;
/**
 * Of the object (actor and number), key, "is an insertion", action, type and length of value, value, predecessors (how
 * many, actor, number). An empty one is left out.
 */
const COLUMNS = [
	0x01, 0x02, 0x15, 0x34, 0x42, 0x56, 0x57, 0x70, 0x71, 0x73,
] as const;
const HASH_BYTES = 32;
const NUMBER_MAX = 2 ** 31;
const NO_PREDECESSORS: readonly string[] = [];

// Used by one call at a time.
const columns = new ByteWriter();
const content = new ByteWriter();
const texts = new ByteWriter();

/** Whether it can be put this way: numbers, and halves of characters, are Automerge's. */
export const canPut = (value: unknown): value is string | boolean =>
	typeof value === "boolean" ||
	(typeof value === "string" && value.isWellFormed());

/** A predecessor taken apart. */
interface Id {
	readonly number: number;
	readonly actor: string;
}

function idOf(text: string): Id {
	const at = text.indexOf("@");
	return { number: Number(text.slice(0, at)), actor: text.slice(at + 1) };
}

/** The author comes first, then all others that are named, in their order. */
function actorsOf(author: string, preds: readonly Id[]): Map<string, number> {
	const others = new Set([GENESIS_ACTOR]);
	for (const { actor } of preds) others.add(actor);
	others.delete(author);
	return new Map([author, ...[...others].sort()].map((one, i) => [one, i]));
}

export function encodePlain(changed: PlainChange): EncodedPlain {
	const { actor, seq, startOp, deps, operations } = changed;
	const preds: Id[] = [];
	for (let i = 0; i < operations.length; i++) {
		const { pred } = operations[i] as Operation;
		for (let at = 0; at < pred.length; at++)
			preds.push(idOf(pred[at] as string));
	}
	const actors = actorsOf(actor, preds);
	const lengths = writeColumns(operations, preds, actors);
	content.clear();
	content.unsigned(deps.length);
	for (const dep of deps) content.bytes(Buffer.from(dep, "hex"));
	content.block(Buffer.from(actor, "hex"));
	content.unsigned(seq);
	content.unsigned(startOp);
	// Time and message.
	content.unsigned(0);
	content.unsigned(0);
	content.unsigned(actors.size - 1);
	for (const other of actors.keys())
		if (other !== actor) content.block(Buffer.from(other, "hex"));
	content.unsigned(lengths.filter((length) => length > 0).length);
	for (const [i, column] of COLUMNS.entries()) {
		const length = lengths[i] as number;
		if (length === 0) continue;
		content.unsigned(column);
		content.unsigned(length);
	}
	content.bytes(columns.written());
	return chunk(content.written());
}

function chunk(bytes: Uint8Array): EncodedPlain {
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

/** Type and length of a value, which is laid down in `texts`. */
function metaOf(value: Operation["value"]): number {
	if (typeof value === "string") {
		const before = texts.length;
		texts.utf8(value);
		return (texts.length - before) * 16 + UTF8;
	}
	return value === undefined ? META_NONE : value ? META_TRUE : META_FALSE;
}

/** Returns the length of each. */
function writeColumns(
	operations: readonly Operation[],
	preds: readonly Id[],
	actors: ReadonlyMap<string, number>,
): number[] {
	const lengths: number[] = [];
	columns.clear();
	const column = (write: () => void) => {
		const before = columns.length;
		write();
		lengths.push(columns.length - before);
	};
	const unsigned = (value: number) => columns.unsigned(value);
	const numbers = (values: readonly number[]) =>
		column(() => columns.numbers(values));
	column(() => {
		columns.run(operations.length);
		unsigned(actors.get(GENESIS_ACTOR) as number);
	});
	numbers(operations.map(({ map }) => map));
	column(() =>
		columns.runs(
			operations.map(({ key }) => key),
			(key) => columns.text(key),
		),
	);
	column(() => unsigned(operations.length));
	numbers(operations.map(({ value }) => (value === undefined ? REMOVE : PUT)));
	texts.clear();
	numbers(operations.map(({ value }) => metaOf(value)));
	column(() => columns.bytes(texts.written()));
	numbers(operations.map(({ pred }) => pred.length));
	numbers(preds.map(({ actor }) => actors.get(actor) as number));
	let last = 0;
	const steps = preds.map(({ number }) => {
		const step = number - last;
		last = number;
		return step;
	});
	column(() => columns.runs(steps, (step) => columns.signed(step)));
	return lengths;
}

/** What encodePlain() made, by whomever; undefined for any other change, damaged ones among them. Never throws. */
export function decodePlain(change: Uint8Array): DecodedPlain | undefined {
	const plain = read(change);
	if (plain === undefined || plain.operations.length === 0) return undefined;
	// Whatever could be wrong with it shows here.
	const again = encodePlain(plain);
	return Buffer.compare(again.change, change) === 0
		? { ...plain, hash: again.hash }
		: undefined;
}

function read(change: Uint8Array): PlainChange | undefined {
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
	if (reader.unsigned() + reader.unsigned() !== 0) return undefined;
	const actors = [actor];
	for (let left = reader.count(1); left > 0; left--)
		actors.push(reader.hex(reader.unsigned()));
	const lengths = new Map<number, number>();
	for (let left = reader.count(2); left > 0; left--)
		lengths.set(reader.unsigned(), reader.unsigned());
	const parts = COLUMNS.map((column) => reader.part(lengths.get(column) ?? 0));
	const operations = readOperations(parts, actors, change.length);
	return reader.failed || operations === undefined
		? undefined
		: { actor, seq, startOp, deps, operations };
}

/** At most `most`, as each takes a byte, or those of a run do. */
function readOperations(
	parts: readonly ByteReader[],
	actors: readonly string[],
	most: number,
): Operation[] | undefined {
	const [, maps, keys, , actions, metas, values, groups, predActors, steps] =
		parts as [ByteReader, ...ByteReader[]];
	if (!maps || !keys || !actions || !metas || !values) return undefined;
	if (!groups || !predActors || !steps) return undefined;
	const unsigned = (reader: ByteReader) =>
		reader.runs(most, () => reader.unsigned());
	const inMaps = unsigned(maps);
	const named = keys.runs(most, () => keys.text(keys.unsigned()));
	const done = unsigned(actions);
	const sizes = unsigned(metas);
	const counts = unsigned(groups);
	const by = unsigned(predActors);
	const stepped = steps.runs(most, () => steps.signed());
	let used = 0;
	let number = 0;
	return named.map((key, i) => {
		const count = Math.min(counts[i] ?? 0, by.length - used);
		const pred: string[] = [];
		for (let left = count; left > 0; left--, used++) {
			number += stepped[used] ?? 0;
			pred.push(`${number}@${actors[by[used] ?? 0] ?? ""}`);
		}
		return {
			map: inMaps[i] ?? 0,
			key,
			value: readValue(values, done[i] ?? 0, sizes[i] ?? 0),
			pred: count > 0 ? pred : NO_PREDECESSORS,
		};
	});
}

function readValue(
	values: ByteReader,
	action: number,
	meta: number,
): Operation["value"] {
	if (action === REMOVE) return undefined;
	if (meta === META_TRUE || meta === META_FALSE) return meta === META_TRUE;
	return values.text(Math.floor(meta / 16));
}
