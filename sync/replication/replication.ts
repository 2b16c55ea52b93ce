/**
 * Keeps the members alike: own changes are pushed on each link as they are committed, what is missing of other origins is
 * pulled from whoever has it (so A reaches C through B), what is held durably is told, and gossip carries news to members
 * that are not linked directly. Events only note; evaluate() decides.
 */
import { Temporary } from "../faults.ts";
import type { MailboxId, NodeId, Origin, Sequence } from "../ids.ts";
import {
	CONFIRMED_MAX,
	PAIRS_TOLD_MAX,
	WANTS_TOLD_MAX,
	WATERMARKS_TOLD_MAX,
} from "../limits.ts";
import type { Ledger, Work } from "../log/ledger.ts";
import { BadRecord, missing, type Vector } from "../log/record.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { Want } from "../mailbox/numbering.ts";
import type { Pair } from "../mailbox/pairs.ts";
import type { Watermark } from "../mailbox/watermarks.ts";
import type { BodyRef } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { LINK_REPLACED, type Link, type Network } from "../ports/network.ts";
import type { Store, StoreWrite } from "../ports/store.ts";
import type { ToldByMembers } from "../space/told.ts";
import { CatchUp } from "./catch-up.ts";
import type { Copies } from "./copies.ts";
import { Facts, type PeerFacts } from "./facts.ts";
import {
	agreed,
	BadFrame,
	decodeFrame,
	type Frame,
	type Holds,
	type Life,
	PROTOCOL,
	type ProtocolVersions,
	UnknownFrame,
} from "./frames.ts";
import { Gossip } from "./gossip.ts";
import type { BodyNeeds } from "./needs.ts";
import type { Returning } from "./returning.ts";
import { Session } from "./session.ts";
import { snapshotFrames } from "./snapshot.ts";
import { Twins } from "./twins.ts";
import { Whole } from "./whole.ts";

export interface ReplicationOptions {
	readonly self: NodeId;
	readonly cluster: string;
	readonly store: Store;
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly network: Network;
	readonly needs: BodyNeeds;
	readonly copies: Copies;
	/** Where documents go that come as a whole although this node has some. */
	readonly returning: () => Returning;
	/** Other than this release's, in tests. */
	readonly protocol?: ProtocolVersions;
	/** Hears what each member holds. */
	readonly told: ToldByMembers;
	readonly clock: Clock;
	readonly diary: Log;
	/** All members but this node. */
	readonly others: () => readonly NodeId[];
	/** True while this node has no documents yet. */
	readonly joining: () => boolean;
	/** Which life and process of this node runs. */
	readonly life: () => Life;
	/** Whether this life has begun: it may write, and serves. */
	readonly alive: () => boolean;
	/** A member said hello. */
	readonly hello: (frame: Hello) => void;
	/** A member that said hello told more: it saw nothing wrong with this node. */
	readonly confirmed: () => void;
	/** A member saw another process of this node a moment ago; `end`: that is there still, and this one must end. */
	readonly twin: (end: boolean) => void;
	/** Frames of a snapshot, for a node that joins. */
	readonly snapshotFrame: (frame: Frame) => Promise<void> | undefined;
	/** Who is linked, ready or up has changed, or what peers hold. */
	readonly changed: () => void;
	/** A peer told what it holds: what waited for a second copy may be shown now. */
	readonly heard: () => void;
}

export type Hello = Extract<Frame, { type: "hello" }>;

/** A node that lacks more than this of a peer is catching up, and leaves numbering to others meanwhile. */
const BEHIND_CHANGES = 50;
/** A linked origin pushes its own changes; others are asked only if that takes longer. */
const PULL_GRACE_MILLISECONDS = 300;
const PULL_AGAIN_MILLISECONDS = 3_000;
const DISTRUST_MILLISECONDS = 5_000;
const HOLDS_AGAIN_MILLISECONDS = 1_000;
const HOLDS_INTERVAL_MILLISECONDS = 1;

export class Replication {
	readonly #options: ReplicationOptions;
	readonly #sessions = new Map<NodeId, Session>();
	readonly #facts: Facts;
	readonly #gossip: Gossip;
	readonly #versions: ProtocolVersions;
	/** Own readiness to number: false while far behind a peer. */
	#ready = true;
	#holdsScheduled = false;
	/** When members were last told (monotonic). */
	#toldMilliseconds = Number.NEGATIVE_INFINITY;
	#pullScheduled = false;
	/** Origin → whom it was pulled from, up to where, until when that is waited for. */
	readonly #pulls = new Map<
		Origin,
		{ peer: NodeId; upTo: number; until: number }
	>();
	readonly #twins = new Twins();
	/** Members whose last link closed since they opened another. */
	readonly #replaced = new Set<NodeId>();
	readonly #latestRun = new Map<NodeId, string>();
	/** "origin peer" → until when the origin is rather asked of others, as what the peer sent of it was refused. */
	readonly #distrusted = new Map<string, number>();
	/** When it was first seen that an origin is ahead here. */
	readonly #behindSince = new Map<Origin, number>();
	/** Transactions whose 250 was seen by the client, here or on a peer; the oldest are forgotten. */
	readonly #confirmed = new Set<string>();
	#confirmations: string[] = [];
	/** Bodies of this turn that members should fetch ahead. */
	#hints: BodyRef[] = [];
	/** Pairs of this turn (rule 12). */
	#pairs: Pair[] = [];
	readonly #catchUp: CatchUp;
	readonly #whole: Whole;
	#stopped = false;

	constructor(options: ReplicationOptions) {
		this.#options = options;
		this.#versions = options.protocol ?? PROTOCOL;
		this.#facts = new Facts(options.store, options.ledger.origin);
		this.#gossip = new Gossip(options, () => this.#sessions.keys());
		this.#catchUp = new CatchUp({
			...options,
			session: (node) => this.#sessions.get(node),
			write: (work) => this.#write(work),
		});
		this.#whole = new Whole({
			clock: options.clock,
			lacking: (session) => this.#lacking(session),
			othersMayHave: (session) =>
				[...this.#sessions.values()].some(
					(one) => one !== session && one.vector !== undefined && !one.joining,
				),
			send: (session) => this.#sendWhole(session),
		});
		options.network.onLink((link) => this.#open(link));
		this.#tellAgain();
	}

	// ------------------------------------------------------------------ facts

	facts(node: NodeId): PeerFacts {
		return this.#facts.of(node);
	}
	/** A member that is not up any more may be apart, and not gone: its link did not end with its process. */
	isApart(node: NodeId): boolean {
		return this.#sessions.has(node) || !this.facts(node).gone;
	}
	get ready(): boolean {
		return this.#ready && !this.#options.joining() && this.#options.alive();
	}
	isLinked(node: NodeId): boolean {
		return this.#sessions.get(node)?.vector !== undefined;
	}
	/** Changes that linked members hold and this node does not. */
	behind(): number {
		const { vector } = this.#options.ledger.log;
		let most = 0;
		for (const session of this.#sessions.values())
			if (session.vector !== undefined)
				most = Math.max(most, missing(vector, session.vector));
		return most;
	}

	// ------------------------------------------------------------------ events of this node

	/** The vector moved. */
	committed(own: boolean): void {
		const { ledger } = this.#options;
		for (const session of this.#sessions.values()) session.pump();
		if (own) this.#gossip.news();
		this.tellHolds();
		this.#becomeReady();
		this.#catchUp.arrived();
		if (ledger.hasGaps || this.behind() > 0) this.#schedulePull(0);
	}

	/** Tells all members what is held, once for all that happens in this turn. */
	tellHolds(): void {
		if (this.#holdsScheduled) return;
		this.#holdsScheduled = true;
		const { clock } = this.#options;
		const since = clock.monotonic() - this.#toldMilliseconds;
		clock.after(HOLDS_INTERVAL_MILLISECONDS - since, () => {
			this.#holdsScheduled = false;
			this.#toldMilliseconds = clock.monotonic();
			for (const session of this.#sessions.values())
				if (session.vector !== undefined) this.#sendHolds(session);
			this.#sendConfirmations();
		});
	}

	sendWants(wants: readonly Want[]): void {
		for (let i = 0; i < wants.length; i += WANTS_TOLD_MAX)
			for (const session of this.#sessions.values())
				session.send({
					type: "wants",
					wants: wants.slice(i, i + WANTS_TOLD_MAX),
				});
	}

	/** Rule 12: with what else this turn has to tell. */
	sendPair(pair: Pair): void {
		if (this.#pairs.push(pair) > 1) return;
		this.#options.clock.after(0, () => {
			const pairs = this.#pairs.splice(0);
			for (let i = 0; i < pairs.length; i += PAIRS_TOLD_MAX)
				this.#sendAll({
					type: "pairs",
					pairs: pairs.slice(i, i + PAIRS_TOLD_MAX),
				});
		});
	}

	/** Rule 3. */
	sendWatermarks(watermarks: readonly Watermark[]): void {
		for (const frame of watermarkFrames(watermarks)) this.#sendAll(frame);
	}

	#sendAll(frame: Frame): void {
		for (const session of this.#sessions.values())
			if (session.vector !== undefined && !session.joining) session.send(frame);
	}

	/** This body is durable here, and a change that names it is about to be made. */
	hintBody(body: BodyRef): void {
		if (this.#hints.push(body) > 1) return;
		this.#options.clock.after(0, () => {
			const bodies = this.#hints.splice(0);
			for (const session of this.#sessions.values())
				if (session.vector !== undefined && !session.joining)
					session.send({ type: "bodies", bodies });
		});
	}

	confirm(transaction: string): void {
		this.#noteConfirmed(transaction);
		this.#confirmations.push(transaction);
		this.tellHolds();
	}
	wasConfirmed(transaction: string): boolean {
		return this.#confirmed.has(transaction);
	}
	#noteConfirmed(transaction: string): void {
		this.#confirmed.add(transaction);
		for (const oldest of this.#confirmed) {
			if (this.#confirmed.size <= CONFIRMED_MAX) break;
			this.#confirmed.delete(oldest);
		}
	}
	#sendConfirmations(): void {
		const transactions = this.#confirmations.splice(0);
		if (transactions.length === 0) return;
		for (const session of this.#sessions.values())
			session.send({ type: "confirm", transactions });
	}

	/** Rule 8: resolves to whether this node has caught up with every member, or is the only one. */
	catchUp(mailbox: MailboxId): Promise<boolean> {
		return this.#catchUp.run(mailbox);
	}
	inTouch(): boolean {
		return this.#catchUp.inTouch();
	}

	/** Resolves to whether all in `vector` is here, waiting for it at most as long as a client would. */
	arrived(vector: Vector): Promise<boolean> {
		return this.#catchUp.wait(vector);
	}

	/** A refusing disk is in the diary, and whoever told this tells it again. */
	#write(work: Work): void {
		this.#options.ledger
			.write(work)
			.catch((error) => this.#options.diary.warn(String(error)));
	}

	// ------------------------------------------------------------------ links

	#open(link: Link): void {
		const { ledger } = this.#options;
		const session = new Session(link, ledger.log, ledger.origin);
		const before = this.#sessions.get(link.peer);
		session.replaces = this.#replaced.delete(link.peer);
		before?.close();
		this.#sessions.set(link.peer, session);
		const heads = new Map(
			[...ledger.log.vector.keys()].map((origin) => [
				origin,
				ledger.log.head(origin) as NonNullable<
					ReturnType<typeof ledger.log.head>
				>,
			]),
		);
		session.send({
			type: "hello",
			versions: this.#versions,
			cluster: this.#options.cluster,
			node: this.#options.self,
			origin: ledger.origin,
			holds: this.#holds(session),
			joining: this.#options.joining(),
			heads,
			life: this.#options.life(),
		});
		// Only now: what the peer sent already comes at once, and its answers must follow the hello.
		link.handlers = {
			message: (message) => this.#take(session, message),
			drain: () => session.drained(),
			closed: (reason) => this.#close(session, reason),
		};
	}

	#close(session: Session, reason: string): void {
		session.close();
		this.#whole.closed(session);
		if (reason === LINK_REPLACED) this.#replaced.add(session.peer);
		if (this.#sessions.get(session.peer) === session) {
			this.#facts.noteGone(session.peer, !/silent/.test(reason));
			this.#sessions.delete(session.peer);
			this.#options.returning().lost(session.peer);
		}
		for (const [origin, { peer }] of this.#pulls)
			if (peer === session.peer) this.#pulls.delete(origin);
		this.#options.diary.debug("link closed", { peer: session.peer, reason });
		if (this.#stopped) return;
		this.#becomeReady();
		this.#schedulePull(0);
		this.#options.changed();
	}

	async #take(session: Session, message: Uint8Array): Promise<void> {
		if (session.closed) return;
		try {
			await this.#handle(session, decodeFrame(message));
		} catch (error) {
			if (
				error instanceof UnknownFrame &&
				session.newest > this.#versions.newest
			)
				return;
			if (error instanceof Temporary) {
				// A snapshot and a full disk: nothing is wrong with the member, which sends it again on the next link.
				this.#options.diary.warn("could not take what a member sent", {
					peer: session.peer,
					error: error.message,
				});
				session.link.close(error.message);
				return;
			}
			const known = error instanceof BadFrame || error instanceof BadRecord;
			this.#options.diary.error("refused what a member sent", {
				peer: session.peer,
				error: known ? error.message : String((error as Error).stack),
			});
			if (session.vector === undefined) this.facts(session.peer).absent = true;
			session.link.close(`bad message: ${(error as Error).message}`);
			this.#options.changed();
		}
	}

	#handle(session: Session, frame: Frame): Promise<void> | undefined {
		if (frame.type === "hello") {
			this.#hello(session, frame);
			return undefined;
		}
		if (frame.type === "twin") {
			this.#options.twin(frame.end);
			return undefined;
		}
		if (session.vector === undefined) throw new BadFrame("no hello first");
		const { ledger, mailboxes } = this.#options;
		switch (frame.type) {
			case "records":
				if (this.#options.joining()) return undefined;
				ledger.accept(frame.framed, session.peer);
				return ledger.taken();
			case "snapshot":
			case "document":
			case "snapshotEnd":
				return this.#options.joining()
					? this.#options.snapshotFrame(frame)
					: this.#options.returning().take(frame, session.peer);
			case "holds":
				this.#options.confirmed();
				this.#heardHolds(session, frame.holds, frame.ready, frame.serves);
				break;
			case "pull":
				this.#answerPull(session, frame.from);
				break;
			case "lacks":
				this.#lacks(session, frame.origins);
				break;
			case "sync":
				this.#catchUp.answer(session, frame);
				break;
			case "synced":
				session.synced(frame);
				break;
			case "wants":
				this.#write((tx) => mailboxes.numbering.takeWants(tx, frame.wants));
				break;
			case "pairs":
				mailboxes.pairsHeard(frame.pairs);
				break;
			case "watermarks":
				this.#write((tx) => mailboxes.watermarksHeard(tx, frame.watermarks));
				break;
			case "bodies":
				this.#options.needs.prefetch(frame.bodies);
				break;
			case "confirm":
				for (const one of frame.transactions) this.#noteConfirmed(one);
		}
		return undefined;
	}

	#hello(session: Session, frame: Hello): void {
		const { cluster, ledger, store, mailboxes } = this.#options;
		const { oldest, newest } = frame.versions;
		const version = agreed(this.#versions, frame.versions);
		if (version === undefined)
			throw new BadFrame(
				`it speaks versions ${oldest} to ${newest}, this node ${this.#versions.oldest} to ${this.#versions.newest}; run neighbouring releases on both`,
			);
		session.version = version;
		session.newest = newest;
		if (frame.cluster !== cluster || frame.node !== session.peer)
			throw new BadFrame("it belongs to another cluster");
		const latest = this.#latestRun.get(session.peer);
		this.#latestRun.set(session.peer, frame.life.run);
		const end = this.#twins.seen(session.peer, frame.life);
		if (end || (session.replaces && latest !== frame.life.run))
			session.send({ type: "twin", end });
		if (end) {
			this.#options.diary.error(
				"two processes run as the same member: the one that was started later is told to end",
				{ peer: session.peer },
			);
			return;
		}
		session.vector = frame.holds.vector;
		session.joining = frame.joining;
		this.#origins.set(session.peer, frame.origin);
		const lacks = missing(frame.holds.vector, ledger.log.vector);
		const serves = !frame.joining && !frame.life.reviving;
		this.facts(session.peer).reviving = frame.life.reviving;
		this.#facts.noteGone(session.peer, false);
		this.#options.copies.hello(session.peer, frame.holds);
		this.#options.told.hello(
			session.peer,
			frame.holds,
			this.#options.clock.now(),
		);
		this.#heardHolds(
			session,
			frame.holds,
			serves && lacks <= BEHIND_CHANGES,
			serves,
		);
		if (frame.joining) session.sendSnapshot(snapshotFrames(ledger, store));
		else if (this.#lacking(session).length > 0) this.#whole.wanted(session);
		else session.startAt(frame.holds.vector.get(ledger.origin) ?? 0);
		if (this.behind() > BEHIND_CHANGES) this.#ready = false;
		for (const one of watermarkFrames(mailboxes.watermarks.all()))
			session.send(one);
		const wants = mailboxes.numbering.wanted();
		if (wants.length > 0) session.send({ type: "wants", wants });
		this.#options.needs.retry();
		this.#schedulePull(0);
		this.#options.hello(frame);
		this.tellHolds();
		this.#options.changed();
	}

	/** Origins of which what comes next for it is in the log here no more. */
	#lacking({ vector }: Session): Origin[] {
		const { log } = this.#options.ledger;
		return [...log.vector.keys()].filter(
			(origin) => (vector?.get(origin) ?? 0) + 1 < log.firstKept(origin),
		);
	}

	/** The documents instead of the changes; one member's are enough for it. */
	#sendWhole(session: Session): void {
		const { ledger, store, diary, returning } = this.#options;
		if (session.isSendingSnapshot || returning().isRunning) return;
		if (session.version >= 3)
			session.sendSnapshot(snapshotFrames(ledger, store));
		else
			diary.error(
				"a member was away for too long and runs an old release: it cannot catch up before it runs a newer one",
				{ peer: session.peer },
			);
	}

	// ------------------------------------------------------------------ holding

	#holds(session: Session): Holds {
		const { ledger, needs, mailboxes } = this.#options;
		const { vector } = ledger.log;
		const bodies = needs.watermarks(vector);
		const theirs = this.#originOf(session.peer);
		const extra =
			theirs === undefined
				? []
				: needs.beyond(
						theirs,
						vector.get(theirs) ?? 0,
						ledger.log.firstKept(theirs),
					);
		return {
			vector,
			bodies,
			extra,
			missingBodies: needs.count,
			counter: mailboxes.stamps.highest,
		};
	}

	/** The origin that a peer writes under now: the one it said hello with. */
	readonly #origins = new Map<NodeId, Origin>();
	#originOf(node: NodeId): Origin | undefined {
		return this.#origins.get(node);
	}

	#sendHolds(session: Session): void {
		session.send({
			type: "holds",
			holds: this.#holds(session),
			ready: this.ready,
			serves: this.#options.alive(),
		});
	}

	#heardHolds(
		session: Session,
		holds: Holds,
		ready: boolean,
		serves: boolean,
	): void {
		const { copies, ledger, mailboxes, told, clock } = this.#options;
		session.vector = holds.vector;
		if (session.joining && ready) {
			session.joining = false;
			session.startAt(holds.vector.get(ledger.origin) ?? 0);
		}
		if (session.behind && this.#lacking(session).length === 0) {
			session.behind = false;
			session.startAt(holds.vector.get(ledger.origin) ?? 0);
		}
		const facts = this.facts(session.peer);
		const was = facts.ready;
		facts.holds = holds;
		facts.ready = ready;
		facts.absent = session.joining;
		if (serves) facts.reviving = false;
		if (!facts.reviving && !session.joining)
			this.#facts.noteHad(session.peer, holds.vector);
		copies.heard(session.peer, holds);
		told.heard(session.peer, holds, clock.now());
		mailboxes.stamps.heard(holds.counter);
		if (was !== ready) this.#options.changed();
		this.#options.heard();
		if (missing(ledger.log.vector, holds.vector) > 0) this.#schedulePull(0);
	}

	/** What of the facts must outlive this process, and is not kept yet. */
	get factsMarks(): { readonly isUrgent: boolean; marks(): StoreWrite[] } {
		return this.#facts;
	}

	/** Whatever was missed is made good: tells what is held, and looks for what is missing, once a second. */
	#tellAgain(): void {
		this.#options.clock.after(HOLDS_AGAIN_MILLISECONDS, () => {
			if (this.#stopped) return;
			this.tellHolds();
			// The numberer may not have been there, or its disk refused.
			this.sendWants(this.#options.mailboxes.numbering.wanted());
			this.#schedulePull(0);
			this.#options.changed();
			this.#tellAgain();
		});
	}

	#becomeReady(): void {
		if (this.#ready || this.behind() > BEHIND_CHANGES / 5) return;
		this.#ready = true;
		this.tellHolds();
		this.#options.changed();
	}

	// ------------------------------------------------------------------ pulling

	#schedulePull(afterMilliseconds: number): void {
		if (this.#pullScheduled || this.#stopped) return;
		this.#pullScheduled = true;
		this.#options.clock.after(afterMilliseconds, () => {
			this.#pullScheduled = false;
			this.#pull();
		});
	}

	/** Asks for what is missing: each origin of one peer at a time, its own node first. */
	#pull(): void {
		if (this.#options.joining() || this.#stopped) return;
		const { ledger, clock } = this.#options;
		const now = clock.monotonic();
		const asks = new Map<Session, [Origin, Sequence][]>();
		let again = false;
		for (const [origin, best] of this.#ahead()) {
			const expected = ledger.expected(origin);
			const asked = this.#pulls.get(origin);
			if (best.sequence <= expected) {
				this.#behindSince.delete(origin);
				this.#pulls.delete(origin);
				continue;
			}
			again = true;
			if (asked !== undefined && now < asked.until && expected < asked.upTo)
				continue;
			if (!this.#mayPull(origin, now)) continue;
			this.#pulls.set(origin, {
				peer: best.session.peer,
				upTo: best.sequence,
				until: now + PULL_AGAIN_MILLISECONDS,
			});
			const list = asks.get(best.session) ?? [];
			asks.set(best.session, list);
			list.push([origin, (expected + 1) as Sequence]);
		}
		for (const [session, from] of asks) session.send({ type: "pull", from });
		if (again) this.#schedulePull(PULL_GRACE_MILLISECONDS);
	}

	/** Per origin of which a linked member holds more than is here: who holds most. */
	*#ahead(): Iterable<[Origin, { session: Session; sequence: number }]> {
		const best = new Map<Origin, { session: Session; sequence: number }>();
		const { vector } = this.#options.ledger.log;
		for (const session of this.#sessions.values())
			for (const [origin, sequence] of session.vector ?? [])
				if (
					origin !== this.#options.ledger.origin &&
					!this.#isDistrusted(origin, session.peer) &&
					sequence > (vector.get(origin) ?? 0) &&
					sequence > (best.get(origin)?.sequence ?? 0)
				)
					best.set(origin, { session, sequence });
		yield* best;
	}

	#isDistrusted(origin: Origin, peer: NodeId): boolean {
		const key = `${origin} ${peer}`;
		const until = this.#distrusted.get(key);
		if (until === undefined) return false;
		if (this.#options.clock.monotonic() < until) return true;
		this.#distrusted.delete(key);
		return false;
	}

	/** What the peer sent of the origin was damaged or forged: others are asked first, and the peer after a while. */
	refused(origin: Origin, peer: NodeId): void {
		this.#askOthers(origin, peer);
		this.#schedulePull(PULL_GRACE_MILLISECONDS);
	}

	#mayPull(origin: Origin, now: number): boolean {
		const since = this.#behindSince.get(origin) ?? now;
		this.#behindSince.set(origin, since);
		for (const [node, current] of this.#origins)
			if (current === origin && this.isLinked(node))
				return now - since >= PULL_GRACE_MILLISECONDS;
		return true;
	}

	#answerPull(
		session: Session,
		from: readonly (readonly [Origin, Sequence])[],
	): void {
		const { log } = this.#options.ledger;
		const kept = from.filter(
			([origin, sequence]) => sequence >= log.firstKept(origin),
		);
		session.pull(kept);
		if (kept.length === from.length) return;
		const origins = from
			.filter((one) => !kept.includes(one))
			.map(([origin]) => origin);
		if (session.version >= 4) session.send({ type: "lacks", origins });
		this.#whole.wanted(session);
	}

	/** Its log does not reach back to what this node asked for: others are asked, and it sends all if they cannot help. */
	#lacks({ peer }: Session, origins: readonly Origin[]): void {
		for (const origin of origins) this.#askOthers(origin, peer);
		this.#schedulePull(0);
	}

	#askOthers(origin: Origin, peer: NodeId): void {
		const until = this.#options.clock.monotonic() + DISTRUST_MILLISECONDS;
		this.#distrusted.set(`${origin} ${peer}`, until);
		this.#pulls.delete(origin);
	}

	stop(): void {
		this.#stopped = true;
		for (const session of this.#sessions.values()) session.close();
		this.#sessions.clear();
	}
}

function* watermarkFrames(watermarks: readonly Watermark[]): Iterable<Frame> {
	for (let i = 0; i < watermarks.length; i += WATERMARKS_TOLD_MAX)
		yield {
			type: "watermarks",
			watermarks: watermarks.slice(i, i + WATERMARKS_TOLD_MAX),
		};
}
