/** THREAD (RFC 5256 §3): ORDEREDSUBJECT and REFERENCES, on plain data. Nothing here recurses: threads may be very deep. */

import { THREAD_STEPS_MAX } from "../../../sync/limits.ts";

/** What threading looks at of a message. */
export interface Threadable {
	/** What the response names it by: message number or UID. */
	readonly name: number;
	readonly sentMilliseconds: number;
	/** Base subject, and whether it was that of a reply or forward. */
	readonly subject: string;
	readonly isReply: boolean;
	readonly messageId: string;
	readonly references: readonly string[];
}

/** A message in its thread, or (with `message` undefined) one that is not here but has answers that are. */
export interface ThreadNode {
	message: Threadable | undefined;
	children: ThreadNode[];
}

interface Node extends ThreadNode {
	parent: Node | undefined;
	children: Node[];
	/** Children so far, while links are made. */
	offspring: number;
	/** Position among the messages: the last thing that is compared. */
	readonly order: number;
	/** When the message was sent; of one that is not here what its first child has, once these are in order. */
	sentMilliseconds: number;
}

const node = (message: Threadable | undefined, order: number): Node => ({
	message,
	children: [],
	parent: undefined,
	offspring: 0,
	order,
	sentMilliseconds: message?.sentMilliseconds ?? 0,
});

const bySentDate = (a: Node, b: Node): number =>
	a.sentMilliseconds - b.sentMilliseconds || a.order - b.order;

function sortChildren(of: Node): void {
	if (of.children.length > 1) of.children.sort(bySentDate);
	const [child] = of.children;
	if (of.message === undefined && child !== undefined)
		of.sentMilliseconds = child.sentMilliseconds;
}

/** The message, or that of a dummy's first child (which then has been sorted). */
function first(of: Node): Threadable {
	let at = of;
	while (at.message === undefined) at = at.children[0] as Node;
	return at.message;
}

// ------------------------------------------------------------------ ORDEREDSUBJECT

/** Messages of one base subject are one thread: the first the parent, all others its children. */
export function orderedSubject(
	messages: readonly Threadable[],
): readonly ThreadNode[] {
	const nodes = messages.map((message, index) => node(message, index));
	nodes.sort(bySentDate);
	const roots = new Map<string, Node>();
	for (const one of nodes) {
		const { subject } = one.message as Threadable;
		const root = roots.get(subject);
		if (root === undefined) roots.set(subject, one);
		else root.children.push(one);
	}
	// In order of their first messages, as these came in order.
	return [...roots.values()];
}

// ------------------------------------------------------------------ REFERENCES

export function references(
	messages: readonly Threadable[],
): readonly ThreadNode[] {
	const all = link(messages);
	const root = node(undefined, 0);
	for (const one of all) if (one.parent === undefined) root.children.push(one);
	prune(root);
	// Step 4: a dummy has the date of its first child.
	for (const one of root.children) sortChildren(one);
	sortChildren(root);
	gather(root);
	sortAll(root);
	return root.children;
}

/** Step 1: parents by Message-IDs. All nodes, dummies too. */
function link(messages: readonly Threadable[]): Node[] {
	const all: Node[] = [];
	const byId = new Map<string, Node>();
	const get = (id: string): Node => {
		let found = byId.get(id);
		if (found === undefined) {
			found = node(undefined, all.length);
			all.push(found);
			byId.set(id, found);
		}
		return found;
	};
	// Messages first, so that their order is that of the mailbox. A Message-ID that is there already is no identity.
	const nodes = messages.map((message) => {
		const known =
			message.messageId === "" ? undefined : byId.get(message.messageId);
		const one = node(message, all.length);
		all.push(one);
		if (message.messageId !== "" && known === undefined)
			byId.set(message.messageId, one);
		return one;
	});
	const links = new Links();
	for (const one of nodes) {
		let before: Node | undefined;
		for (const id of one.message?.references ?? []) {
			const next = get(id);
			// Step 1A: what is linked already stays so.
			if (before !== undefined && next.parent === undefined)
				links.adopt(before, next);
			before = next;
		}
		// Step 1B: the message's own References say best who its parent is.
		// And where there are none, it has no parent, whatever others say.
		if (before === one.parent) continue;
		links.cut(one);
		if (before !== undefined) links.adopt(before, one);
	}
	for (const one of all) one.parent?.children.push(one);
	return all;
}

/** Sets parents, but none that would be below its child. */
class Links {
	/** Steps up that may still be made: deep threads that contradict one another would cost their square. */
	#steps = THREAD_STEPS_MAX;

	adopt(parent: Node, child: Node): void {
		if (this.#isAbove(child, parent)) return;
		child.parent = parent;
		parent.offspring++;
	}

	cut(child: Node): void {
		if (child.parent !== undefined) child.parent.offspring--;
		child.parent = undefined;
	}

	#isAbove(one: Node, of: Node): boolean {
		if (one === of) return true;
		if (one.offspring === 0) return false;
		for (let at = of.parent; at !== undefined; at = at.parent)
			if (at === one || --this.#steps <= 0) return true;
		return false;
	}
}

/** Step 3: dummies without children go; others give their children to their parent, at the top only a single child. */
function prune(root: Node): void {
	for (const one of bottomUp(root)) {
		if (!one.children.some(({ message }) => message === undefined)) continue;
		one.children = one.children.flatMap((child) => {
			if (child.message !== undefined) return [child];
			const mayPromote = one !== root || child.children.length === 1;
			if (mayPromote || child.children.length === 0) return child.children;
			return [child];
		});
	}
}

function bottomUp(root: Node): Node[] {
	const all = [root];
	for (const one of all) for (const child of one.children) all.push(child);
	return all.reverse();
}

/** Step 5: threads at the top with the same base subject become one. */
function gather(root: Node): void {
	const bySubject = new Map<string, Node>();
	let isAnyTwice = false;
	for (const one of root.children) {
		const { subject } = first(one);
		const held = bySubject.get(subject);
		isAnyTwice ||= held !== undefined;
		if (subject !== "" && (held === undefined || isBetter(one, held)))
			bySubject.set(subject, one);
	}
	if (!isAnyTwice) return;
	const merged = new Set<Node>();
	for (const one of root.children) {
		const { subject } = first(one);
		const held = subject === "" ? undefined : bySubject.get(subject);
		if (held === undefined || held === one) continue;
		merged.add(one);
		if (held.message === undefined && one.message === undefined)
			for (const child of one.children) held.children.push(child);
		else if (held.message === undefined || (isReply(one) && !isReply(held)))
			held.children.push(one);
		else {
			// Neither answers the other: siblings under a dummy, which takes the place of the one that stood first.
			const sibling: Node = { ...held };
			held.message = undefined;
			held.children = [sibling, one];
		}
	}
	root.children = root.children.filter((one) => !merged.has(one));
}

const isReply = (of: Node): boolean => of.message?.isReply === true;

/** Step 5B: a dummy is better than a message, and one that is no reply better than one that is. */
const isBetter = (one: Node, held: Node): boolean =>
	(one.message === undefined && held.message !== undefined) ||
	(held.message !== undefined && isReply(held) && !isReply(one));

/** Step 6: all siblings by date, the deepest first. */
function sortAll(root: Node): void {
	for (const one of bottomUp(root)) sortChildren(one);
}

// ------------------------------------------------------------------ the response

/** `(2)(3 6 (4 23)(44 7 96))`: thread-list of RFC 5256 §4. */
export function formatThreads(roots: readonly ThreadNode[]): string {
	const pieces: string[] = [];
	type Step = string | { readonly node: ThreadNode; readonly space: boolean };
	const steps: Step[] = [];
	const nest = (children: readonly ThreadNode[]) => {
		for (let index = children.length - 1; index >= 0; index--) {
			const child = children[index] as ThreadNode;
			if (child.message !== undefined && child.children.length === 0)
				steps.push(`(${child.message.name})`);
			else steps.push(")", { node: child, space: false }, "(");
		}
	};
	nest(roots);
	for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
		if (typeof step === "string") {
			pieces.push(step);
			continue;
		}
		const { message, children } = step.node;
		if (message !== undefined)
			pieces.push(`${step.space ? " " : ""}${message.name}`);
		const [only] = children;
		if (only === undefined) continue;
		if (children.length === 1)
			steps.push({ node: only, space: message !== undefined });
		else {
			if (message !== undefined) pieces.push(" ");
			nest(children);
		}
	}
	return pieces.join("");
}
