/**
 * The cluster document, folded in memory: members, incarnations, slots, domains, users and aliases. Small, and read at
 * every step of SMTP and IMAP, so it is held whole.
 */
import type { FlatDocument, Scalar } from "../documents/flat.ts";
import { CLUSTER, keys, splitKey } from "../documents/shapes.ts";
import type { AccountId, Address, NodeId, Origin } from "../ids.ts";
import type { Fold, KeyChange, Transaction } from "../log/ledger.ts";
import { keyChangeOf, type NewId } from "../log/transaction.ts";
import { type SlotRange, slotCount, UNKEPT_SLOT } from "../mailbox/slots.ts";
import { BODIES_FORMAT } from "../ports/bodies.ts";

export interface Member {
	readonly node: NodeId;
	readonly name: string;
	readonly hostname: string;
	readonly site: string;
	readonly multiaddrs: readonly string[];
	readonly publicIps: readonly string[];
	readonly joinedMilliseconds: number;
	/** What its release can read in a drive (BODIES_FORMAT). */
	readonly bodies?: number;
}

export interface Incarnation {
	readonly origin: Origin;
	readonly node: NodeId;
	/** Public key of its drive's blobs core, hex. */
	readonly drive: string;
}

/** Of values put at the same time, everywhere the same one: the smallest text. */
const one = (values: readonly Scalar[]): string | undefined =>
	values.map(String).sort()[0];

export class ClusterState implements Fold {
	readonly #members = new Map<NodeId, Member>();
	readonly #removed = new Set<NodeId>();
	/** "origin drive" → incarnation; one origin may have had several drives. */
	readonly #incarnations = new Map<string, Incarnation>();
	readonly #slots = new Map<Origin, SlotRange>();
	/** Lives that have ended → the life that followed (rule 9). */
	readonly #ended = new Map<Origin, Origin>();
	readonly #domains = new Set<string>();
	readonly #users = new Map<Address, AccountId>();
	readonly #addresses = new Map<AccountId, Address>();
	readonly #removedUsers = new Set<AccountId>();
	/** Those that were not added again on a side of a split that had not heard of it; undefined: to be looked up. */
	#gone: ReadonlySet<AccountId> | undefined;
	readonly #aliases = new Map<Address, Set<Address>>();
	#secret: Uint8Array | undefined;
	#changedInBatch = false;
	#version = 0;
	#vacated: readonly Origin[] | undefined;
	readonly #reload: () => FlatDocument;
	readonly #changed: () => void;

	constructor(reload: () => FlatDocument, changed: () => void) {
		this.#reload = reload;
		this.#changed = changed;
	}

	/** Reads the document anew. */
	load(): void {
		this.#version++;
		this.#vacated = undefined;
		for (const held of [
			this.#members,
			this.#removed,
			this.#incarnations,
			this.#slots,
			this.#ended,
			this.#domains,
			this.#users,
			this.#addresses,
			this.#removedUsers,
			this.#aliases,
		])
			held.clear();
		this.#secret = undefined;
		this.#gone = undefined;
		const document = this.#reload();
		for (const key of document.keys()) this.#set(key, document.values(key));
	}

	// ------------------------------------------------------------------ Fold

	fold(_tx: Transaction, change: KeyChange): void {
		if (change.document !== CLUSTER) return;
		this.#changedInBatch = true;
		this.#set(change.key, change.values);
	}
	foldNew(tx: Transaction, change: NewId): void {
		if (change.document !== CLUSTER) return;
		for (const edit of change.edits) this.fold(tx, keyChangeOf(change, edit));
	}
	finish(): void {}
	committed(): void {
		if (!this.#changedInBatch) return;
		this.#changedInBatch = false;
		this.#changed();
	}
	rolledBack(): void {
		if (this.#changedInBatch) this.load();
		this.#changedInBatch = false;
	}

	#set(key: string, values: readonly Scalar[]): void {
		const [kind, id, detail] = splitKey(key);
		const value = one(values);
		this.#version++;
		this.#vacated = undefined;
		if (kind === "u" || kind === "g") this.#gone = undefined;
		if (kind === "m") this.#setMember(id as NodeId, value);
		else if (kind === "r") this.#removed.add(id as NodeId);
		else if (kind === "o" && value !== undefined)
			this.#incarnations.set(key, {
				origin: id as Origin,
				node: value as NodeId,
				drive: detail,
			});
		else if (kind === "s" && value !== undefined)
			this.#slots.set(id as Origin, JSON.parse(value) as SlotRange);
		else if (kind === "k" && value !== undefined)
			this.#secret = Buffer.from(value, "hex");
		else if (kind === "z" && value !== undefined)
			this.#ended.set(id as Origin, value as Origin);
		else if (kind === "d") setOrDelete(this.#domains, id, value !== undefined);
		else if (kind === "u") this.#setUser(id as Address, value);
		else if (kind === "g") this.#removedUsers.add(id as AccountId);
		else if (kind === "a")
			this.#setAlias(id as Address, detail as Address, value !== undefined);
	}

	#setMember(node: NodeId, value: string | undefined): void {
		if (value === undefined) this.#members.delete(node);
		else this.#members.set(node, { ...(JSON.parse(value) as Member), node });
	}

	#setUser(address: Address, value: string | undefined): void {
		const before = this.#users.get(address);
		if (before !== undefined) this.#addresses.delete(before);
		if (value === undefined) {
			this.#users.delete(address);
			return;
		}
		this.#users.set(address, value as AccountId);
		this.#addresses.set(value as AccountId, address);
	}

	#setAlias(alias: Address, target: Address, on: boolean): void {
		const targets = this.#aliases.get(alias) ?? new Set();
		setOrDelete(targets, target, on);
		if (targets.size > 0) this.#aliases.set(alias, targets);
		else this.#aliases.delete(alias);
	}

	// ------------------------------------------------------------------ reading

	/** Members that were not removed, this node included. */
	members(): Member[] {
		return [...this.#members.values()].filter(
			({ node }) => !this.#removed.has(node),
		);
	}
	/** Whether all of them, and there are some, can read bodies of packed blocks. */
	readPacked(): boolean {
		const members = this.members();
		return members.length > 0 && members.every(readsPacked);
	}

	member(node: NodeId): Member | undefined {
		return this.#removed.has(node) ? undefined : this.#members.get(node);
	}
	removed(): Iterable<NodeId> {
		return this.#removed;
	}
	wasRemoved(node: NodeId): boolean {
		return this.#removed.has(node);
	}
	incarnations(): Incarnation[] {
		return [...this.#incarnations.values()];
	}
	nodeOf(origin: Origin): NodeId | undefined {
		for (const incarnation of this.#incarnations.values())
			if (incarnation.origin === origin) return incarnation.node;
		return undefined;
	}
	/**
	 * Rule 9: whether tokens with this stamp slot are worth nothing: the life that gave them has ended, or its node was
	 * removed for good, or could not write them down.
	 */
	isRetired(stampSlot: number): boolean {
		if (stampSlot === UNKEPT_SLOT) return true;
		for (const [origin, range] of this.#slots) {
			if (range.stampSlot !== stampSlot) continue;
			if (this.#ended.has(origin)) return true;
			const node = this.nodeOf(origin);
			return node !== undefined && this.#removed.has(node);
		}
		return false;
	}
	slots(origin: Origin): SlotRange | undefined {
		return this.#slots.get(origin);
	}
	/** Another one whenever something was changed here. */
	get version(): number {
		return this.#version;
	}
	/** Lives of removed nodes that have slots still. */
	vacated(): readonly Origin[] {
		this.#vacated ??= [...this.#slots]
			.filter(([origin, range]) => {
				const node = slotCount(range) > 0 && this.nodeOf(origin);
				return node && this.#removed.has(node);
			})
			.map(([origin]) => origin)
			.sort();
		return this.#vacated;
	}
	/** How many slots the lives of a node have. */
	shareOf(node: NodeId): number {
		const origins = new Set(
			this.incarnations()
				.filter((one) => one.node === node)
				.map(({ origin }) => origin),
		);
		let sum = 0;
		for (const origin of origins) {
			const range = this.#slots.get(origin);
			if (range !== undefined) sum += slotCount(range);
		}
		return sum;
	}
	/** Stamp slots that may not be given: of all lives there ever were, since tokens name their giver by it, and that of none. */
	stampSlots(): Set<number> {
		return new Set([
			UNKEPT_SLOT,
			...[...this.#slots.values()].map((range) => range.stampSlot),
		]);
	}
	/** Lives of a node before the one named, in no order. */
	formerLives(node: NodeId, current: Origin): Origin[] {
		const origins = this.incarnations()
			.filter((one) => one.node === node && one.origin !== current)
			.map(({ origin }) => origin);
		return [...new Set(origins)];
	}
	domains(): string[] {
		return [...this.#domains].sort();
	}
	isLocalDomain(domain: string): boolean {
		return this.#domains.has(domain);
	}
	users(): { address: Address; account: AccountId }[] {
		return [...this.#users]
			.map(([address, account]) => ({ address, account }))
			.sort((a, b) => (a.address < b.address ? -1 : 1));
	}
	get userCount(): number {
		return this.#users.size;
	}
	account(address: Address): AccountId | undefined {
		return this.#users.get(address);
	}
	addressOf(account: AccountId): Address | undefined {
		return this.#addresses.get(account);
	}
	/** Accounts whose users were removed for good. */
	gone(): ReadonlySet<AccountId> {
		this.#gone ??= new Set(
			[...this.#removedUsers].filter((one) => !this.#addresses.has(one)),
		);
		return this.#gone;
	}
	/** Made with the first user. */
	secret(): Uint8Array | undefined {
		return this.#secret;
	}
	aliases(): { alias: Address; target: Address }[] {
		return [...this.#aliases]
			.flatMap(([alias, targets]) =>
				[...targets].map((target) => ({ alias, target })),
			)
			.sort((a, b) => (a.alias + a.target < b.alias + b.target ? -1 : 1));
	}
	targets(alias: Address): readonly Address[] {
		return [...(this.#aliases.get(alias) ?? [])];
	}
}

export const readsPacked = ({ bodies = 0 }: Pick<Member, "bodies">): boolean =>
	bodies >= BODIES_FORMAT;

function setOrDelete<T>(set: Set<T>, value: T, on: boolean): void {
	if (on) set.add(value);
	else set.delete(value);
}

/** How members, incarnations and slots are written. */
export const writeMember = (tx: Transaction, member: Member): void => {
	const { node, ...rest } = member;
	tx.edit(CLUSTER, { key: keys.member(node), set: JSON.stringify(rest) });
};
export const writeIncarnation = (
	tx: Transaction,
	{ origin, node, drive }: Incarnation,
): void =>
	tx.edit(CLUSTER, { key: keys.incarnation(origin, drive), set: node });
export const writeSlots = (
	tx: Transaction,
	origin: Origin,
	range: SlotRange,
): void =>
	tx.edit(CLUSTER, { key: keys.slots(origin), set: JSON.stringify(range) });
/** This life has ended, and `successor` follows. */
export const writeEnded = (
	tx: Transaction,
	origin: Origin,
	successor: Origin,
): void => tx.edit(CLUSTER, { key: keys.ended(origin), set: successor });
