/**
 * The mailbox tree of an account, resolved from registers that were written apart (mailbox-consistency.md, appendix).
 * Pure: the same registers give the same names everywhere.
 */
import type { MailboxInfo, Role } from "../api.ts";
import type { MailboxId } from "../ids.ts";

/** Where a mailbox hangs and what it is called; the register with the highest stamp counts. */
export interface NameRegister {
	readonly parent: MailboxId | null;
	readonly leaf: string;
	readonly stamp: number;
	readonly role: Role | null;
}

export interface TreeNode {
	readonly id: MailboxId;
	readonly name: NameRegister;
	readonly uidValidity: number;
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
 * Full names. Two mailboxes of one name: the lower UIDVALIDITY keeps it, the other gets " (2)", " (3)"…; a parent that is
 * gone, or a cycle that two renames closed, puts the mailbox at the top.
 */
export function resolveTree(
	nodes: readonly TreeNode[],
): Map<MailboxId, string> {
	const byId = new Map(nodes.map((node) => [node.id, node]));
	const parents = acyclicParents(nodes, byId);
	const children = new Map<MailboxId | null, TreeNode[]>();
	for (const node of nodes) {
		const parent = parents.get(node.id) ?? null;
		const siblings = children.get(parent);
		if (siblings) siblings.push(node);
		else children.set(parent, [node]);
	}
	const names = new Map<MailboxId, string>();
	const place = (parent: MailboxId | null, prefix: string): void => {
		const taken = new Set<string>();
		const siblings = children.get(parent) ?? [];
		siblings.sort(
			(a, b) =>
				rank(a) - rank(b) ||
				a.uidValidity - b.uidValidity ||
				(a.id < b.id ? -1 : 1),
		);
		for (const node of siblings) {
			let leaf = node.name.leaf;
			for (let i = 2; taken.has(folded(leaf, parent)); i++)
				leaf = `${node.name.leaf} (${i})`;
			taken.add(folded(leaf, parent));
			names.set(node.id, prefix + leaf);
			place(node.id, prefix + leaf + DELIMITER);
		}
	};
	place(null, "");
	return names;
}

/** Mailboxes with a role never lose their name to another. */
const rank = (node: TreeNode): number => (node.name.role === null ? 1 : 0);
/** "inbox" in any case is INBOX, at the top (RFC 9051 §5.1). */
const folded = (leaf: string, parent: MailboxId | null): string =>
	parent === null && leaf.toUpperCase() === "INBOX" ? "INBOX" : leaf;

function acyclicParents(
	nodes: readonly TreeNode[],
	byId: ReadonlyMap<MailboxId, TreeNode>,
): Map<MailboxId, MailboxId> {
	const parents = new Map<MailboxId, MailboxId>();
	// In stamp order, so that of two renames that close a cycle together the later is void, everywhere.
	const ordered = [...nodes].sort(
		(a, b) => a.name.stamp - b.name.stamp || (a.id < b.id ? -1 : 1),
	);
	for (const { id, name } of ordered) {
		if (name.parent === null || !byId.has(name.parent)) continue;
		let above: MailboxId | undefined = name.parent;
		while (above !== undefined && above !== id) above = parents.get(above);
		if (above === undefined) parents.set(id, name.parent);
	}
	return parents;
}

/** `a/b` → ["a", "b"], with INBOX in its one spelling. */
export function splitName(name: string): string[] {
	const leaves = name.normalize("NFC").split(DELIMITER);
	if (leaves[0]?.toUpperCase() === "INBOX") leaves[0] = "INBOX";
	return leaves;
}

export const byName = (a: MailboxInfo, b: MailboxInfo): number =>
	a.name === "INBOX" ? -1 : b.name === "INBOX" ? 1 : a.name < b.name ? -1 : 1;
