/**
 * Which life of this node this is, and whether it may write (rule 9). A life that was there before writes under its
 * origin only after a member was heard, or none can be: a copy put back without a word is then told so in time. A new
 * life is granted slots by a member, catches up with it, takes as shown what its former life is known to have had, leaps,
 * and only then serves. Events only note; evaluate() decides.
 */
import type { ClusterState } from "../directory/cluster.ts";
import { OperatorFault, Temporary } from "../faults.ts";
import type { NodeId, Origin } from "../ids.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import type { Head } from "../log/log.ts";
import { type ChainHash, covers, type Vector } from "../log/record.ts";
import { leapOf } from "../mailbox/leap.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import { rowKey } from "../mailbox/rows.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { Rules } from "../rules.ts";
import type { Granted } from "./granted.ts";
import type { Identity, Revival } from "./identity.ts";
import {
	endedWithSlots,
	mayReturn,
	takeAlone,
	takeBackSlots,
} from "./own-slots.ts";
import { askToRevive } from "./revival.ts";
import type { Vacancies } from "./vacancies.ts";

/** This life is over: the node starts again as a new one. */
export class LifeOver extends Error {
	override name = "LifeOver";
	readonly revival: Revival;
	constructor(revival: Revival) {
		super(revival.reason);
		this.revival = revival;
	}
}

/** What is known of another member, as far as it matters here. */
export interface Contact {
	readonly node: NodeId;
	/** It said hello on a link that is open. */
	readonly linked: boolean;
	/** It serves: no joiner, and no new life that waits itself. */
	readonly serves: boolean;
	readonly reviving: boolean;
	/** What it holds. */
	readonly vector: Vector;
	/** No link, and it is taken for gone. */
	readonly down: boolean;
}

export interface LivesOptions {
	readonly self: NodeId;
	readonly drive: string;
	readonly identity: () => Identity;
	readonly state: ClusterState;
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly network: Network;
	readonly clock: Clock;
	readonly random: Random;
	readonly diary: Log;
	readonly rules: Rules;
	/** The operator says that no other member will come. */
	readonly alone: boolean;
	/** The hash of an origin's chain at a change, as another member has it; undefined where it cannot tell. */
	readonly hashElsewhere: (
		node: NodeId,
		origin: Origin,
		sequence: number,
	) => Promise<ChainHash | undefined>;
	/** All other members. */
	readonly contacts: () => readonly Contact[];
	/** Slots of removed members. */
	readonly vacancies: Vacancies;
	/** In the batch with which the new life begins: it has begun, and stays so. */
	readonly begin: (tx: Transaction) => void;
	/** It may write now. */
	readonly lives: () => void;
	/** It must not go on; told once. */
	readonly over: (fault: Error) => void;
}

const FORKED =
	"a member has other changes of this node than it has itself: it was put back to an old copy and went on from there, or runs twice";
const ASK_AGAIN_MILLISECONDS = 1_000;
/** A process whose link was closed dials again within a second or two, on a machine that is very busy within ten. */
const TWIN_MILLISECONDS = 15_000;

export class Lives {
	readonly #options: LivesOptions;
	/** Whether this node may write in its own name. */
	#alive = false;
	#over = false;
	/** A member that knows this life was heard, and knew no more of it than is known here. */
	#confirmed = false;
	/** It said hello. */
	#greeted = false;
	/** Until then (monotonic) another process of this node may show itself. */
	#doubtfulUntil = 0;
	#granted: Granted | undefined;
	#busy = false;
	/** Members that could not grant anything, until all were asked. */
	readonly #asked = new Set<NodeId>();
	#waitsTold = "";

	constructor(options: LivesOptions) {
		this.#options = options;
	}

	get alive(): boolean {
		return this.#alive;
	}

	/** A cluster was founded here: there is nobody to ask. */
	founded(): void {
		this.#live();
	}

	/** All documents came from a member, with the slots that it granted; a new life still has to ask for its own. */
	joined(): void {
		if (this.#options.identity().reviving === undefined) this.#live();
		else this.evaluate();
	}

	/** A member said hello, with the newest change that it knows of each origin. */
	heard(heads: ReadonlyMap<Origin, Head>, serves: boolean): void {
		const { identity } = this.#options;
		if (this.#over || identity().joining !== undefined) return;
		const fault = this.#contradiction(heads);
		if (fault !== undefined) {
			this.#end(fault.reason, fault.apart);
			return;
		}
		if (serves) this.#greeted = true;
	}

	/** The member that said hello told more: it sees nothing wrong with this life. */
	confirmed(): void {
		if (!this.#greeted || this.#confirmed) return;
		this.#confirmed = true;
		this.evaluate();
	}

	/**
	 * A member saw another process of this node a moment ago. Perhaps that died without a word; is it there still, it comes
	 * back to that member within this time, and the one that was started later is told to end.
	 */
	twin(end: boolean): void {
		const { clock, over, diary } = this.#options;
		if (!end) {
			if (this.#alive) return;
			this.#doubtfulUntil = clock.monotonic() + TWIN_MILLISECONDS;
			clock.after(TWIN_MILLISECONDS, () => this.evaluate());
			return;
		}
		if (this.#over) return;
		this.#over = true;
		this.#alive = false;
		const fault = new OperatorFault(
			"another process runs as this very node: its data folder was copied. This one was started later and ends; give the copy an empty folder, and let it join as a node of its own",
		);
		diary.error(fault.message);
		over(fault);
	}

	/** A member says that this node was removed for good: what it took from now on would reach nobody. */
	removed(by: NodeId): void {
		if (this.#over) return;
		const { state, diary, over } = this.#options;
		this.#over = true;
		this.#alive = false;
		const fault = new OperatorFault(
			`this node was removed from the cluster, says ${state.member(by)?.name ?? by}, and ends: nothing here is deleted, and mail that only it took comes back with "pmnode restore" of this folder, --all, at a member; join it with an empty data folder to have it back`,
		);
		diary.warn(fault.message);
		over(fault);
	}

	/** What a member knows of this life that cannot be, were this the only copy of it and the newest one. */
	#contradiction(
		heads: ReadonlyMap<Origin, Head>,
	): { readonly reason: string; readonly apart: boolean } | undefined {
		const { log, origin } = this.#options.ledger;
		const theirs = heads.get(origin);
		if (theirs === undefined) return undefined;
		const mine = log.head(origin);
		if (mine === undefined || mine.sequence < theirs.sequence)
			return {
				reason: `a member has ${theirs.sequence} changes of this node, which has only ${mine?.sequence ?? 0} itself: it was put back to an old copy`,
				apart: false,
			};
		const hash = log.hashAt(origin, theirs.sequence);
		if (hash !== undefined && hash !== theirs.hash)
			return { reason: FORKED, apart: true };
		return undefined;
	}

	/**
	 * What a member sent of an origin does not follow what is here of it. If that is a life of this very node, it may have
	 * gone on from an old copy before anybody could tell it: the member knows whether it has the same of it.
	 */
	async suspect(origin: Origin, node: NodeId): Promise<void> {
		const { state, self, ledger, hashElsewhere } = this.#options;
		const head = ledger.log.head(origin);
		if (this.#over || head === undefined || state.nodeOf(origin) !== self)
			return;
		const theirs = await hashElsewhere(node, origin, head.sequence);
		if (theirs === undefined || theirs === head.hash || this.#over) return;
		this.#end(FORKED, true);
	}

	#end(reason: string, apart: boolean): void {
		const { diary, ledger, clock, over } = this.#options;
		this.#over = true;
		this.#alive = false;
		diary.warn("this node begins a new life", { reason });
		const made = ledger.lastMadeMilliseconds();
		const ageMilliseconds =
			made === undefined ? 0 : Math.max(0, clock.now() - made);
		over(
			new LifeOver({ reason, ageMilliseconds, ...(apart && { apart: true }) }),
		);
	}

	evaluate(): void {
		const { identity, state, ledger, clock } = this.#options;
		if (this.#over || this.#busy) return;
		if (clock.monotonic() < this.#doubtfulUntil) return;
		if (identity().joining !== undefined || identity().founding) return;
		if (identity().reviving !== undefined) this.#revive();
		else if (!this.#alive) this.#confirm();
		else if (state.slots(ledger.origin) !== undefined) {
			this.#takeBack();
			this.#options.vacancies.evaluate();
		}
	}

	/** A member told what it has. */
	heardHolds(): void {
		if (this.#alive && !this.#busy) this.#options.vacancies.evaluate();
	}

	/** A life that was there before: is it the newest of this node? */
	#confirm(): void {
		const { contacts, rules, diary } = this.#options;
		const others = contacts();
		if (this.#confirmed || others.length === 0 || !rules.waitPeer) {
			this.#live();
			return;
		}
		const waits = others.filter(
			({ linked, serves, down }) => !down && (!linked || serves),
		);
		if (waits.length > 0) return;
		diary.warn(
			"no other member can be heard: goes on alone. Was this data folder put back from an old copy, stop this node and start it when another member runs",
		);
		this.#live();
	}

	#live(): void {
		this.#alive = true;
		this.#options.lives();
	}

	// ------------------------------------------------------------------ a new life

	#revive(): void {
		const { rules, contacts, alone } = this.#options;
		if (this.#granted !== undefined) {
			this.#beginWhenCaughtUp(this.#granted);
			return;
		}
		const others = contacts();
		const reachable = others.filter(({ down }) => !down);
		if (
			others.length === 0 ||
			(alone && reachable.length === 0) ||
			!rules.freshSlots ||
			!rules.waitPeer ||
			this.#isFirstOfAllReborn(others)
		) {
			this.#beginAlone();
			return;
		}
		const able = others.filter(({ linked, serves }) => linked && serves);
		const next = able.find(({ node }) => !this.#asked.has(node));
		if (next !== undefined) this.#ask(next.node);
		else if (able.length > 0) this.#askedAll();
		else this.#tellWaiting();
	}

	#tellWaiting(): void {
		const text =
			'waits for another member before it serves anybody: start one, or start this node with --alone if none will ever come; "pmnode status" shows who is up';
		if (this.#waitsTold === text) return;
		this.#waitsTold = text;
		this.#options.diary.warn(text);
	}

	/**
	 * Every member begins a new life at once (the whole cluster was restored): once all see each other and have the same,
	 * the first of them needs nobody's slots but its own old ones.
	 */
	#isFirstOfAllReborn(others: readonly Contact[]): boolean {
		const { self, ledger } = this.#options;
		const { vector } = ledger.log;
		return others.every(
			(other) =>
				other.linked &&
				other.reviving &&
				self < other.node &&
				covers(vector, other.vector) &&
				covers(other.vector, vector),
		);
	}

	#ask(node: NodeId): void {
		const { network, state, ledger, drive, diary, clock } = this.#options;
		this.#busy = true;
		this.#asked.add(node);
		const address = { node, multiaddrs: state.member(node)?.multiaddrs ?? [] };
		askToRevive(network, address, { origin: ledger.origin, drive })
			.then(
				(granted) => {
					this.#granted = granted;
				},
				(error) =>
					diary.warn("a member granted no slots to this new life", {
						node,
						error: (error as Error).message,
					}),
			)
			.finally(() => {
				this.#busy = false;
				clock.after(0, () => this.evaluate());
			});
	}

	#askedAll(): void {
		const { clock } = this.#options;
		this.#busy = true;
		clock.after(ASK_AGAIN_MILLISECONDS, () => {
			this.#busy = false;
			this.#asked.clear();
			this.evaluate();
		});
	}

	#beginWhenCaughtUp(granted: Granted): void {
		const { ledger, rules } = this.#options;
		if (!covers(ledger.log.vector, granted.vector)) return;
		this.#begin(rules.takeShown ? granted : undefined, () => {});
	}

	#beginAlone(): void {
		const { state, self, ledger, drive, random } = this.#options;
		const life = { self, origin: ledger.origin, drive };
		const take = takeAlone(state, life, random);
		this.#begin(undefined, take);
	}

	#begin(granted: Granted | undefined, more: (tx: Transaction) => void): void {
		const { ledger, mailboxes, identity, rules, begin, diary } = this.#options;
		const age = identity().reviving?.ageMilliseconds ?? 0;
		this.#busy = true;
		ledger
			.write((tx) => {
				if (granted !== undefined) takeShown(tx, mailboxes, granted);
				if (rules.jump) mailboxes.losses.leap(tx, leapOf(age));
				mailboxes.stamps.keepHeard(tx.batch);
				begin(tx);
				more(tx);
			})
			.then(
				() => {
					this.#busy = false;
					mailboxes.recount();
					mailboxes.tellWanted();
					diary.info("a new life of this node has begun", {
						origin: ledger.origin,
					});
					this.#live();
				},
				(error) => {
					if (!(error instanceof Temporary)) throw error;
					this.#askedAll();
				},
			);
	}

	// ------------------------------------------------------------------ slots come back

	#takeBack(): void {
		const { state, self, ledger, contacts } = this.#options;
		const { origin, log } = ledger;
		const ended = endedWithSlots(state, self, origin);
		if (ended.length === 0) return;
		if (!mayReturn(ended, contacts(), log.vector)) return;
		this.#busy = true;
		ledger
			.write((tx) => takeBackSlots(tx, state, origin, ended))
			.catch((error) => {
				if (!(error instanceof Temporary)) throw error;
			})
			.finally(() => {
				this.#busy = false;
			});
	}
}

/** Rule 9: what the former life is known to have had, and did not ask to renumber, counts as shown. */
export function takeShown(
	tx: Transaction,
	{ losses, numbering }: Pick<Mailboxes, "losses" | "numbering">,
	{ had, wants }: Granted,
): void {
	const asked = new Map(
		wants.map(({ mailbox, entry, claim }) => [rowKey(mailbox, entry), claim]),
	);
	for (const { mailbox, entry, claim, had: known } of losses.entriesHad(had))
		if (
			known &&
			!numbering.isWanted(mailbox, entry) &&
			(asked.get(rowKey(mailbox, entry)) ?? 0) < claim
		)
			losses.takeAsShown(tx, mailbox, entry);
}
