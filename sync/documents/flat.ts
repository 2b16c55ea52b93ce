/**
 * Automerge behind one small handle: the only file that touches it. A document is a fixed set of bucket maps with a
 * genesis that is the same everywhere (the same actor, time and operations give the same change hash), and in them flat
 * keys with scalar values. Two nodes can therefore make the same document apart, and no object is ever created twice.
 * Costs 40-180 µs a change at any size; the high-level API would materialise the document (8 ms at 10,000 entries).
 */

import { createHash } from "node:crypto";
import {
	type ActorId,
	type DecodedChange,
	decodeChange,
	encodeChange,
	getBackend,
	init,
	load,
} from "@automerge/automerge";
import { Temporary } from "../faults.ts";
import type { Origin } from "../ids.ts";
import { EDITS_IN_BULK_MIN, UNSETTLED_CHANGES_MAX } from "../limits.ts";

export type Scalar = string | number | boolean;
/**
 * One change to one key. `add` makes a concurrent removal lose, also where the key is there already. `isNew`: the key is
 * not there, as far as the caller knows, so that it need not be looked for among many; where it is there after all, both
 * values count.
 */
export type Edit =
	| { readonly key: string; readonly set: Scalar; readonly isNew?: boolean }
	| { readonly key: string; readonly add: Scalar; readonly isNew?: boolean }
	| { readonly key: string; readonly remove: true };

type Handle = ReturnType<typeof getBackend>;
type Op = DecodedChange["ops"][number];
type ChangeMetadata = NonNullable<ReturnType<Handle["getChangeMetaByHash"]>>;

const GENESIS_ACTOR = "00".repeat(8);
/** By number of buckets. A copy of one costs 50 µs; to apply its change to an empty document, 2 ms. */
const geneses = new Map<number, Handle>();

function genesis(buckets: number): Handle {
	let handle = geneses.get(buckets);
	if (handle === undefined) {
		handle = getBackend(init({ actor: GENESIS_ACTOR as ActorId }));
		for (let i = 0; i < buckets; i++) handle.putObject("_root", `b${i}`, {});
		handle.commit(null, 0);
		geneses.set(buckets, handle);
	}
	return handle;
}

/** Keys are `<kind>:<id>` or `<kind>:<id>:<detail>`; all keys of one id lie in one bucket (FNV-1a of the id). */
function bucketOf(key: string, buckets: number): number {
	const from = key.indexOf(":") + 1;
	const end = key.indexOf(":", from);
	let hash = 0x811c9dc5;
	for (let i = from; i < (end < 0 ? key.length : end); i++)
		hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
	return (hash >>> 0) % buckets;
}

/** A change that is encoded from outside keeps numbers under other types than a put does. */
const isNumber = (edit: Edit): boolean =>
	typeof ("add" in edit ? edit.add : "set" in edit ? edit.set : "") ===
	"number";

/** What is stored of a document is not what was put there. Temporary: it is put together again from the log or a member. */
export class DamagedDocument extends Temporary {
	override name = "DamagedDocument";
}

/**
 * Why a change of another node must not be applied; undefined when it may. Automerge takes changes whose checksum is wrong,
 * and whatever they do: here they are whole, of this origin, and put or remove just these keys, with what `contentFault`
 * lets pass.
 */
export function faultOf(
	change: Uint8Array,
	origin: Origin,
	keys: readonly string[],
	buckets: number,
	contentFault: (
		key: string,
		value: Scalar | undefined,
	) => string | undefined = () => undefined,
): string | undefined {
	let decoded: ReturnType<typeof decodeChange>;
	try {
		decoded = decodeChange(change);
	} catch (error) {
		return `it is damaged: ${String(error).slice(0, 80)}`;
	}
	// Bytes 4 to 8 are the start of the hash that the change should have.
	const sum = Buffer.from(change.subarray(4, 8)).toString("hex");
	if (decoded.hash?.slice(0, 8) !== sum)
		return "it is damaged: its checksum is wrong";
	if (decoded.actor !== (origin as string)) return "it is of another origin";
	const named = new Set(keys);
	for (const { action, obj, key, value } of decoded.ops as readonly {
		action: string;
		obj: string;
		key?: string;
		value?: Scalar;
	}[]) {
		if (action !== "set" && action !== "del")
			return `it does something else than to put or remove: ${action.slice(0, 20)}`;
		if (key === undefined || !named.has(key))
			return "it changes a key that it does not name";
		if (obj !== `${bucketOf(key, buckets) + 1}@${GENESIS_ACTOR}`)
			return "it changes a key in the wrong place";
		const fault = contentFault(key, action === "set" ? value : undefined);
		if (fault !== undefined) return fault;
	}
	return undefined;
}

/** Where a document stands: what the next change of this actor follows. */
interface Tip {
	readonly heads: readonly string[];
	readonly maxOp: number;
	/** Changes made by this actor. */
	readonly ownCount: number;
}

export class FlatDocument {
	readonly #applied: Handle;
	readonly #buckets: number;
	/** Changes made by this actor, once they were counted. */
	#ownCount: number | undefined;
	/** Own changes that were made in bulk and are not in the handle yet: whoever reads has them applied first. */
	#unapplied: Uint8Array[] = [];
	/** Known after a change in bulk, until another one follows. */
	#tip: Tip | undefined;

	private constructor(handle: Handle, buckets: number) {
		this.#applied = handle;
		this.#buckets = buckets;
	}

	/** With all changes. */
	get #handle(): Handle {
		if (this.isUnsettled) this.settle();
		return this.#applied;
	}

	/** Whether there is work for settle(). */
	get isUnsettled(): boolean {
		return this.#unapplied.length > 0;
	}

	/**
	 * Applies what was only encoded so far, at most so many changes. Automerge takes some 10 to 40 µs for each operation, for
	 * which nobody need wait: until then a change lies in the log like those of a document that is not open.
	 */
	settle(count = Number.POSITIVE_INFINITY): void {
		applyTo(this.#applied, this.#unapplied.splice(0, count));
	}

	/** An empty document, whose changes will be made in the name of `origin`. */
	static create(buckets: number, origin: Origin): FlatDocument {
		const handle = genesis(buckets).clone(origin as string);
		return new FlatDocument(handle, buckets);
	}

	/** What save() gave, with changes made since. Throws DamagedDocument. */
	static load(
		buckets: number,
		origin: Origin,
		saved: Uint8Array,
	): FlatDocument {
		try {
			const document = load(saved, { actor: origin as unknown as ActorId });
			return new FlatDocument(getBackend(document), buckets);
		} catch (error) {
			throw new DamagedDocument(`cannot load a document: ${String(error)}`);
		}
	}

	#object(key: string): `${number}@${string}` {
		return `${bucketOf(key, this.#buckets) + 1}@${GENESIS_ACTOR}`;
	}

	/**
	 * Makes the edits and returns them as one change, or undefined where there are none. Many are encoded as a change, to be
	 * applied later, which costs a third to a sixth of making one operation after the other; for few it costs more. What
	 * follows such a change is encoded too, so that it need not wait for it.
	 */
	change(
		edits: readonly Edit[],
		bulkFrom = EDITS_IN_BULK_MIN,
	): Uint8Array | undefined {
		const isBulk = edits.length >= bulkFrom || this.#mayWait;
		if (isBulk && edits.length > 0 && !edits.some(isNumber))
			return this.#changeInBulk(edits);
		this.#tip = undefined;
		for (const edit of edits) this.#edit(this.#object(edit.key), edit);
		if (this.#handle.commit(null, 0) === null) return undefined;
		if (this.#ownCount !== undefined) this.#ownCount++;
		return this.#handle.getLastLocalChange() as Uint8Array;
	}

	#changeInBulk(edits: readonly Edit[]): Uint8Array {
		const { heads, maxOp, ownCount } = this.#tip ?? this.#readTip();
		const actor = this.#applied.getActorId();
		const ops = this.#operations(edits, actor, maxOp + 1);
		const seq = ownCount + 1;
		const change = encodeChange({
			actor,
			author: null,
			seq,
			startOp: maxOp + 1,
			time: 0,
			message: null,
			deps: [...heads],
			ops,
		});
		if (this.#unapplied.length >= UNSETTLED_CHANGES_MAX) this.settle(1);
		this.#unapplied.push(change);
		this.#ownCount = seq;
		this.#tip = {
			heads: [hashOf(change)],
			maxOp: maxOp + ops.length,
			ownCount: seq,
		};
		return change;
	}

	#readTip(): Tip {
		const heads = this.heads();
		const metas = heads.map(
			(head) => this.#handle.getChangeMetaByHash(head) as ChangeMetadata,
		);
		return {
			heads,
			maxOp: Math.max(...metas.map(({ maxOp }) => maxOp)),
			ownCount: this.#ownChanges(this.#applied.getActorId(), metas),
		};
	}

	/** How many changes this actor has made. Its newest one is a head, unless others came after it. */
	#ownChanges(actor: string, heads: readonly ChangeMetadata[]): number {
		const newest = heads.find((head) => head.actor === actor);
		if (newest !== undefined) return newest.seq;
		if (this.#ownCount !== undefined) return this.#ownCount;
		// Some 20 µs each: so it is kept.
		const all = this.#handle.getChangesMeta([]);
		return all.reduce(
			(most, meta) => (meta.actor === actor ? Math.max(most, meta.seq) : most),
			0,
		);
	}

	/** As #edit() makes them, but that a put over an equal value needs no removal before it here. */
	#operations(edits: readonly Edit[], actor: string, startOp: number): Op[] {
		const operations: Op[] = [];
		/** What each key of these edits holds after them so far. */
		const holds = new Map<string, string[]>();
		const add = (key: string, op: Pick<Op, "action" | "value">) => {
			const pred = holds.get(key) ?? [];
			const id = `${startOp + operations.length}@${actor}`;
			operations.push({ ...op, obj: this.#object(key), key, pred });
			holds.set(key, op.action === "del" ? [] : [id]);
		};
		for (const edit of this.#inOrder(edits)) {
			const { key } = edit;
			if (!holds.has(key))
				holds.set(key, "isNew" in edit && edit.isNew ? [] : this.#ids(key));
			if ("remove" in edit) {
				if (holds.get(key)?.length === 0)
					add(key, { action: "set", value: false });
				add(key, { action: "del" });
			} else
				add(key, {
					action: "set",
					value: "add" in edit ? edit.add : edit.set,
				});
		}
		return operations;
	}

	/** As they will lie in the document: Automerge puts neighbours in for a third of what it takes for scattered ones. */
	#inOrder(edits: readonly Edit[]): readonly Edit[] {
		const places = edits.map(
			(edit) => [bucketOf(edit.key, this.#buckets), edit] as const,
		);
		places.sort(([at, a], [bt, b]) =>
			at !== bt ? at - bt : a.key < b.key ? -1 : a.key > b.key ? 1 : 0,
		);
		return places.map(([, edit]) => edit);
	}

	/** Large changes wait to be applied, and not many yet. */
	get #mayWait(): boolean {
		const { length } = this.#unapplied;
		return length > 0 && length < UNSETTLED_CHANGES_MAX;
	}

	/** The operations whose values the key holds. */
	#ids(key: string): string[] {
		return this.#handle
			.getAll(this.#object(key), key)
			.map((found) => found[2] as string);
	}

	/** Always makes an operation, also where nothing differs then: the edit is counted on as a change of its own. */
	#edit(object: `${number}@${string}`, edit: Edit): void {
		const { key } = edit;
		if ("remove" in edit) {
			if (!this.has(key)) this.#handle.put(object, key, false);
			this.#handle.delete(object, key);
			return;
		}
		const value = "add" in edit ? edit.add : edit.set;
		// A put of an equal value is no operation (and a concurrent removal would win): remove first.
		if ("add" in edit ? this.has(key) : this.values(key).includes(value))
			this.#handle.delete(object, key);
		this.#handle.put(object, key, value);
	}

	/** Applies changes of others. They must be whole (hash checked by the caller) and in causal order. */
	apply(changes: readonly Uint8Array[]): void {
		this.#tip = undefined;
		this.settle();
		applyTo(this.#applied, changes);
	}

	has(key: string): boolean {
		return this.#handle.get(this.#object(key), key) !== undefined;
	}

	/** All values that were put at the same time and not overwritten since; usually one, none if the key is not there. */
	values(key: string): Scalar[] {
		return this.#handle
			.getAll(this.#object(key), key)
			.map((found) => found[1] as Scalar);
	}

	*keys(): Iterable<string> {
		for (let i = 0; i < this.#buckets; i++)
			yield* this.#handle.keys(`${i + 1}@${GENESIS_ACTOR}`);
	}

	/** Sorted hashes of the newest changes: equal heads mean equal documents. */
	heads(): string[] {
		return this.#handle.getHeads().sort();
	}

	/** Of these heads (of the same document elsewhere) and of all that is here: what is named and not here. */
	lacks(heads: readonly string[]): string[] {
		return this.#handle.getMissingDeps([...heads]);
	}

	mergeFrom(other: FlatDocument): void {
		this.#tip = undefined;
		this.#handle.merge(other.#handle);
		this.#ownCount = undefined;
	}

	save(): Uint8Array {
		return this.#handle.save();
	}

	free(): void {
		this.#applied.free();
	}
}

/** Small ones together, large ones alone: two large ones that go between each other's keys take ten times as long together. */
function applyTo(handle: Handle, changes: readonly Uint8Array[]): void {
	let small: Uint8Array[] = [];
	const flush = () => {
		if (small.length > 0) handle.applyChanges(small);
		small = [];
	};
	for (const change of changes) {
		if (change.length < LARGE_CHANGE_BYTES) small.push(change);
		else {
			flush();
			handle.applyChanges([change]);
		}
	}
	flush();
}
/** Some 300 operations. */
const LARGE_CHANGE_BYTES = 16_384;

/** By which others name a change that encodeChange() made: of all after magic number and checksum. */
const hashOf = (change: Uint8Array): string =>
	createHash("sha256").update(change.subarray(8)).digest("hex");
