/**
 * The boundaries of the multiparts that are open, as a trie over bytes: a line is compared with all of them at the cost
 * of its first 80 bytes, however many are open, so that deep nesting does not make a message slow.
 */
interface TrieNode {
	readonly next: Map<number, TrieNode>;
	/** Levels of nesting that have exactly this boundary, outermost first. */
	readonly levels: number[];
}

/** RFC 2046 §5.1.1 allows 70; longer ones are compared by their first 80 bytes. */
export const BOUNDARY_BYTES_MAX = 80;

const trieNode = (): TrieNode => ({ next: new Map(), levels: [] });

export class Boundaries {
	#root = trieNode();
	/** By level: the nodes from the root to that of its boundary. */
	readonly #paths = new Map<number, readonly TrieNode[]>();
	/** Set by match(): how many bytes matched. */
	matchedBytes = 0;

	get size(): number {
		return this.#paths.size;
	}

	/** `boundary` is one character an octet, and not empty. */
	add(level: number, boundary: string): void {
		const path = [this.#root];
		let node = this.#root;
		const length = Math.min(boundary.length, BOUNDARY_BYTES_MAX);
		for (let i = 0; i < length; i++) {
			const byte = boundary.charCodeAt(i);
			let next = node.next.get(byte);
			if (next === undefined) {
				next = trieNode();
				node.next.set(byte, next);
			}
			node = next;
			path.push(node);
		}
		node.levels.push(level);
		this.#paths.set(level, path);
	}

	remove(level: number): void {
		const path = this.#paths.get(level);
		if (path === undefined) return;
		this.#paths.delete(level);
		const levels = path[path.length - 1]?.levels ?? [];
		levels.splice(levels.indexOf(level), 1);
		for (let i = path.length - 1; i > 0; i--) {
			const node = path[i];
			if (node === undefined || node.levels.length + node.next.size > 0) return;
			const parent = path[i - 1];
			for (const [byte, child] of parent?.next ?? [])
				if (child === node) parent?.next.delete(byte);
		}
	}

	clear(): void {
		this.#root = trieNode();
		this.#paths.clear();
	}

	/**
	 * The level whose boundary starts at `at`, or -1. What follows it on the line does not matter (RFC 2046 §5.1.1); of
	 * several the longest counts, of equal ones the innermost.
	 */
	match(bytes: Uint8Array, at: number): number {
		let level = -1;
		let node: TrieNode | undefined = this.#root;
		for (let i = at; i < bytes.length; i++) {
			node = node.next.get(bytes[i] as number);
			if (node === undefined) break;
			const innermost = node.levels.at(-1);
			if (innermost !== undefined) {
				level = innermost;
				this.matchedBytes = i + 1 - at;
			}
		}
		return level;
	}
}
