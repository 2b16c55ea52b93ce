/**
 * The mailbox tree of an account, resolved from registers that were written apart (mailbox-consistency.md, appendix).
 * Pure: the same registers give the same names everywhere, whatever order they came in.
 */
import type { MailboxInfo, Role } from "../api.ts";
import type { MailboxId } from "../ids.ts";
import { MAILBOX_DEPTH_MAX, MAILBOX_NAME_BYTES_MAX } from "../limits.ts";

export interface Place {
	readonly parent: MailboxId | null;
	readonly leaf: string;
}

/** Where a mailbox hangs and what it is called; the register with the highest stamp counts. */
export interface NameRegister extends Place {
	readonly stamp: number;
	readonly role: Role | null;
	/** Before it was renamed: where it stays if that rename is void. */
	readonly was?: Place;
}

export interface TreeNode {
	readonly id: MailboxId;
	readonly name: NameRegister;
	readonly uidValidity: number;
	/** `ghost`: deleted, with messages that whoever deleted it had not seen. `dead`: deleted, and empty. */
	readonly state: "kept" | "ghost" | "dead";
}

export interface Tree {
	/** Full names of all mailboxes that can be listed. */
	readonly names: ReadonlyMap<MailboxId, string>;
	/** Deleted ones whose name another mailbox has now: what lies in them, or below them, belongs there. */
	readonly merged: ReadonlyMap<MailboxId, MailboxId>;
}

export const DELIMITER = "/";

/** The register that counts of several written at the same time: highest stamp, then the larger text. */
export const winningRegister = (
	registers: readonly NameRegister[],
): NameRegister | undefined =>
	[...registers].sort(
		(a, b) =>
			b.stamp - a.stamp || (JSON.stringify(a) < JSON.stringify(b) ? 1 : -1),
	)[0];

/**
 * Two mailboxes of one name: the lower UIDVALIDITY keeps it, the other gets " (2)", " (3)"…; a deleted one gives way to
 * one that is not. A rename that closes a cycle is void. What is deleted stays while something below it lives. A parent
 * that nobody knows, or a name that became too long or too deep, puts the mailbox at the top.
 */
export function resolveTree(nodes: readonly TreeNode[]): Tree {
	return new Resolution(nodes).run();
}

interface Placed extends TreeNode {
	readonly leaf: string;
}

class Resolution {
	readonly #names = new Map<MailboxId, string>();
	readonly #merged = new Map<MailboxId, MailboxId>();
	readonly #children = new Map<MailboxId | null, Placed[]>();
	/** Too long or too deep where they should hang. */
	#lifted: Placed[] = [];
	/** By what stands before it, and leaf. */
	readonly #taken = new Map<string, Map<string, Placed>>();

	constructor(nodes: readonly TreeNode[]) {
		const places = effectivePlaces(nodes);
		const needed = withAncestors(nodes, places);
		for (const node of nodes) {
			if (!needed.has(node.id)) continue;
			const { parent, leaf } = places.get(node.id) as Place;
			const siblings = this.#children.get(parent) ?? [];
			this.#children.set(parent, siblings);
			siblings.push({ ...node, leaf });
		}
	}

	run(): Tree {
		this.#place(this.#children.get(null) ?? [], "", 1);
		while (this.#lifted.length > 0) this.#place(this.#lifted.splice(0), "", 1);
		return { names: this.#names, merged: this.#merged };
	}

	/** Names these siblings, and all below them. */
	#place(siblings: readonly Placed[], prefix: string, depth: number): void {
		const taken = this.#taken.get(prefix) ?? new Map<string, Placed>();
		this.#taken.set(prefix, taken);
		const named: [Placed, string][] = [];
		const nameless: Placed[] = [];
		const merged: [Placed, MailboxId][] = [];
		for (const node of [...siblings].sort(byRank)) {
			const key = folded(node.leaf, depth);
			const holder = taken.get(key);
			if (!fits(prefix, node.leaf, depth)) this.#lifted.push(node);
			else if (holder === undefined) {
				taken.set(key, node);
				named.push([node, node.leaf]);
			} else if (node.state !== "kept" && holder.state === "kept")
				merged.push([node, holder.id]);
			else nameless.push(node);
		}
		// After all others have theirs: nobody loses a name to one that was made up.
		for (const node of nameless) {
			const leaf = freeLeaf(node.leaf, (one) => taken.has(folded(one, depth)));
			if (!fits(prefix, leaf, depth)) {
				this.#lifted.push(node);
				continue;
			}
			taken.set(folded(leaf, depth), node);
			named.push([node, leaf]);
		}
		for (const [{ id }, leaf] of named) this.#names.set(id, prefix + leaf);
		for (const [{ id }, holder] of merged) this.#merged.set(id, holder);
		this.#placeBelow(
			named.map(([{ id }]) => [id, id]),
			merged.map(([{ id }, holder]) => [id, holder]),
			depth,
		);
	}

	/** What hangs on the first of each goes below the second; what is merged with others in one go with theirs. */
	#placeBelow(
		named: readonly [MailboxId, MailboxId][],
		merged: readonly [MailboxId, MailboxId][],
		depth: number,
	): void {
		const below = new Map<MailboxId, Placed[]>();
		for (const [id, holder] of [...named, ...merged])
			below.set(holder, [
				...(below.get(holder) ?? []),
				...(this.#children.get(id) ?? []),
			]);
		for (const [holder, children] of below)
			if (children.length > 0)
				this.#place(
					children,
					(this.#names.get(holder) as string) + DELIMITER,
					depth + 1,
				);
	}
}

/** Mailboxes with a role never lose their name to another, and what is deleted loses it first. */
const byRank = (a: TreeNode, b: TreeNode): number =>
	rank(a) - rank(b) || a.uidValidity - b.uidValidity || (a.id < b.id ? -1 : 1);
const rank = ({ name, state }: TreeNode): number =>
	state !== "kept" ? 2 : name.role === null ? 1 : 0;

/** "inbox" in any case is INBOX, at the top (RFC 9051 §5.1). */
const folded = (leaf: string, depth: number): string =>
	depth === 1 && leaf.toUpperCase() === "INBOX" ? "INBOX" : leaf;

/** At the top every leaf fits. */
const fits = (prefix: string, leaf: string, depth: number): boolean =>
	depth === 1 ||
	(depth <= MAILBOX_DEPTH_MAX &&
		Buffer.byteLength(prefix + leaf) <= MAILBOX_NAME_BYTES_MAX);

function freeLeaf(wanted: string, isTaken: (leaf: string) => boolean): string {
	for (let i = 2; ; i++) {
		const suffix = ` (${i})`;
		const room = MAILBOX_NAME_BYTES_MAX - suffix.length;
		let leaf = wanted;
		while (Buffer.byteLength(leaf) > room)
			leaf = [...leaf].slice(0, -1).join("");
		if (!isTaken(leaf + suffix)) return leaf + suffix;
	}
}

/** Where each hangs, without cycles. */
function effectivePlaces(nodes: readonly TreeNode[]): Map<MailboxId, Place> {
	const known = new Set(nodes.map(({ id }) => id));
	const places = new Map<MailboxId, Place>();
	const closesNoCycle = (id: MailboxId, { parent }: Place): boolean => {
		let above = parent;
		while (above !== null && above !== id)
			above = places.get(above)?.parent ?? null;
		return above !== id;
	};
	// In stamp order, so that of two renames that close a cycle together the later is void, everywhere.
	const ordered = [...nodes].sort(
		(a, b) => a.name.stamp - b.name.stamp || (a.id < b.id ? -1 : 1),
	);
	for (const { id, name } of ordered) {
		const found = [name, name.was]
			.filter((place) => place !== undefined)
			.map(({ parent, leaf }) => ({
				parent: parent !== null && known.has(parent) ? parent : null,
				leaf,
			}))
			.find((place) => closesNoCycle(id, place));
		places.set(id, found ?? { parent: null, leaf: name.leaf });
	}
	return places;
}

/** What can be listed: all that is not dead, and what that hangs on. */
function withAncestors(
	nodes: readonly TreeNode[],
	places: ReadonlyMap<MailboxId, Place>,
): Set<MailboxId> {
	const needed = new Set<MailboxId>();
	for (const { id, state } of nodes) {
		if (state === "dead") continue;
		let at: MailboxId | null = id;
		while (at !== null && !needed.has(at)) {
			needed.add(at);
			at = places.get(at)?.parent ?? null;
		}
	}
	return needed;
}

/** `a/b` → ["a", "b"], with INBOX in its one spelling. */
export function splitName(name: string): string[] {
	const leaves = name.normalize("NFC").split(DELIMITER);
	if (leaves[0]?.toUpperCase() === "INBOX") leaves[0] = "INBOX";
	return leaves;
}

export const byName = (a: MailboxInfo, b: MailboxInfo): number =>
	a.name === "INBOX" ? -1 : b.name === "INBOX" ? 1 : a.name < b.name ? -1 : 1;
