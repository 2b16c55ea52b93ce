/** Where a document stands: what the next change of this node follows, and whether a change of another node may simply follow too. */
import type { getBackend } from "@automerge/automerge";
import type { DecodedPlain } from "./plain.ts";

type Handle = ReturnType<typeof getBackend>;
type ChangeMetadata = NonNullable<ReturnType<Handle["getChangeMetaByHash"]>>;

/** The newest change of an actor. */
interface Newest {
	readonly seq: number;
	/** Number of its last operation. */
	readonly maxOp: number;
}

export class Tips {
	readonly #handle: Handle;
	readonly #own: string;
	/** Hashes of the newest changes; undefined while only Automerge knows. */
	#heads: string[] | undefined;
	#maxOp = 0;
	/** What is not here is not known. */
	readonly #newest = new Map<string, Newest>();
	/** Changes that were added here since all were applied. */
	readonly #added = new Set<string>();

	constructor(handle: Handle) {
		this.#handle = handle;
		this.#own = handle.getActorId();
	}

	/** Sorted; undefined while only Automerge knows. */
	get heads(): readonly string[] | undefined {
		return this.#heads;
	}

	/** Looks where the document stands. All changes must be applied, unless it is known. */
	read(): void {
		if (this.#heads !== undefined) return;
		this.#heads = this.#handle.getHeads().sort();
		this.#maxOp = 0;
		for (const head of this.#heads) {
			const meta = this.#handle.getChangeMetaByHash(head) as ChangeMetadata;
			this.#maxOp = Math.max(this.#maxOp, meta.maxOp);
			// Each change of an actor follows the one before: this is its newest.
			this.#newest.set(meta.actor, meta);
		}
	}

	/** What the next own change follows; after read(). */
	next(): { deps: readonly string[]; startOp: number; seq: number } {
		const deps = this.#heads ?? [];
		return { deps, startOp: this.#maxOp + 1, seq: this.#ownCount() + 1 };
	}

	#ownCount(): number {
		const newest = this.#newest.get(this.#own);
		if (newest !== undefined) return newest.seq;
		// Some 20 µs each: so it is kept.
		const count = this.#handle
			.getChangesMeta([])
			.reduce(
				(most, { actor, seq }) =>
					actor === this.#own ? Math.max(most, seq) : most,
				0,
			);
		this.#newest.set(this.#own, { seq: count, maxOp: 0 });
		return count;
	}

	/**
	 * Whether Automerge would take the change as the next one of its actor, whatever it waits for: all that it follows is
	 * here, and neither its number nor those of its operations were used. False also where that is not known. After read().
	 */
	follows({ actor, seq, startOp, deps }: DecodedPlain): boolean {
		const newest = this.#newest.get(actor);
		return (
			actor !== this.#own &&
			newest?.seq === seq - 1 &&
			startOp > newest.maxOp &&
			deps.every((hash) => this.#has(hash))
		);
	}

	#has(hash: string): boolean {
		return (
			this.#heads?.includes(hash) ||
			this.#added.has(hash) ||
			(this.#handle.getChangeMetaByHash(hash) ?? null) !== null
		);
	}

	/** A change was added that Automerge does not know yet. */
	added(
		hash: string,
		change: Pick<DecodedPlain, "actor" | "seq" | "startOp" | "deps">,
		operationCount: number,
	): void {
		const { actor, seq, startOp, deps } = change;
		const maxOp = startOp + operationCount - 1;
		this.#heads = [
			...(this.#heads ?? []).filter((head) => !deps.includes(head)),
			hash,
		].sort();
		this.#maxOp = Math.max(this.#maxOp, maxOp);
		this.#newest.set(actor, { seq, maxOp });
		this.#added.add(hash);
	}

	/** All that was added is known to Automerge. */
	settled(): void {
		this.#added.clear();
	}

	/** Automerge made an own change. */
	made(): void {
		this.#heads = undefined;
		const own = this.#newest.get(this.#own);
		if (own !== undefined)
			this.#newest.set(this.#own, { ...own, seq: own.seq + 1 });
	}

	/** Automerge took a change of another node; where that was not decoded it is not known of whom. */
	took(plain: DecodedPlain | undefined): void {
		this.#heads = undefined;
		if (plain === undefined) this.#forgetOthers();
		else if (plain.actor !== this.#own)
			this.#newest.set(plain.actor, {
				seq: plain.seq,
				maxOp: plain.startOp + plain.operations.length - 1,
			});
	}

	#forgetOthers(): void {
		const own = this.#newest.get(this.#own);
		this.#newest.clear();
		if (own !== undefined) this.#newest.set(this.#own, own);
	}

	/** Anything may have changed. */
	forget(): void {
		this.#heads = undefined;
		this.#newest.clear();
	}
}
