/**
 * A mail program: it keeps a copy of one mailbox, comes to whatever node it likes, and brings its copy up to date in one
 * of the ways that programs do it: by its highest UID (K-9), by CHANGEDSINCE (RFC 7162 CONDSTORE), or by QRESYNC. It uses
 * the interface of sync/ as an IMAP session would, and believes what it is told. In the end its copy must be the mailbox.
 */
import type { Message } from "../api.ts";
import type { Uid, UidRange } from "../ids.ts";
import { covers, type HeldVector, Violation } from "./checkers.ts";
import type { SimMail } from "./mail.ts";
import type { Reader, Seen } from "./reader.ts";

export const CLIENT_KINDS = ["uid", "condstore", "qresync"] as const;
export type ClientKind = (typeof CLIENT_KINDS)[number];
/** The token kept: the last one told; the highest; the last one, and a lower one is taken for "nothing new". */
export type TokenMode = "last" | "max" | "lower";

export interface ClientOptions {
	readonly name: string;
	readonly user: string;
	readonly folder: string;
	readonly kind: ClientKind;
	readonly mode: TokenMode;
}

/** What the program knows of a message. Entry and hash are no part of it: they are for those who check. */
interface Known {
	readonly entry: Seen["entry"];
	readonly hash: string;
	readonly flags: readonly string[];
	readonly modSeq: number;
	readonly knew: Seen["knew"];
}

interface Session {
	readonly reader: Reader;
	/** What the server has told in it: UID → mod-sequence. */
	readonly told: Map<number, number>;
}

type News =
	| { readonly kind: "gone"; readonly uid: number }
	| { readonly kind: "arrived"; readonly messages: readonly Message[] }
	| { readonly kind: "changed"; readonly messages: readonly [Message] };

export class Client {
	readonly options: ClientOptions;
	/** Something was asked and is not answered yet. */
	isBusy = false;
	readonly #world: SimMail;
	readonly #known = new Map<number, Known>();
	/** UID → what the node had that told it to be gone. */
	readonly #vanished = new Map<number, HeldVector>();
	#uidValidity = 0;
	#last = 0;
	#token = 0;
	#session: Session | undefined;
	/** Its node's disk was full when a UID was named there: known in memory only, until it has room. */
	#unkept: Reader | undefined;

	constructor(world: SimMail, options: ClientOptions) {
		this.#world = world;
		this.options = options;
	}

	get name(): string {
		return `${this.options.name} (${this.options.kind}, ${this.options.mode})`;
	}

	/** Of the session that is open, if its node lives and its mailbox is there. */
	get reader(): Reader | undefined {
		const reader = this.#session?.reader;
		if (reader?.alive && !reader.mailbox.gone) return reader;
		this.leave();
		return undefined;
	}

	leave(): void {
		const reader = this.#session?.reader;
		this.#session = undefined;
		if (!reader?.alive) return;
		this.#world.operations++;
		reader.close();
	}

	// ------------------------------------------------------------------ a visit

	/** Connects, selects, and brings its copy up to date. False: it could not. */
	async visit(node: string): Promise<boolean> {
		this.leave();
		const { user, folder } = this.options;
		const outcome = await this.#world.ask(
			node,
			`is visited by ${this.name}: ${folder} of ${user}, token ${this.#token}`,
			async () => {
				const reader = await this.#world.read(node, user, folder);
				this.#reloadWhereUnkept();
				await this.#synchronize(reader);
				const { full } = this.#world.machine(node).disk;
				if (full && this.options.kind === "uid") this.#unkept ??= reader;
			},
		);
		return outcome.kind === "done";
	}

	/**
	 * A node whose disk was full, and that died before it had room, has forgotten what was named there, and may show again
	 * what was missing: a program that goes by UIDs alone does not notice, and its user loads the mailbox once more.
	 */
	#reloadWhereUnkept(): void {
		if (this.#unkept === undefined) return;
		const { alive, node } = this.#unkept;
		if (alive && this.#world.machines.get(node)?.disk.full) return;
		this.#unkept = undefined;
		if (!alive) this.#forget();
	}

	async #synchronize(reader: Reader): Promise<void> {
		const { mailbox } = reader;
		if (mailbox.uidValidity !== this.#uidValidity) this.#forget();
		this.#uidValidity = mailbox.uidValidity;
		const { highestModSeq } = mailbox;
		if (this.#hasNothingToAsk(highestModSeq)) this.#world.skippedVisits++;
		else {
			await this.#name(reader);
			// The connection is gone, and nobody hears the rest.
			if (!reader.alive) return;
			this.#bringUpToDate(reader);
		}
		const told = new Map<number, number>();
		for (const uid of mailbox.uids())
			told.set(uid, mailbox.get(uid)?.modSeq ?? 0);
		this.#session = { reader, told };
		this.#world.say(
			`${this.name} has ${[...this.#known.keys()].sort((a, b) => a - b).join(" ")}; token ${this.#token}`,
		);
	}

	/** RFC 9051 §2.3.1.1: with another UIDVALIDITY all that was known is worth nothing. */
	#forget(): void {
		this.#known.clear();
		this.#vanished.clear();
		this.#last = 0;
		this.#token = 0;
	}

	/** RFC 7162 §6.1: HIGHESTMODSEQ is what it was, or taken for it. */
	#hasNothingToAsk(highestModSeq: number): boolean {
		const { kind, mode } = this.options;
		if (kind !== "condstore") return false;
		const isLower = highestModSeq < this.#token;
		return highestModSeq === this.#token || (isLower && mode === "lower");
	}

	/** Its commands name what it was told by some node (rule 8); of `last+1:*` the server takes `last`. */
	async #name({ mailbox }: Reader): Promise<void> {
		if (this.options.kind === "uid") {
			if (this.#last > 0) await mailbox.named(this.#last);
		} else if (this.#token > 0) await mailbox.tokenNamed(this.#token);
	}

	#bringUpToDate(reader: Reader): void {
		if (this.options.kind === "uid") this.#byUid(reader);
		else if (this.options.kind === "condstore") this.#byChanges(reader);
		else this.#byQuickResync(reader);
	}

	/** UID FETCH last+1:*, then UID FETCH 1:last (FLAGS). What appears below `last` is never noticed. */
	#byUid(reader: Reader): void {
		const last = this.#last;
		this.#world.operations += last > 0 ? 2 : 1;
		this.#dropUnlisted(reader);
		for (const uid of reader.mailbox.uids())
			if (uid > last || this.#known.has(uid)) this.#hear(reader, uid);
	}

	/** RFC 7162 §6.1: FETCH 1:last (FLAGS) (CHANGEDSINCE token), and SEARCH ALL for what is gone. */
	#byChanges(reader: Reader): void {
		this.#world.operations += 2;
		this.#dropUnlisted(reader);
		this.#fetchChanges(reader);
		this.#take(reader.mailbox.highestModSeq);
	}

	/** RFC 7162 §3.2.5: SELECT (QRESYNC (uidvalidity token known)) */
	#byQuickResync(reader: Reader): void {
		const { mailbox } = reader;
		const known = rangesOf([...this.#known.keys()].sort((a, b) => a - b));
		// Else it had nothing to name, and fetches all.
		if (this.#token === 0) this.#world.operations++;
		else
			for (const [low, high] of mailbox.vanished(known))
				for (const uid of [...this.#known.keys()])
					if (uid >= low && uid <= high) this.#hearGone(reader, uid);
		this.#fetchChanges(reader);
		this.#take(mailbox.highestModSeq);
	}

	#fetchChanges(reader: Reader): void {
		const { mailbox } = reader;
		const changed =
			this.#token === 0 ? mailbox.uids() : mailbox.changedSince(this.#token);
		for (const uid of changed) this.#hear(reader, uid);
	}

	#dropUnlisted(reader: Reader): void {
		const listed = new Set<number>(reader.mailbox.uids());
		for (const uid of [...this.#known.keys()])
			if (!listed.has(uid)) this.#known.delete(uid);
	}

	// ------------------------------------------------------------------ being told

	#hear(reader: Reader, uid: Uid): void {
		const message = reader.mailbox.get(uid);
		if (message !== undefined) this.#hearMessage(reader, message);
	}

	#hearMessage(reader: Reader, message: Message): void {
		const { uid, entry, body, flags, modSeq } = message;
		const gone = this.#vanished.get(uid);
		if (gone && !this.#known.has(uid) && covers(reader.vector(), gone))
			throw new Violation(
				"I3",
				`${this.name} was told that UID ${uid} is gone, and gets it again from ${reader.node}`,
			);
		const knew = reader.operations(entry);
		this.#known.set(uid, { entry, hash: body.hash, flags, modSeq, knew });
		this.#last = Math.max(this.#last, uid);
	}

	#hearGone(reader: Reader, uid: number): void {
		if (this.#known.delete(uid)) this.#vanished.set(uid, reader.vector());
	}

	#take(token: number): void {
		const { mode } = this.options;
		this.#token = mode === "last" ? token : Math.max(this.#token, token);
	}

	/**
	 * The session tells what changed since: expunges, then arrivals and flags by mod-sequence (rule 16). After `most` of
	 * them the connection breaks.
	 */
	beTold(most = Number.POSITIVE_INFINITY): void {
		const { reader } = this;
		if (reader === undefined || this.#session === undefined) return;
		this.#world.operations++;
		const { told } = this.#session;
		const news = newsOf(reader, told);
		for (const [i, one] of news.slice(0, most).entries()) {
			if (one.kind === "gone") this.#hearGone(reader, one.uid);
			else
				for (const message of one.messages) this.#hearMessage(reader, message);
			const all = i + 1 === news.length;
			const stamp = all ? reader.mailbox.highestModSeq : firstStamp(one);
			if (stamp !== undefined) this.#takeLater(stamp);
		}
		if (news.length > 0)
			this.#world.say(
				`${this.name} is told ${Math.min(most, news.length)} of ${news.length} changes at ${reader.node}; token ${this.#token}`,
			);
		if (most < news.length) {
			this.leave();
			return;
		}
		told.clear();
		for (const uid of reader.mailbox.uids())
			told.set(uid, reader.mailbox.get(uid)?.modSeq ?? 0);
	}

	/** Within a session mod-sequences only grow. */
	#takeLater(stamp: number): void {
		if (this.options.kind !== "uid") this.#token = Math.max(this.#token, stamp);
	}

	// ------------------------------------------------------------------ what it does

	/** A message that it knows, as it would name it in a command. */
	messages(): (Seen & { readonly modSeq: number })[] {
		return [...this.#known].map(([uid, known]) => ({ uid, ...known }));
	}

	/** I1: the node must act on the message that the client means, or on none. */
	checkNamed(seen: Seen): void {
		const { reader } = this;
		const found = reader?.mailbox.resolve(seen.uid as Uid)?.entry;
		if (found !== undefined && found !== seen.entry)
			throw new Violation(
				"I1",
				`${this.name} names UID ${seen.uid} for ${seen.entry}, ${reader?.node} takes it for ${found}`,
			);
	}

	/**
	 * I6: after a full sync on a connected cluster, the copy is the mailbox. `lost`: something done to the entry went with a
	 * disk, so its flags may be others; and who saw it go elsewhere, or goes by UIDs, may lack it.
	 */
	checkCopy(lost: (entry: string) => boolean, wanders = true): void {
		const { reader } = this;
		if (reader === undefined) return;
		const mayLack = wanders || this.options.kind === "uid";
		const { mailbox } = reader;
		const wrong: string[] = [];
		for (const uid of mailbox.uids()) {
			const message = mailbox.get(uid);
			if (message === undefined) continue;
			const known = this.#known.get(uid);
			if (lost(message.entry) && (mayLack || known !== undefined)) continue;
			const text = `${message.entry} ${message.flags.join(" ")}`;
			if (known === undefined) wrong.push(`lacks ${uid} ${text}`);
			else if (`${known.entry} ${known.flags.join(" ")}` !== text)
				wrong.push(
					`has ${uid} as ${known.entry} ${known.flags.join(" ")}, not ${text}`,
				);
		}
		for (const [uid, { entry }] of this.#known)
			if (mailbox.get(uid as Uid) === undefined)
				wrong.push(`has ${uid} ${entry}, which is gone`);
		if (wrong.length > 0)
			throw new Violation(
				"I6",
				`${this.name} after its sync at ${reader.node}: ${wrong.slice(0, 4).join("; ")}`,
			);
	}
}

const firstStamp = (news: News): number | undefined =>
	news.kind === "gone"
		? undefined
		: Math.min(...news.messages.map(({ modSeq }) => modSeq));

/** What the server has to tell, in the order in which it may. */
function newsOf(reader: Reader, told: ReadonlyMap<number, number>): News[] {
	const { mailbox } = reader;
	const gone: News[] = [];
	for (const uid of told.keys())
		if (mailbox.get(uid as Uid) === undefined) gone.push({ kind: "gone", uid });
	const arrived: Message[] = [];
	const changed: News[] = [];
	for (const uid of mailbox.uids()) {
		const message = mailbox.get(uid);
		if (message === undefined) continue;
		const before = told.get(uid);
		if (before === undefined) arrived.push(message);
		else if (before !== message.modSeq)
			changed.push({ kind: "changed", messages: [message] });
	}
	const news = [...changed];
	if (arrived.length > 0) news.push({ kind: "arrived", messages: arrived });
	news.sort((a, b) => (firstStamp(a) ?? 0) - (firstStamp(b) ?? 0));
	return [...gone, ...news];
}

/** Ascending numbers as ranges. */
function rangesOf(sorted: readonly number[]): UidRange[] {
	const ranges: [number, number][] = [];
	for (const one of sorted) {
		const last = ranges.at(-1);
		if (last !== undefined && last[1] === one - 1) last[1] = one;
		else ranges.push([one, one]);
	}
	return ranges;
}
