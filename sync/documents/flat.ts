/**
 * Automerge behind one small handle: the only file that touches its documents. A document is a fixed set of bucket maps with a
 * genesis that is the same everywhere (the same actor, time and operations give the same change hash), and in them flat
 * keys with scalar values. Two nodes can therefore make the same document apart, and no object is ever created twice.
 * Costs 40-180 µs a change at any size; the high-level API would materialise the document (8 ms at 10,000 entries).
 */

import { createHash } from "node:crypto";
import {
	type ActorId,
	type DecodedChange,
	encodeChange,
	getBackend,
	init,
	load,
} from "@automerge/automerge";
import { Temporary } from "../faults.ts";
import type { Origin } from "../ids.ts";
import { EDITS_IN_BULK_MIN } from "../limits.ts";
import {
	canPut,
	type DecodedPuts,
	encodePuts,
	GENESIS_ACTOR,
	type Put,
	type Puts,
} from "./puts.ts";
import { Tips } from "./tips.ts";
import { type Known, portions, Unapplied } from "./unapplied.ts";

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

/** Operation number of the genesis that made the map in which the key lies. */
export const mapOf = (key: string, buckets: number): number =>
	bucketOf(key, buckets) + 1;

/** A change that is encoded from outside keeps numbers under other types than a put does. */
const isNumber = (edit: Edit): boolean =>
	typeof ("add" in edit ? edit.add : "set" in edit ? edit.set : "") ===
	"number";

/** What is stored of a document is not what was put there. Temporary: it is put together again from the log or a member. */
export class DamagedDocument extends Temporary {
	override name = "DamagedDocument";
}

/** A change of another node, and what it puts if it is of that kind (puts.ts). */
export interface ForeignChange {
	readonly change: Uint8Array;
	readonly puts?: DecodedPuts | undefined;
}

export class FlatDocument {
	/** Without what waits. */
	readonly #applied: Handle;
	readonly #buckets: number;
	readonly #tips: Tips;
	readonly #unapplied: Unapplied;

	private constructor(handle: Handle, buckets: number) {
		this.#applied = handle;
		this.#buckets = buckets;
		this.#tips = new Tips(handle);
		this.#unapplied = new Unapplied((changes) => {
			handle.applyChanges(changes);
			this.#tips.settled();
		});
	}

	/** With all changes. */
	get #handle(): Handle {
		this.settle();
		return this.#applied;
	}

	/** Whether changes wait to be applied. */
	get isUnsettled(): boolean {
		return !this.#unapplied.isEmpty;
	}
	/** Applies what waits. */
	settle(): void {
		this.#unapplied.settle();
	}
	/** Applies a part of what waits: one large change, or many small ones. */
	settleSome(): void {
		this.#unapplied.settleSome();
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
		return `${mapOf(key, this.#buckets)}@${GENESIS_ACTOR}`;
	}

	/**
	 * Makes the edits and returns them as one change, or undefined where there are none. Texts under new keys, and many edits,
	 * are encoded as a change, to be applied later: that costs a tenth to a third of making one operation after the other. What
	 * follows such a change is encoded too, so that it need not wait for it.
	 */
	change(
		edits: readonly Edit[],
		bulkFrom = EDITS_IN_BULK_MIN,
	): Uint8Array | undefined {
		if (edits.length === 0) return undefined;
		const puts = this.#putsOf(edits);
		if (puts !== undefined) return this.#changeByPuts(puts);
		const isBulk = edits.length >= bulkFrom || this.#mayWait;
		if (isBulk && !edits.some(isNumber)) return this.#changeInBulk(edits);
		for (const edit of edits) this.#edit(this.#object(edit.key), edit);
		if (this.#handle.commit(null, 0) === null) return undefined;
		this.#tips.made();
		return this.#handle.getLastLocalChange() as Uint8Array;
	}

	/** The edits in the order of the document, if all put texts under different new keys. */
	#putsOf(edits: readonly Edit[]): Put[] | undefined {
		const puts: Put[] = [];
		const seen = new Set<string>();
		for (const edit of edits) {
			if ("remove" in edit || !edit.isNew) return undefined;
			const { key } = edit;
			const value = "add" in edit ? edit.add : edit.set;
			if (!canPut(value) || !canPut(key) || seen.has(key)) return undefined;
			seen.add(key);
			puts.push({ map: mapOf(key, this.#buckets), key, value });
		}
		return puts.sort(byPlace);
	}

	#changeByPuts(puts: readonly Put[]): Uint8Array {
		this.#readTips();
		const next = { ...this.#tips.next(), actor: this.#applied.getActorId() };
		const { change, hash } = encodePuts({ ...next, puts });
		this.#makeRoom(change);
		const isTaken = puts.some(({ key }) => this.#unapplied.touches(key));
		if (isTaken) this.settle();
		this.#unapplied.add(change, knownOf({ ...next, puts }));
		this.#tips.added(hash, next, puts.length);
		return change;
	}

	#changeInBulk(edits: readonly Edit[]): Uint8Array {
		this.#readTips();
		const next = { ...this.#tips.next(), actor: this.#applied.getActorId() };
		const { ops, known } = this.#operations(edits, next.actor, next.startOp);
		const change = encodeChange({
			...next,
			deps: [...next.deps],
			author: null,
			time: 0,
			message: null,
			ops,
		});
		this.#makeRoom(change);
		this.#unapplied.add(change, known);
		this.#tips.added(hashOf(change), next, ops.length);
		return change;
	}

	#readTips(): void {
		if (this.#tips.heads === undefined) this.settle();
		this.#tips.read();
	}
	#makeRoom({ length }: Uint8Array): void {
		while (!this.#unapplied.hasRoom(length)) this.#unapplied.settleSome();
	}
	/** As #edit() makes them, but that a put over an equal value needs no removal before it here. */
	#operations(
		edits: readonly Edit[],
		actor: string,
		startOp: number,
	): { ops: Op[]; known: ReadonlyMap<string, Known> } {
		const ops: Op[] = [];
		/** What each key of these edits holds after them so far. */
		const known = new Map<string, Known>();
		const add = (
			key: string,
			action: "set" | "del",
			value?: string | boolean,
		) => {
			const { ids: pred, isNew } = known.get(key) as Known;
			const id = `${startOp + ops.length}@${actor}`;
			const op = { action, obj: this.#object(key), key, pred: [...pred] };
			ops.push(value === undefined ? op : { ...op, value });
			known.set(
				key,
				value === undefined
					? { ids: [], values: [], isNew }
					: { ids: [id], values: [value], isNew },
			);
		};
		for (const edit of inOrder(edits, this.#buckets)) {
			const { key } = edit;
			if (!known.has(key)) {
				const isNew = "isNew" in edit && edit.isNew === true;
				known.set(key, { ids: isNew ? [] : this.#ids(key), values: [], isNew });
			}
			if ("remove" in edit) {
				if (known.get(key)?.ids.length === 0) add(key, "set", false);
				add(key, "del");
			} else
				add(
					key,
					"set",
					("add" in edit ? edit.add : edit.set) as string | boolean,
				);
		}
		return { ops, known };
	}

	/** Changes wait to be applied, and not many yet. */
	get #mayWait(): boolean {
		return this.isUnsettled && this.#unapplied.hasRoom(0);
	}

	/** The operations whose values the key holds. */
	#ids(key: string): readonly string[] {
		return (
			this.#known(key)?.ids ??
			this.#applied
				.getAll(this.#object(key), key)
				.map((found) => found[2] as string)
		);
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

	/**
	 * Takes changes of others. They must be whole (checked by the caller) and in causal order. Throws what Automerge throws
	 * for a change that cannot be applied; nothing of it waits then.
	 */
	take(changes: readonly ForeignChange[]): void {
		for (const [i, { change, puts }] of changes.entries()) {
			if (!this.#mayDefer(puts)) {
				this.#takeNow(changes.slice(i));
				return;
			}
			this.#makeRoom(change);
			this.#unapplied.addForeign(change, knownOf(puts));
			this.#tips.added(puts.hash, puts, puts.puts.length);
		}
	}

	#mayDefer(puts: DecodedPuts | undefined): puts is DecodedPuts {
		if (puts === undefined) return false;
		this.#readTips();
		return this.#tips.follows(puts);
	}

	#takeNow(changes: readonly ForeignChange[]): void {
		this.settle();
		for (const { puts } of changes) this.#tips.took(puts);
		for (const portion of portions(changes.map(({ change }) => change)))
			this.#applied.applyChanges(portion);
	}

	has(key: string): boolean {
		const known = this.#known(key);
		return known === undefined ? this.#isApplied(key) : known.values.length > 0;
	}

	/** All values that were put at the same time and not overwritten since; usually one, none if the key is not there. */
	values(key: string): Scalar[] {
		const known = this.#known(key);
		if (known !== undefined) return [...known.values];
		return this.#applied
			.getAll(this.#object(key), key)
			.map((found) => found[1] as Scalar);
	}

	/** What the key holds, where what waits decides that; otherwise nothing that touches the key waits afterwards. */
	#known(key: string): Known | undefined {
		if (!this.#unapplied.touches(key)) return undefined;
		const known = this.#unapplied.known(key);
		if (known !== undefined && !(known.isNew && this.#isApplied(key)))
			return known;
		this.settle();
		return undefined;
	}
	#isApplied(key: string): boolean {
		return this.#applied.get(this.#object(key), key) !== undefined;
	}

	*keys(): Iterable<string> {
		for (let i = 0; i < this.#buckets; i++)
			yield* this.#handle.keys(`${i + 1}@${GENESIS_ACTOR}`);
	}

	/** Sorted hashes of the newest changes: equal heads mean equal documents. */
	heads(): string[] {
		this.#readTips();
		return [...(this.#tips.heads ?? [])];
	}

	/** Of these heads (of the same document elsewhere) and of all that is here: what is named and not here. */
	lacks(heads: readonly string[]): string[] {
		return this.#handle.getMissingDeps([...heads]);
	}

	mergeFrom(other: FlatDocument): void {
		this.#handle.merge(other.#handle);
		this.#tips.forget();
	}

	save(): Uint8Array {
		return this.#handle.save();
	}

	free(): void {
		this.#applied.free();
	}
}

/** By which others name a change that encodeChange() made: of all after magic number and checksum. */
const hashOf = (change: Uint8Array): string =>
	createHash("sha256").update(change.subarray(8)).digest("hex");

/** What lies under the keys of puts after them, as far as they were new. */
const knownOf = ({
	actor,
	startOp,
	puts,
}: Pick<Puts, "actor" | "startOp" | "puts">): ReadonlyMap<string, Known> =>
	new Map(
		puts.map(({ key, value }, i) => {
			const ids = [`${startOp + i}@${actor}`];
			return [key, { ids, values: [value], isNew: true }];
		}),
	);

/** As they will lie in the document: Automerge puts neighbours in for a third of what it takes for scattered ones. */
function inOrder(edits: readonly Edit[], buckets: number): readonly Edit[] {
	return edits
		.map((edit) => ({ map: mapOf(edit.key, buckets), key: edit.key, edit }))
		.sort(byPlace)
		.map(({ edit }) => edit);
}
function byPlace(
	a: { readonly map: number; readonly key: string },
	b: { readonly map: number; readonly key: string },
): number {
	if (a.map !== b.map) return a.map - b.map;
	return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
