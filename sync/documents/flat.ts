/**
 * Automerge behind one small handle: the only file that touches its documents. A document is a fixed set of bucket maps with a
 * genesis that is the same everywhere (the same actor, time and operations give the same change hash), and in them flat
 * keys with scalar values. Two nodes can therefore make the same document apart, and no object is ever created twice.
 * Costs 40-180 µs a change at any size; the high-level API would materialise the document (8 ms at 10,000 entries).
 */

import { type ActorId, getBackend, init } from "@automerge/automerge";
import { Temporary } from "../faults.ts";
import type { Origin } from "../ids.ts";
import { inOrder, mapOf } from "./places.ts";
import {
	canPut,
	type DecodedPlain,
	encodePlain,
	GENESIS_ACTOR,
	type Operation,
} from "./plain.ts";
import { Tips } from "./tips.ts";
import { type Known, NOTHING, Put, portions, Unapplied } from "./unapplied.ts";

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

/** What is stored of a document is not what was put there. Temporary: it is put together again from the log or a member. */
export class DamagedDocument extends Temporary {
	override name = "DamagedDocument";
}

/** A change of another node, and what it does if it is of the kind that is known here (plain.ts). */
export interface ForeignChange {
	readonly change: Uint8Array;
	readonly plain?: DecodedPlain | undefined;
}

/** A change that is being made: what it does, where that is known before it is made, or the change itself. */
export type OwnChange =
	| { readonly operations: readonly Operation[] }
	| { readonly operations?: undefined; readonly change: Uint8Array };

/** Throws where a change must not be made: whoever makes it then rolls its batch back. */
export type CheckOwn = (made: OwnChange) => void;

export class FlatDocument {
	/** Without what waits. */
	readonly #applied: Handle;
	readonly #buckets: number;
	/** In whose name changes are made. */
	readonly #actor: string;
	readonly #tips: Tips;
	readonly #unapplied: Unapplied;

	private constructor(handle: Handle, buckets: number) {
		this.#applied = handle;
		this.#buckets = buckets;
		this.#actor = handle.getActorId();
		this.#tips = new Tips(handle);
		this.#unapplied = new Unapplied((changes) => {
			for (const portion of portions(changes)) handle.applyChanges(portion);
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
	/** Applies a part of what waits, within one turn. */
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
		// load() would make objects of all keys, which takes three times as long as all else.
		const handle = getBackend(init({ actor: origin as unknown as ActorId }));
		try {
			handle.loadIncremental(saved);
			// These it would take without a word, and load() would not.
			if (handle.getHeads().length === 0) throw new Error("it is empty");
			if (handle.getMissingDeps([]).length > 0)
				throw new Error("changes are missing");
			return new FlatDocument(handle, buckets);
		} catch (error) {
			handle.free();
			throw new DamagedDocument(`cannot load a document: ${String(error)}`);
		}
	}

	#object(key: string): `${number}@${string}` {
		return `${mapOf(key, this.#buckets)}@${GENESIS_ACTOR}`;
	}

	/**
	 * Makes the edits and returns them as one change, or undefined where there are none. Nearly all are encoded as a change, to
	 * be applied later with others: that costs a tenth to a third of making one operation after the other. What follows such
	 * a change is encoded too, so that it need not wait for it. `mayEncode`: false for all to be left to Automerge.
	 */
	change(
		edits: readonly Edit[],
		mayEncode = true,
		check?: CheckOwn,
	): Uint8Array | undefined {
		if (edits.length === 0) return undefined;
		if (mayEncode && edits.every(isPlain))
			return this.#changeLater(edits, check);
		for (const edit of edits) this.#edit(this.#object(edit.key), edit);
		if (this.#handle.commit(null, 0) === null) return undefined;
		this.#tips.made();
		const change = this.#handle.getLastLocalChange() as Uint8Array;
		check?.({ change });
		return change;
	}

	#changeLater(edits: readonly Edit[], check?: CheckOwn): Uint8Array {
		this.#readTips();
		const next = { ...this.#tips.next(), actor: this.#actor };
		const { operations, known } = this.#operations(edits, next);
		check?.({ operations });
		const { change, hash } = encodePlain({ ...next, operations });
		this.#makeRoom();
		this.#unapplied.add(change, known);
		this.#tips.added(hash, next, operations.length);
		return change;
	}

	#readTips(): void {
		if (this.#tips.heads === undefined) this.settle();
		this.#tips.read();
	}
	#makeRoom(): void {
		while (!this.#unapplied.hasRoom) this.#unapplied.settleSome();
	}

	/** As #edit() makes them, but that a put over an equal value needs no removal before it here. */
	#operations(
		edits: readonly Edit[],
		{ actor, startOp }: { readonly actor: string; readonly startOp: number },
	): { operations: Operation[]; known: Map<string, Known> } {
		const operations: Operation[] = [];
		/** What each key of these edits holds after them so far. */
		const known = new Map<string, Known>();
		const placed = inOrder(edits, this.#buckets);
		for (let i = 0; i < placed.length; i++) {
			const { map, edit } = placed[i] as (typeof placed)[number];
			const { key } = edit;
			let held = known.get(key) ?? this.#heldFor(edit);
			if (held === NOTHING && !("remove" in edit)) {
				const value = ("add" in edit ? edit.add : edit.set) as string | boolean;
				known.set(key, new Put(startOp + operations.length, actor, value));
				operations.push({ map, key, value, pred: NOTHING.ids });
				continue;
			}
			const add = (value: Operation["value"]) => {
				const id = `${startOp + operations.length}@${actor}`;
				operations.push({ map, key, value, pred: held.ids });
				held = {
					ids: value === undefined ? [] : [id],
					values: value === undefined ? [] : [value],
					isNew: held.isNew,
				};
			};
			if ("remove" in edit) {
				if (held.ids.length === 0) add(false);
				add(undefined);
			} else add(("add" in edit ? edit.add : edit.set) as string | boolean);
			known.set(key, held);
		}
		return { operations, known };
	}

	/** What the key of an edit holds before it. */
	#heldFor(edit: Edit): Known {
		const { key } = edit;
		const isNew = "isNew" in edit && edit.isNew === true;
		if (isNew && !this.#unapplied.touches(key)) return NOTHING;
		const held = this.#known(key) ?? this.#held(key);
		if (!isNew || held.ids.length === 0) return held;
		// It was taken for new, and both values count.
		this.settle();
		return NOTHING;
	}

	/** What Automerge has under the key. */
	#held(key: string): Known {
		const ids: string[] = [];
		const values: (string | boolean)[] = [];
		for (const found of this.#applied.getAll(this.#object(key), key)) {
			values.push(found[1] as string | boolean);
			ids.push(found[2] as string);
		}
		return { ids, values, isNew: false };
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
		for (const [i, { change, plain }] of changes.entries()) {
			const known = this.#knownAfter(plain);
			if (known === undefined || plain === undefined) {
				this.#takeNow(changes.slice(i));
				return;
			}
			this.#makeRoom();
			this.#unapplied.add(change, known);
			this.#tips.added(plain.hash, plain, plain.operations.length);
		}
	}

	/**
	 * What the keys hold after a change of another node. Undefined: it must not wait, since it may not be what Automerge will
	 * take when its turn comes, or since that cannot be told.
	 */
	#knownAfter(
		plain: DecodedPlain | undefined,
	): Map<string, Known | undefined> | undefined {
		if (plain === undefined) return undefined;
		this.#readTips();
		if (!this.#tips.follows(plain)) return undefined;
		const { actor, startOp, operations } = plain;
		const after = new Map<string, Known | undefined>();
		for (const [i, { key, value, pred }] of operations.entries()) {
			const before = after.has(key)
				? after.get(key)
				: this.#heldBefore(key, pred.length > 0);
			if (before === undefined) {
				if (pred.length > 0) return undefined;
				after.set(key, undefined);
				continue;
			}
			if (!pred.every((id) => before.ids.includes(id))) return undefined;
			const own = value === undefined ? [] : [value];
			if (before.ids.length > pred.length) {
				// At the same time somebody else put something there: in which order the values lie, Automerge says.
				after.set(key, undefined);
				continue;
			}
			after.set(key, {
				ids: own.map(() => `${startOp + i}@${actor}`),
				values: own,
				isNew: before.isNew,
			});
		}
		return after;
	}

	/** Undefined: only Automerge can tell, when all that waits is applied. */
	#heldBefore(key: string, isFollowed: boolean): Known | undefined {
		if (!this.#unapplied.touches(key))
			return isFollowed ? this.#held(key) : NOTHING;
		const known = this.#unapplied.known(key);
		if (known?.isNew !== true) return known;
		return this.#isApplied(key) ? undefined : asSeen(known);
	}

	#takeNow(changes: readonly ForeignChange[]): void {
		this.settle();
		for (const { plain } of changes) this.#tips.took(plain);
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

	/** What values() gives, if nothing was under the key before the changes that wait; undefined: values() must be asked. */
	valuesIfNew(key: string): readonly Scalar[] | undefined {
		return this.#unapplied.known(key)?.values;
	}

	/** What the key holds, where what waits decides that; otherwise nothing that touches the key waits afterwards. */
	#known(key: string): Known | undefined {
		if (!this.#unapplied.touches(key)) return undefined;
		const known = this.#unapplied.known(key);
		if (known !== undefined && !known.isNew) return known;
		// Where nothing is there, it is what it was taken for.
		if (known !== undefined && !this.#isApplied(key)) return asSeen(known);
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

/** It was looked at, and is so. */
const asSeen = ({ ids, values }: Known): Known => ({
	ids,
	values,
	isNew: false,
});

/** Whether the edit can be encoded here: numbers cannot, and are rare. */
const isPlain = (edit: Edit): boolean =>
	canPut(edit.key) &&
	edit.key !== "" &&
	("remove" in edit || canPut("add" in edit ? edit.add : edit.set));
