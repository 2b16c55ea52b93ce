/**
 * The invariants of mailbox-consistency.md as checkers outside the system: a witness that remembers all that any node
 * ever told, and comparisons of nodes that are connected and quiet. They know nothing of how the nodes decide.
 */
import type { MailboxInfo, SelectedMailbox } from "../api.ts";
import { checkBox, mailboxesOf } from "../check/boxes.ts";
import { type Step, whatOf } from "../check/flaws.ts";
import { checkLog } from "../check/log.ts";
import { checkOrphans, checkSegment } from "../check/rows.ts";
import { OpenDocuments } from "../documents/open.ts";
import { CLUSTER, kindOf } from "../documents/shapes.ts";
import { type DocumentId, type MailboxId, origin } from "../ids.ts";
import { ChangeLog } from "../log/log.ts";
import {
	type BoxRow,
	boxKey,
	factsSegment,
	lives,
	uidOf,
} from "../mailbox/rows.ts";
import { type SlotRange, spansOf } from "../mailbox/slots.ts";
import type { ClusterReplica } from "../replica.ts";
import { rowsOn } from "./rows.ts";
import type { MemoryStore } from "./store.ts";

export type Invariant =
	| "I1"
	| "I2"
	| "I3"
	| "I4"
	| "I5"
	| "I6"
	| "I7"
	| "I8"
	/** No UID changes where there is no fault. */
	| "numbers"
	| "local";

export class Violation extends Error {
	override name = "Violation";
	readonly invariant: Invariant;
	constructor(invariant: Invariant, text: string) {
		super(`${invariant}: ${text}`);
		this.invariant = invariant;
	}
}

/** origin → highest sequence held durably, as the disk says. */
export type HeldVector = ReadonlyMap<string, number>;

export function vectorOf(disk: MemoryStore): HeldVector {
	const vector = new Map<string, number>();
	for (const [key, value] of disk.range("head/", "head0"))
		vector.set(
			key.slice("head/".length),
			(JSON.parse(value as string) as [number])[0],
		);
	return vector;
}
export const covers = (have: HeldVector, want: HeldVector): boolean =>
	[...want].every(([origin, sequence]) => (have.get(origin) ?? 0) >= sequence);

/** What a session was told under a UID. */
export interface Named {
	readonly entry: string;
	readonly hash: string;
}

/** What one node told of one mailbox, over all its processes. */
interface Told {
	/** UID → entry, of all ever told. */
	readonly uids: Map<number, string>;
	/** Told and gone since. */
	readonly gone: Set<number>;
	/** Highest UID or UIDNEXT-1 told. */
	highest: number;
}

/** Remembers what nodes told their clients, and raises a Violation at once when two things told cannot both be true. */
export class Witness {
	/** I1: mailbox, UIDVALIDITY, UID → entry and body. */
	readonly #names = new Map<string, string>();
	readonly #told = new Map<string, Told>();
	/** I3: mailbox, UIDVALIDITY, UID → what the node had that told it gone. */
	readonly #gone = new Map<string, HeldVector>();
	/** I5: mailbox → UIDVALIDITYs ever told. */
	readonly #uidValidity = new Map<MailboxId, Set<number>>();
	/** Entry → UIDs it was ever told under. */
	readonly #numbers = new Map<string, Set<number>>();

	/** How many entries were told to anyone, and how many of them under more than one UID. */
	get renumbering(): { told: number; renumbered: number } {
		let renumbered = 0;
		for (const uids of this.#numbers.values()) if (uids.size > 1) renumbered++;
		return { told: this.#numbers.size, renumbered };
	}

	/** A mailbox as a session of `node` sees it, now. `lost`: something done to the entry went with a disk. */
	look(
		node: string,
		disk: MemoryStore,
		mailbox: SelectedMailbox,
		known: Map<number, Named>,
		lost: (entry: string) => boolean,
	): void {
		const box = `${mailbox.id} ${mailbox.uidValidity}`;
		this.uidValidity(mailbox.id, mailbox.uidValidity);
		const told = this.#toldBy(`${node} ${box}`);
		const before = told.highest;
		const live = new Set<number>(mailbox.uids());
		let held: HeldVector | undefined;
		const vector = (): HeldVector => {
			held ??= vectorOf(disk);
			return held;
		};
		for (const uid of known.keys())
			if (!live.has(uid)) {
				known.delete(uid);
				told.gone.add(uid);
				this.#gone.set(`${box} ${uid}`, vector());
			}
		for (const uid of mailbox.uids()) {
			const message = mailbox.get(uid);
			if (message === undefined)
				throw new Violation("local", `UID ${uid} is listed and not there`);
			const { entry, body } = message;
			// The session was told just this already, and it was checked then.
			const last = known.get(uid);
			if (last?.entry === entry && last.hash === body.hash) continue;
			this.#named(`${box} ${uid}`, `${entry} ${body.hash}`, node);
			if (last === undefined) {
				this.#appeared(told, before, uid, entry, node);
				if (told.gone.has(uid) && !lost(entry))
					throw new Violation("I3", `${node} shows UID ${uid} again`);
				const gone = this.#gone.get(`${box} ${uid}`);
				// With a full disk a node goes on reading what it showed last, as it cannot write down that it shows more.
				const stale = disk.full || told.uids.has(uid);
				if (gone && !stale && covers(vector(), gone))
					throw new Violation(
						"I3",
						`${node} newly shows UID ${uid}, which a node was told to be gone`,
					);
			}
			known.set(uid, { entry, hash: body.hash });
			told.uids.set(uid, entry);
			const numbers = this.#numbers.get(`${mailbox.id} ${entry}`);
			if (numbers) numbers.add(uid);
			else this.#numbers.set(`${mailbox.id} ${entry}`, new Set([uid]));
			told.highest = Math.max(told.highest, uid);
		}
		if (mailbox.uidNext - 1 < told.highest)
			throw new Violation(
				"I2",
				`${node} tells UIDNEXT ${mailbox.uidNext}, and told UID ${told.highest}`,
			);
		told.highest = Math.max(told.highest, mailbox.uidNext - 1);
	}

	/**
	 * Nobody is left who knows how far this node had told: a life that was put back to a copy from before that leaps above
	 * what it knows, and cannot know that a life between had leaped already. What was told above its own E counts no more.
	 */
	forgive(node: string, disk: MemoryStore): void {
		for (const [key, told] of this.#told) {
			const [teller, mailbox = ""] = key.split(" ");
			const text = disk.get(boxKey(mailbox as MailboxId)) ?? '{"E":0}';
			const { E } = JSON.parse(text as string) as BoxRow;
			if (teller === node && E < told.highest) this.#told.delete(key);
		}
	}

	#named(key: string, what: string, node: string): void {
		const first = this.#names.get(key) ?? what;
		if (first !== what)
			throw new Violation(
				"I1",
				`UID ${key} names ${what} at ${node}, and named ${first}`,
			);
		this.#names.set(key, what);
	}

	#appeared(
		told: Told,
		before: number,
		uid: number,
		entry: string,
		node: string,
	): void {
		if (uid <= before && told.uids.get(uid) !== entry)
			throw new Violation(
				"I2",
				`${node} newly shows UID ${uid}, and told ${before} before`,
			);
	}

	uidValidity(mailbox: MailboxId, value: number): void {
		const values = this.#uidValidity.get(mailbox) ?? new Set();
		this.#uidValidity.set(mailbox, values);
		values.add(value);
	}

	/** I5, for mailboxes that were not made on two sides at once. */
	checkUidValidity(madeTwice: (mailbox: MailboxId) => boolean): void {
		for (const [mailbox, values] of this.#uidValidity)
			if (values.size > 1 && !madeTwice(mailbox))
				throw new Violation(
					"I5",
					`UIDVALIDITY of ${mailbox} was ${[...values].join(" and ")}`,
				);
	}

	#toldBy(key: string): Told {
		let told = this.#told.get(key);
		if (told === undefined) {
			told = { uids: new Map(), gone: new Set(), highest: 0 };
			this.#told.set(key, told);
		}
		return told;
	}
}

// ------------------------------------------------------------------ the state of nodes, connected and quiet

/** What a node would show of one mailbox, as text to compare. */
export interface Shown {
	readonly info: MailboxInfo;
	readonly uidValidity: number;
	readonly messages: readonly string[];
}

export const describe = (mailbox: SelectedMailbox): string[] =>
	mailbox.uids().map((uid) => {
		const message = mailbox.get(uid);
		return [
			uid,
			message?.entry,
			message?.body.hash.slice(0, 12),
			message?.internalDateMilliseconds,
			message?.flags.join(" "),
		].join(" ");
	});

/** I4: the first difference between two texts of lines. */
export function compare(
	what: string,
	one: { node: string; lines: readonly string[] },
	other: { node: string; lines: readonly string[] },
): void {
	const here = new Set(one.lines);
	const there = new Set(other.lines);
	const only = (
		{ node, lines }: { node: string; lines: readonly string[] },
		not: Set<string>,
	): string =>
		lines
			.filter((line) => !not.has(line))
			.slice(0, 3)
			.map((line) => `only ${node}: ${line}`)
			.join("; ");
	const difference = [only(one, there), only(other, here)]
		.filter((text) => text !== "")
		.join("; ");
	if (difference !== "") throw new Violation("I4", `${what}: ${difference}`);
	if (one.lines.join("\n") !== other.lines.join("\n"))
		throw new Violation("I4", `${what}: another order`);
}

const SHARED = ["f", "u", "t", "x", "g", "l", "to", "o", "q", "r"] as const;

/** The replicated part of all rows, which must be alike on nodes that have the same changes. */
export function sharedRows(disk: MemoryStore): string[] {
	const lines: string[] = [];
	for (const { mailbox, entry, row } of rowsOn(disk)) {
		// Each node forgets the dead in its own time.
		if (row.x) continue;
		const shared = SHARED.map((name) => JSON.stringify(sorted(row[name])));
		const parts = Object.entries(row.p ?? {}).map(([segment, { g }]) => [
			segment,
			sorted(g),
		]);
		lines.push(
			`${mailbox}/${entry} ${factsSegment(row)} ${shared.join(" ")} ${JSON.stringify(parts)}`,
		);
	}
	return lines;
}

function sorted(value: unknown): unknown {
	if (Array.isArray(value))
		return value.map((one) => JSON.stringify(one)).sort();
	if (typeof value === "object" && value !== null)
		return Object.entries(value).sort();
	return value;
}

/** What `pmnode check` looks at on one node must be sound on every node that is quiet. */
export function checkDisk(node: string, disk: MemoryStore): void {
	const log = new ChangeLog(disk);
	const documents = new OpenDocuments(disk, origin("0".repeat(16)), (at) => {
		const { record, previous } = log.read(at);
		return { change: record.change, previous };
	});
	const open = (id: DocumentId) => documents.get(id);
	const all = function* (): Generator<Step> {
		yield* checkLog(disk);
		for (const id of [...documents.ids()]) {
			const place = kindOf(id);
			if (place.kind === "segment")
				yield* checkSegment(disk, open, place.mailbox, place.segment);
		}
		for (const mailbox of mailboxesOf(disk)) {
			yield* checkOrphans(disk, open, mailbox);
			yield* checkBox(disk, mailbox);
		}
	};
	sound(node, all());
	for (const id of [...documents.ids()]) documents.forget(id);
}

/** What a mailbox's row sums up must be so by its rows; a part of checkDisk(). */
export function checkSums(node: string, disk: MemoryStore): void {
	for (const mailbox of mailboxesOf(disk)) sound(node, checkBox(disk, mailbox));
}

function sound(node: string, steps: Iterable<Step>): void {
	for (const step of steps)
		if (typeof step !== "number")
			throw new Violation("local", `on ${node}: ${whatOf(step)}`);
}

/** I4: what lives is shown, under the highest claim, on a node that is quiet and was looked at. */
export function checkShown(node: string, disk: MemoryStore): void {
	for (const { mailbox, entry, row } of rowsOn(disk)) {
		if (!lives(row) || row.v?.u === uidOf(row)) continue;
		const shown = row.v === undefined ? "not" : `as ${row.v.u}`;
		throw new Violation(
			"I4",
			`${node} shows ${mailbox}/${entry} ${shown}; its UID is ${uidOf(row)}`,
		);
	}
}

/** Rule 1: UID slots by origin, as a disk has them; raises a Violation where two origins own one. */
export function checkSlots(disk: MemoryStore): Map<string, SlotRange> {
	const log = new ChangeLog(disk);
	const documents = new OpenDocuments(disk, READER, (at) => {
		const { record, previous } = log.read(at);
		return { change: record.change, previous };
	});
	const cluster = documents.get(CLUSTER);
	const ranges = new Map<string, SlotRange>();
	const owners = new Map<number, string>();
	for (const key of cluster.keys()) {
		if (!key.startsWith("s:")) continue;
		const [value] = cluster.values(key);
		const range = JSON.parse(String(value)) as SlotRange;
		ranges.set(key.slice(2), range);
		const slots = spansOf(range).flatMap(([low, high]) =>
			Array.from({ length: high - low }, (_, i) => low + i),
		);
		for (const slot of slots) {
			if (owners.has(slot))
				throw new Violation(
					"I1",
					`slot ${slot} belongs to ${owners.get(slot)} and ${key}`,
				);
			owners.set(slot, key);
		}
	}
	documents.forget(CLUSTER);
	return ranges;
}
const READER = origin("ffffffffffffffff");

/** The cluster's directory and slots as a node sees them. */
export function directoryOf(replica: ClusterReplica): string[] {
	const { directory } = replica;
	return [
		...directory.domains(),
		...directory.users().map(({ address, account }) => `${address} ${account}`),
		...directory.aliases().map(({ alias, target }) => `${alias} → ${target}`),
	];
}
