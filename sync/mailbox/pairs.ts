/**
 * Rule 12: pairs (T, V) of all nodes: when T was told as HIGHESTMODSEQ of a mailbox, its giver had applied V. They
 * translate tokens of other nodes (rule 13), and keep HIGHESTMODSEQ from sinking for who moves (rule 11). Losing one is
 * safe: an older one makes more count as changed. So they wait in memory for the next batch.
 */
import type { MailboxId } from "../ids.ts";
import {
	PAIR_LISTS_MAX,
	PAIR_TOPS_MAX,
	PAIRS_WAIT_MILLISECONDS,
	PAIRS_WAITING_MAX,
	TOKEN_PAIRS_MAX,
	TOKEN_PAIRS_NEWEST,
} from "../limits.ts";
import type { Batch } from "../log/batch.ts";
import { decodeVector, encodeVector, type Vector } from "../log/record.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import { slotOf } from "./slots.ts";

export interface Pair {
	readonly mailbox: MailboxId;
	readonly token: number;
	readonly vector: Vector;
	/** All of the vector was shown under the token: nothing waited to be shown. */
	readonly exact: boolean;
}

const prefixOf = (mailbox: MailboxId, slot?: number): string =>
	slot === undefined
		? `pair/${mailbox}/`
		: `pair/${mailbox}/${slot.toString().padStart(4, "0")}/`;
const keyOf = (mailbox: MailboxId, token: number): string =>
	prefixOf(mailbox, slotOf(token)) + token.toString(16).padStart(14, "0");

export class Pairs {
	readonly #store: Store;
	readonly #clock: Clock;
	readonly #flush: () => void;
	/** Not in the store yet, and in the batch in the making. */
	#waiting = new Waiting();
	#written: Waiting | undefined;
	#timer: Cancel | undefined;
	/** What top() found, until a pair of the mailbox comes or goes: each SELECT and STATUS asks for it. */
	readonly #tops = new Map<MailboxId, Pair | undefined>();
	/** What of() found, by prefix, and kept up with what comes and goes: a busy mailbox has a new pair ten times a second. */
	readonly #found = new Map<MailboxId, Map<string, readonly Pair[]>>();

	constructor(store: Store, clock: Clock, flush: () => void) {
		this.#store = store;
		this.#clock = clock;
		this.#flush = flush;
	}

	/** Keeps a pair. Returns whether it was news. */
	add(pair: Pair): boolean {
		const { mailbox, token, vector, exact } = pair;
		const slot = slotOf(token);
		const there = this.of(mailbox, slot);
		const same = there.find((one) => one.token === token);
		// Made again for the same stamp it may be a better one, never a worse.
		if (same !== undefined && (same.exact || !exact)) return false;
		this.#put(pair, JSON.stringify([exact, ...encodeVector(vector)]));
		if (same === undefined && there.length >= TOKEN_PAIRS_MAX) {
			const all = [...there, pair].sort((a, b) => a.token - b.token);
			const out = all[leastUseful(all.map((one) => one.token))] as Pair;
			this.#put(out, undefined);
		}
		return true;
	}

	/** `row`: undefined where the pair goes. */
	#put(pair: Pair, row: string | undefined): void {
		const { mailbox, token } = pair;
		const key = keyOf(mailbox, token);
		this.#waiting.set(mailbox, key, row);
		this.#tops.delete(mailbox);
		const found = this.#found.get(mailbox);
		for (const [prefix, pairs] of found ?? [])
			if (key.startsWith(prefix)) {
				const others = pairs.filter((one) => one.token !== token);
				found?.set(
					prefix,
					row === undefined ? others : [...others, pair].sort(byGiver),
				);
			}
		if (this.#waiting.size >= PAIRS_WAITING_MAX) this.#soon(0);
		else this.#soon(PAIRS_WAIT_MILLISECONDS);
	}
	#soon(milliseconds: number): void {
		if (this.#timer !== undefined && milliseconds > 0) return;
		this.#timer?.();
		this.#timer = this.#clock.after(milliseconds, () => {
			this.#timer = undefined;
			this.#flush();
		});
	}

	/** Of a mailbox (and a giver), ascending by giver, then by stamp. */
	of(mailbox: MailboxId, slot?: number): readonly Pair[] {
		const prefix = prefixOf(mailbox, slot);
		let found = this.#found.get(mailbox);
		if (found === undefined) {
			if (this.#found.size >= PAIR_LISTS_MAX) this.#found.clear();
			found = new Map();
			this.#found.set(mailbox, found);
		}
		let pairs = found.get(prefix);
		if (pairs === undefined) {
			pairs = this.#read(mailbox, prefix);
			found.set(prefix, pairs);
		}
		return pairs;
	}

	#read(mailbox: MailboxId, prefix: string): Pair[] {
		const rows = new Map<string, string | undefined>();
		for (const [key, row] of this.#store.range(prefix, prefixEnd(prefix)))
			rows.set(key, row as string);
		for (const waiting of [this.#written, this.#waiting])
			for (const [key, row] of waiting?.of(mailbox) ?? [])
				if (key.startsWith(prefix)) rows.set(key, row);
		const pairs: Pair[] = [];
		for (const key of [...rows.keys()].sort()) {
			const row = rows.get(key);
			if (row !== undefined) pairs.push(pairOf(mailbox, key, row));
		}
		return pairs;
	}

	/** The giver's latest pair up to this token. */
	upTo(mailbox: MailboxId, token: number): Pair | undefined {
		return this.of(mailbox, slotOf(token)).findLast(
			(pair) => pair.token <= token,
		);
	}

	/** The highest stamp that any node is known to have told. */
	top(mailbox: MailboxId): Pair | undefined {
		if (this.#tops.has(mailbox)) return this.#tops.get(mailbox);
		let top: Pair | undefined;
		for (const pair of this.of(mailbox))
			if (top === undefined || pair.token > top.token) top = pair;
		if (this.#tops.size >= PAIR_TOPS_MAX) this.#tops.clear();
		this.#tops.set(mailbox, top);
		return top;
	}

	/** The stamps of all pairs of the mailbox: what a member need not tell again. */
	tokens(mailbox: MailboxId): number[] {
		return this.of(mailbox).map(({ token }) => token);
	}

	/** What somebody with these lacks. */
	beyond(mailbox: MailboxId, tokens: readonly number[]): Pair[] {
		const had = new Set(tokens);
		return this.of(mailbox).filter(({ token }) => !had.has(token));
	}

	/** What waits is lost, as in a crash. */
	stop(): void {
		this.#timer?.();
	}

	finish(batch: Batch): void {
		if (this.#waiting.size === 0) return;
		const written = this.#written ?? new Waiting();
		written.takeFrom(this.#waiting);
		this.#written = written;
		this.#waiting = new Waiting();
		for (const [key, row] of written.all()) batch.put(key, row);
	}
	committed(): void {
		this.#written = undefined;
		if (this.#waiting.size > 0) return;
		this.#timer?.();
		this.#timer = undefined;
	}
	rolledBack(): void {
		if (this.#written === undefined) return;
		this.#written.takeFrom(this.#waiting);
		this.#waiting = this.#written;
		this.#written = undefined;
		this.#soon(PAIRS_WAIT_MILLISECONDS);
	}
}

/** Rows by mailbox; undefined for one that is to be deleted. */
class Waiting {
	readonly #rows = new Map<MailboxId, Map<string, string | undefined>>();
	size = 0;

	of(mailbox: MailboxId): ReadonlyMap<string, string | undefined> | undefined {
		return this.#rows.get(mailbox);
	}
	set(mailbox: MailboxId, key: string, row: string | undefined): void {
		const rows = this.#rows.get(mailbox) ?? new Map();
		this.#rows.set(mailbox, rows);
		if (!rows.has(key)) this.size++;
		rows.set(key, row);
	}
	takeFrom(later: Waiting): void {
		for (const [mailbox, rows] of later.#rows)
			for (const [key, row] of rows) this.set(mailbox, key, row);
	}
	*all(): Iterable<[string, string | undefined]> {
		for (const rows of this.#rows.values()) yield* rows;
	}
}

const byGiver = (a: Pair, b: Pair): number =>
	slotOf(a.token) - slotOf(b.token) || a.token - b.token;

function pairOf(mailbox: MailboxId, key: string, row: string): Pair {
	const [exact, ...vector] = JSON.parse(row) as [boolean, ...unknown[]];
	return {
		mailbox,
		token: Number.parseInt(key.slice(key.lastIndexOf("/") + 1), 16),
		exact,
		vector: decodeVector(vector),
	};
}

/** Of ascending stamps the one without which the gaps stay smallest beside their age; never the first nor a new one. */
export function leastUseful(tokens: readonly number[]): number {
	const newest = tokens.at(-1) as number;
	let found = 1;
	let least = Number.POSITIVE_INFINITY;
	for (let i = 1; i < tokens.length - TOKEN_PAIRS_NEWEST; i++) {
		const gap = (tokens[i + 1] as number) - (tokens[i - 1] as number);
		const age = newest - (tokens[i] as number);
		if (gap / age >= least) continue;
		least = gap / age;
		found = i;
	}
	return found;
}
