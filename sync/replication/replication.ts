import { type MailboxId, mailboxId, type NodeId, type Origin } from "../ids.ts";
import { WANTS_MAX } from "../limits.ts";
import type { Refusal } from "../log/inbound.ts";
import type { Work } from "../log/ledger.ts";
import { covers, missing, type Vector } from "../log/record.ts";
import { LINK_REPLACED, type Link } from "../ports/network.ts";
import type { StoreWrite } from "../ports/store.ts";
import { CatchUp } from "./catch-up.ts";
import { Facts, type PeerFacts } from "./facts.ts";
import { agreed, BadFrame, PROTOCOL, type ProtocolVersions } from "./frames.ts";
import { Gossip } from "./gossip.ts";
import { type HeldNews, Inbox } from "./inbox.ts";
import type { Hello, ReplicationOptions } from "./options.ts";
import { Pulling } from "./pulling.ts";
import { Pushing } from "./pushing.ts";
import { Refusals } from "./refusals.ts";
import { Session } from "./session.ts";
import { snapshotFrames } from "./snapshot.ts";
import { Telling, watermarkFrames } from "./telling.ts";
import { Twins } from "./twins.ts";
import { Whole } from "./whole.ts";

export type { Hello } from "./options.ts";

/** A node that lacks more than this of a peer is catching up, and leaves numbering to others meanwhile. */
const BEHIND_CHANGES = 50;
/** Longer than two sides of a long split need; who comes back to one that went on leaves numbering to that anyway. */
const MEETING_MILLISECONDS_MAX = 30_000;
const HOLDS_AGAIN_MILLISECONDS = 1_000;

/** Asked of none, but only what the member has. */
const NO_MAILBOX = mailboxId("A".repeat(22));

export class Replication {
	readonly #options: ReplicationOptions;
	readonly #sessions = new Map<NodeId, Session>();
	readonly #facts: Facts;
	readonly #gossip: Gossip;
	readonly #versions: ProtocolVersions;
	/** Own readiness to number: false while far behind a peer. */
	#ready = true;
	/** Since when (monotonic) one member after another is being met. */
	#meetingSince: number | undefined;
	readonly #twins = new Twins();
	/** Members whose last link closed since they opened another. */
	readonly #replaced = new Set<NodeId>();
	readonly #latestRun = new Map<NodeId, string>();
	/** What this node tells all members, of its own accord. */
	readonly tell: Telling;
	readonly #pulling: Pulling;
	readonly #pushing: Pushing;
	readonly #catchUp: CatchUp;
	readonly #whole: Whole;
	readonly #refusals: Refusals;
	readonly #inbox: Inbox;
	#isFull = false;
	#stopped = false;

	constructor(options: ReplicationOptions) {
		this.#options = options;
		this.#versions = options.protocol ?? PROTOCOL;
		this.#facts = new Facts(options.store, options.ledger.origin);
		this.#gossip = new Gossip(options, () => this.#sessions.keys());
		const sessions = () => this.#sessions.values();
		this.tell = new Telling({
			...options,
			sessions,
			ready: () => this.ready,
			full: () => this.#fullAsTold(),
			originOf: (node) => this.#origins.get(node),
			pieces: (session) => this.#pushing.telling(session),
		});
		this.#pushing = new Pushing({
			...options,
			sessions,
			facts: ({ peer }) => this.facts(peer),
			refused: () => this.tell.holds(),
		});
		this.#pulling = new Pulling({
			...options,
			sessions,
			isLinkedOrigin: (origin) =>
				[...this.#origins].some(
					([node, current]) => current === origin && this.isLinked(node),
				),
		});
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
		this.#refusals = new Refusals({
			...options,
			origin: options.ledger.origin,
			facts: (node) => this.facts(node),
			isMember: (node) => options.others().includes(node),
			hears: (node) => this.#heard().some(({ peer }) => peer === node),
			isDamaged: (...change) => options.ledger.log.isDamaged(...change),
			sessions: () => this.#heard(),
			makerOf: (origin) =>
				this.#heard().find(({ peer }) => this.#origins.get(peer) === origin),
		});
		this.#inbox = new Inbox({
			options,
			newest: this.#versions.newest,
			catchUp: this.#catchUp,
			pulling: this.#pulling,
			pushing: this.#pushing,
			whole: this.#whole,
			hello: (session, frame) => this.#hello(session, frame),
			heardHolds: (session, news) => {
				this.#heardHolds(session, news);
				this.#noteHad(session, news.holds.vector);
			},
			write: (work) => this.#write(work),
			confirmed: (transaction) => this.tell.noteConfirmed(transaction),
			refused: (node) => {
				this.facts(node).absent = true;
			},
			refuses: (session, frame) => this.#refusals.heard(session.peer, frame),
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
		const { joining, alive } = this.#options;
		return (
			this.#ready && !this.isMeeting && !this.#isFull && !joining() && alive()
		);
	}
	/**
	 * A member came, or came back, and not all that it had is here yet; not when that takes so long that something is in
	 * the way. What is numbered meanwhile may have to be numbered anew.
	 */
	get isMeeting(): boolean {
		const now = this.#options.clock.monotonic();
		for (const { apart, meeting } of this.#sessions.values())
			if (apart === "back" || meeting !== undefined) {
				this.#meetingSince ??= now;
				return now - this.#meetingSince < MEETING_MILLISECONDS_MAX;
			}
		this.#meetingSince = undefined;
		return false;
	}

	#meet(session: Session, theirs: Vector): void {
		session.apart = "no";
		const isHere = covers(this.#options.ledger.log.vector, theirs);
		session.meeting = isHere ? undefined : theirs;
	}

	/** Members came or went: a link may outlive a cut. */
	peersChanged(): void {
		for (const { node, state } of this.#options.network.peers()) {
			const session = this.#sessions.get(node);
			if (session === undefined) continue;
			if (state === "down") session.apart = "silent";
			else if (session.apart === "silent") this.#back(session);
		}
	}

	/** What comes first on a link that outlived a cut was sent long ago: what the member has now, it must be asked. */
	#back(session: Session): void {
		session.apart = "back";
		const { vector } = this.#options.ledger.log;
		session.sync({ vector, mailbox: NO_MAILBOX, tokens: [] }, (theirs) => {
			if (theirs === undefined) session.apart = "no";
			else this.#meet(session, theirs.vector);
			this.#options.changed();
		});
	}

	/**
	 * Whether its disk takes nothing, as it is being told: the others neither wait for it nor let it number. What this node
	 * does itself follows what it told, so that whoever numbers next is found out when that changes.
	 */
	#fullAsTold(): boolean {
		const { ledger, needs, clock, changed } = this.#options;
		const isFull = ledger.isFull || needs.isFull;
		if (isFull !== this.#isFull) clock.after(0, changed);
		this.#isFull = isFull;
		return isFull;
	}
	isLinked(node: NodeId): boolean {
		return this.#sessions.get(node)?.vector !== undefined;
	}
	/** Linked members; without those of whom nothing comes any more, although their links are not given up. */
	#heard(): Session[] {
		return [...this.#sessions.values()].filter(
			({ vector, apart }) => vector !== undefined && apart !== "silent",
		);
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
		let met = false;
		for (const session of this.#sessions.values()) {
			session.pump();
			if (session.meeting === undefined) continue;
			this.#meet(session, session.meeting);
			met ||= session.meeting === undefined;
		}
		if (met) this.#options.changed();
		if (own) this.#gossip.news();
		this.tell.holds();
		this.#becomeReady();
		this.#catchUp.arrived();
		if (ledger.hasGaps || this.behind() > 0) this.#pulling.schedule();
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
			holds: this.tell.heldFor(session),
			joining: this.#options.joining(),
			heads,
			life: this.#options.life(),
		});
		this.tell.wants(this.#options.mailboxes.numbering.wanted(WANTS_MAX), [
			session,
		]);
		// Only now: what the peer sent already comes at once, and its answers must follow the hello.
		link.handlers = {
			message: (message) => {
				if (session.closed) return;
				if (session.apart === "silent") this.#back(session);
				return this.#inbox.take(session, message);
			},
			drain: () => session.drained(),
			closed: (reason) => this.#close(session, reason),
		};
	}

	#close(session: Session, reason: string): void {
		session.close();
		this.#whole.closed(session);
		if (reason === LINK_REPLACED) this.#replaced.add(session.peer);
		if (this.#sessions.get(session.peer) === session) {
			// A connection that is given up after a silence says nothing of the process at its other end.
			const silent = session.apart === "silent" || /silent/.test(reason);
			this.#facts.noteGone(session.peer, !silent);
			this.#sessions.delete(session.peer);
			this.#refusals.closed(session.peer);
			this.#options.returning().lost(session.peer);
		}
		this.#pulling.closed(session);
		this.#options.diary.debug("link closed", { peer: session.peer, reason });
		if (this.#stopped) return;
		this.#becomeReady();
		this.#pulling.schedule();
		this.#options.changed();
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
		this.#meet(session, frame.holds.vector);
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
		this.#heardHolds(session, {
			holds: frame.holds,
			ready: serves && lacks === 0,
			serves,
			full: false,
		});
		// Who has no documents yet either has none to give: it is not asked for long.
		if (frame.joining) {
			if (!this.#options.joining())
				session.sendSnapshot(snapshotFrames(ledger, store));
		} else if (this.#lacking(session).length > 0) this.#whole.wanted(session);
		else session.startAt(frame.holds.vector.get(ledger.origin) ?? 0);
		if (this.behind() > BEHIND_CHANGES) this.#ready = false;
		for (const one of watermarkFrames(mailboxes.watermarks.all()))
			session.send(one);
		this.#options.needs.retry();
		this.#pulling.schedule();
		this.#options.hello(frame);
		this.tell.holds();
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

	/** The origin that a peer writes under now: the one it said hello with. */
	readonly #origins = new Map<NodeId, Origin>();

	#heardHolds(
		session: Session,
		{ holds, ready, serves, full, pieces }: HeldNews,
	): void {
		if (pieces !== undefined) this.#pushing.told(session, pieces);
		const { copies, ledger, mailboxes, told, clock } = this.#options;
		session.vector = holds.vector;
		if (session.joining && ready) {
			session.joining = false;
			// It may have its documents from another member, as they were when more of the log was here.
			if (this.#lacking(session).length > 0) this.#whole.wanted(session);
			else session.startAt(holds.vector.get(ledger.origin) ?? 0);
		}
		if (session.behind && this.#lacking(session).length === 0) {
			session.behind = false;
			session.startAt(holds.vector.get(ledger.origin) ?? 0);
		}
		const facts = this.facts(session.peer);
		this.#refusals.heardHolds(session.peer, holds.vector);
		const { ready: wasReady, absent: wasAbsent } = facts;
		facts.holds = holds;
		facts.ready = ready;
		facts.absent = session.joining || full;
		if (serves) facts.reviving = false;
		copies.heard(session.peer, holds);
		told.heard(session.peer, holds, clock.now());
		mailboxes.stamps.heard(holds.counter);
		mailboxes.stamps.heardPace(holds.pace);
		if (wasReady !== ready || wasAbsent !== facts.absent)
			this.#options.changed();
		this.#options.heard();
		if (missing(ledger.log.vector, holds.vector) > 0) this.#pulling.schedule();
	}

	/** Not with its hello, after which it tells what it found too low (rule 9). */
	#noteHad(session: Session, vector: Vector): void {
		const { reviving } = this.facts(session.peer);
		if (!reviving && !session.joining && !session.unheard)
			this.#facts.noteHad(session.peer, vector);
	}

	/** What of the facts must outlive this process, and is not kept yet. */
	get factsMarks(): { readonly isUrgent: boolean; marks(): StoreWrite[] } {
		return this.#facts;
	}

	/** Whatever was missed is made good: tells what is held, and looks for what is missing, once a second. */
	#tellAgain(): void {
		this.#options.clock.after(HOLDS_AGAIN_MILLISECONDS, () => {
			if (this.#stopped) return;
			this.tell.holds();
			// The numberer may not have been there, or its disk refused.
			this.tell.wants(this.#options.mailboxes.numbering.wanted());
			this.#pulling.schedule();
			this.#options.changed();
			this.#tellAgain();
		});
	}

	#becomeReady(): void {
		if (this.#ready || this.behind() > BEHIND_CHANGES / 5) return;
		this.#ready = true;
		this.tell.holds();
		this.#options.changed();
	}

	/** What the peer sent of the origin was damaged or forged. */
	refused(origin: Origin, peer: NodeId, why: Refusal): void {
		this.#pulling.refused(origin, peer);
		this.#refusals.tell(this.#sessions.get(peer), origin, why);
	}

	stop(): void {
		this.#stopped = true;
		this.#pulling.stop();
		this.tell.stop();
		for (const session of this.#sessions.values()) session.close();
		this.#sessions.clear();
	}
}
