/**
 * The one thing that node/ holds of sync/: a node's replica of the cluster, put together from its parts and given its
 * clock, randomness, store, network and bodies. Nothing here decides how mail looks, nor opens a file or socket.
 */
import type {
	Account,
	CheckOptions,
	CheckResult,
	Replica,
	ReplicaReport,
} from "./api.ts";
import { rehome, restoredDrive } from "./backup/rehome.ts";
import { Checker } from "./check/checker.ts";
import { Healing, mendCluster } from "./check/heal.ts";
import { Scrub } from "./check/scrub.ts";
import { AccountSession } from "./directory/account.ts";
import { AccountStates } from "./directory/accounts.ts";
import { ClusterState, type Member } from "./directory/cluster.ts";
import type { Context } from "./directory/context.ts";
import { deliver } from "./directory/deliver.ts";
import { createDirectory } from "./directory/directory.ts";
import { expunge } from "./directory/edits.ts";
import { Renewal } from "./directory/renewal.ts";
import { accountDocument, CLUSTER, keys } from "./documents/shapes.ts";
import { OperatorFault, Temporary } from "./faults.ts";
import type { AccountId, NodeId } from "./ids.ts";
import { followers } from "./log/followers.ts";
import { Ledger, type Transaction } from "./log/ledger.ts";
import { Mailboxes } from "./mailbox/mailboxes.ts";
import { Admission } from "./membership/admission.ts";
import { Duty } from "./membership/duty.ts";
import {
	BODIES_LOST_KEY,
	type Identity,
	identityWrites,
	loadIdentity,
	saveIdentity,
} from "./membership/identity.ts";
import { Joining } from "./membership/joining.ts";
import { Lives } from "./membership/lives.ts";
import { Mourning } from "./membership/mourning.ts";
import { OwnEntry } from "./membership/own-entry.ts";
import { Presence } from "./membership/presence.ts";
import { Reporting } from "./membership/reporting.ts";
import { Granter } from "./membership/revival.ts";
import { Sources } from "./membership/sources.ts";
import type { Bodies, ReclaimableBodies } from "./ports/bodies.ts";
import type { Cancel, Clock } from "./ports/clock.ts";
import type { Log } from "./ports/log.ts";
import type { Network, PeerAddress } from "./ports/network.ts";
import type { Random } from "./ports/random.ts";
import type { Store } from "./ports/store.ts";
import { Census } from "./replication/census.ts";
import { Copies } from "./replication/copies.ts";
import type { ProtocolVersions } from "./replication/frames.ts";
import { needAllBodies } from "./replication/lost-bodies.ts";
import { BodyNeeds } from "./replication/needs.ts";
import { OwnBodies } from "./replication/own-bodies.ts";
import { Replication } from "./replication/replication.ts";
import { Returning } from "./replication/returning.ts";
import { ALL_RULES, type Rules } from "./rules.ts";
import { Space } from "./space/space.ts";

export interface ReplicaOptions {
	readonly identity: Identity;
	/** How this node describes itself to the others. */
	readonly self: Omit<Member, "joinedMilliseconds" | "node">;
	readonly copies: number;
	readonly whenAlone: "accept" | "defer";
	readonly store: Store;
	readonly network: Network;
	readonly bodies: ReclaimableBodies;
	readonly clock: Clock;
	readonly random: Random;
	readonly diary: Log;
	/** Only simulations give other than all. */
	readonly rules?: Rules;
	/** Other than this release speaks, in tests. */
	readonly protocol?: ProtocolVersions;
	/** Other than usual, in simulations: entries that are looked at with a batch after a start. */
	readonly reviewEntries?: number;
	/** The operator says that no other member will come: a new life then needs nobody's leave (rule 9). */
	readonly alone?: boolean;
}

/** Opens the replica. It serves at once where it founded the cluster or has joined; else wait for joined(). */
export function openReplica(options: ReplicaOptions): ClusterReplica {
	const replica = new ClusterReplica(options);
	replica.start();
	return replica;
}

export class ClusterReplica implements Replica {
	readonly directory: Replica["directory"];
	readonly bodies: Bodies;
	readonly #options: ReplicaOptions;
	readonly #rules: Rules;
	#identity: Identity;
	readonly #cluster: ClusterState;
	readonly #accounts: AccountStates;
	readonly #mailboxes: Mailboxes;
	readonly #ledger: Ledger;
	readonly #needs: BodyNeeds;
	readonly #census: Census;
	readonly #copies: Copies;
	readonly #space: Space;
	readonly #ownBodies = new OwnBodies();
	readonly #replication: Replication;
	readonly #returning: Returning;
	readonly #admission: Admission;
	readonly #lives: Lives;
	readonly #sources: Sources;
	readonly #presence: Presence;
	readonly #duty: Duty;
	readonly #renewal: Renewal;
	readonly #joining: Joining;
	readonly #ownEntry: OwnEntry;
	readonly #reporting: Reporting;
	readonly #mourning: Mourning;
	/** Tells processes of one node apart. */
	readonly #run: string;
	readonly #startedMilliseconds: number;
	readonly #context: Context;
	readonly #checker: Checker;
	readonly #scrub: Scrub;
	readonly #healing: Healing;
	readonly #joined = Promise.withResolvers<void>();
	readonly #over = Promise.withResolvers<Error>();
	#marksKept = 0;
	#stopped = false;

	constructor(options: ReplicaOptions) {
		this.#options = options;
		this.#rules = options.rules ?? ALL_RULES;
		this.#identity = options.identity;
		this.bodies = options.bodies;
		const { store, clock } = options;
		const { origin, cluster, joining = [] } = options.identity;
		this.#run = Buffer.from(options.random.bytes(8)).toString("hex");
		this.#startedMilliseconds = clock.now();
		this.#sources = new Sources(joining, clock, () => this.#connect());
		this.#cluster = new ClusterState(
			() => this.#ledger.documents.get(CLUSTER),
			() => this.#clusterChanged(),
		);
		this.#presence = new Presence({
			network: options.network,
			cluster: this.#cluster,
			facts: (node) => this.#replication.facts(node),
			isLinked: (node) => this.#replication.isLinked(node),
		});
		this.#duty = this.#makeDuty();
		this.#accounts = new AccountStates({
			store,
			clock,
			rules: this.#rules,
			document: (account) =>
				this.#ledger.documents.get(accountDocument(account)),
			numbers: (account) => this.#duty.numbers(account),
			flush: () => this.#write(() => {}),
		});
		this.#space = this.#makeSpace();
		this.#needs = this.#makeNeeds();
		this.#census = this.#makeCensus();
		this.#mailboxes = this.#makeMailboxes();
		this.#ledger = this.#makeLedger();
		this.#healing = new Healing({
			...options,
			ledger: this.#ledger,
			mender: () => this.#checker.mender,
		});
		this.#copies = new Copies(origin, clock, store, {
			up: () => this.#presence.present(),
			ready: () => this.#presence.ready(),
			site: (node) => this.#cluster.member(node)?.site,
			ownSite: () => options.self.site,
		});
		this.#replication = this.#makeReplication();
		this.#returning = this.#makeReturning();
		this.#joining = new Joining({
			ledger: this.#ledger,
			mailboxes: this.#mailboxes,
			space: this.#space,
			needs: this.#needs,
			isJoining: () => this.isJoining,
			heard: () => this.#sources.heard(),
			done: () => this.#hasJoined(),
		});
		this.#ownEntry = new OwnEntry({
			...options,
			node: this.node,
			drive: this.bodies.drive,
			cluster: this.#cluster,
			ledger: this.#ledger,
			stopped: () => this.#stopped,
		});
		this.#context = this.#makeContext();
		this.#renewal = new Renewal({
			...options,
			context: this.#context,
			stopped: () => this.#stopped,
		});
		this.directory = createDirectory(this.#context);
		this.#admission = new Admission({
			...options,
			cluster,
			state: this.#cluster,
			rules: this.#rules,
			ledger: this.#ledger,
			second: this.#context.second,
		});
		this.#checker = new Checker({
			...options,
			ledger: this.#ledger,
			mailboxes: this.#mailboxes,
			cluster: this.#cluster,
			arrived: (vector) => this.#replication.arrived(vector),
			adopted: (...entry) => this.#space.adopted(...entry),
			isLost: (body) => this.#needs.isLost(body),
			tooFewCopies: () => this.#reporting.tooFewCopies(),
			directoryChanged: (what) => {
				if (what === "cluster") {
					this.#cluster.load();
					this.#clusterChanged();
				} else this.#accounts.forget(what);
			},
		});
		this.#scrub = new Scrub({
			...options,
			ledger: this.#ledger,
			checker: this.#checker,
			isWanted: (body) => this.#space.isWanted(body),
			isAwaited: (body) => this.#needs.isAwaited(body),
			inTouch: () => this.#replication.inTouch(),
			isWhole: () => !this.isJoining && this.#lives.alive,
		});
		this.#reporting = this.#makeReporting();
		this.#lives = this.#makeLives();
		this.#mourning = new Mourning({
			...options,
			state: this.#cluster,
			ledger: this.#ledger,
			mailboxes: this.#mailboxes,
			departed: (node) => ({
				had: this.#replication.facts(node).had,
				apart: this.#replication.isApart(node),
			}),
		});
		new Granter({
			...options,
			state: this.#cluster,
			ledger: this.#ledger,
			unable: () =>
				this.#lives.alive && !this.isJoining
					? undefined
					: "the member serves nobody itself yet",
			had: (node) => this.#replication.facts(node).had,
			second: this.#context.second,
		});
	}

	#makeDuty(): Duty {
		return new Duty({
			self: this.node,
			rules: this.#rules,
			presence: this.#presence,
			cluster: this.#cluster,
			alive: () => this.#lives.alive,
			isWhole: () => this.#lives.alive && !this.#returning.isRunning,
			isReady: () => this.#replication.ready,
			isMeeting: () => this.#replication.isMeeting,
			isApart: (node) => this.#replication.isApart(node),
			ledger: () => this.#ledger,
			mailboxes: () => this.#mailboxes,
			accounts: () => this.#accounts,
			copies: () => this.#copies,
		});
	}

	#makeLives(): Lives {
		const { rules = ALL_RULES, alone = false, bodies, store } = this.#options;
		return new Lives({
			...this.#options,
			self: this.node,
			drive: bodies.drive,
			identity: () => this.#identity,
			state: this.#cluster,
			ledger: this.#ledger,
			mailboxes: this.#mailboxes,
			rules,
			alone,
			contacts: () => this.#presence.contacts(),
			hashElsewhere: (...at) => this.#checker.peers.hashAt(...at),
			begin: (tx) => {
				const begun = { ...this.#identity, reviving: undefined };
				tx.batch.putAll(identityWrites(begun));
			},
			lives: () => {
				this.#identity = loadIdentity(store) ?? this.#identity;
				void this.#takePart();
			},
			over: (fault) => this.#over.resolve(fault),
		});
	}

	#makeReporting(): Reporting {
		return new Reporting({
			...this.#options,
			clusterId: () => this.#identity.cluster,
			alive: () => this.#lives.alive,
			presence: this.#presence,
			cluster: this.#cluster,
			ledger: this.#ledger,
			mailboxes: this.#mailboxes,
			needs: this.#needs,
			held: this.#copies,
			ownBodies: this.#ownBodies,
			replication: this.#replication,
			scrub: this.#scrub,
		});
	}

	#makeNeeds(): BodyNeeds {
		return new BodyNeeds({
			...this.#options,
			isWanted: (body) => this.#space.isWanted(body),
			isCleared: (body) => !this.#space.isNamed(body),
			done: () => {
				this.#replication.tell.holds();
				this.#reporting.changed();
			},
			flush: () => this.#write(() => {}),
			missed: () => this.#census.missed(),
		});
	}

	#makeCensus(): Census {
		return new Census({
			...this.#options,
			needs: this.#needs,
			isMember: (node) => this.#cluster.member(node) !== undefined,
			everybody: () => {
				if (!this.#lives.alive || this.isJoining || this.#returning.isRunning)
					return undefined;
				const able = this.#presence
					.contacts()
					.every(({ linked, serves }) => linked && serves);
				return able ? this.#presence.others() : undefined;
			},
		});
	}

	#makeSpace(): Space {
		return new Space({
			...this.#options,
			ledger: () => this.#ledger,
			mailboxes: () => this.#mailboxes,
			others: () => this.#presence.others(),
			heirs: {
				gone: () => this.#cluster.gone(),
				numbers: (account) => this.#duty.numbers(account),
				expunge,
			},
			// What a restore put back is named by nothing before all of it is told (backup/rehome.ts).
			drives: () => {
				const restored = restoredDrive(this.#options.store);
				return this.#cluster
					.incarnations()
					.map(({ drive }) => drive)
					.filter((drive) => drive !== restored);
			},
			isWhole: () =>
				!this.isJoining && !this.#returning.isRunning && this.#lives.alive,
		});
	}

	#makeMailboxes(): Mailboxes {
		const { bodies, identity } = this.#options;
		const { origin } = identity;
		return new Mailboxes({
			...this.#options,
			origin,
			rules: this.#rules,
			slots: () => this.#duty.slots(),
			hasSlots: () => this.#cluster.slots(origin) !== undefined,
			vector: () => this.#ledger.log.vector,
			spreads: (account) => this.#duty.spreads(account),
			isRetired: (stampSlot) => this.#cluster.isRetired(stampSlot),
			numbers: (account) => this.#duty.numbers(account),
			secondCopy: (sequence) => this.#duty.hasSecondCopy(sequence),
			folded: (batch, folded, change) =>
				this.#space.folded(batch, folded, change),
			bodyNamed: (batch, facts, change) => {
				if (facts.body.drive === bodies.drive)
					batch.put("meta/driveBlocks", String(bodies.lengthBlocks()));
				if (change.origin === origin) this.#ownBodies.named(change.sequence);
				// What this node names it has; what another names of its drive it has too, if it did not clear it.
				if (change.origin !== origin || facts.body.drive !== bodies.drive)
					this.#needs.named(batch, facts, change.origin, change.sequence);
			},
			usedUp: (...place) => this.#renewal.renew(...place),
			wants: (wants) => this.#replication.tell.wants(wants),
			pairMade: (pair) => this.#replication.tell.pair(pair),
			watermarks: (told) => this.#replication.tell.watermarks(told),
			flush: () => this.#write(() => {}),
		});
	}

	#makeLedger(): Ledger {
		const { identity, copies } = this.#options;
		return new Ledger({
			...this.#options,
			origin: identity.origin,
			rules: this.#rules,
			folds: [
				this.#cluster,
				this.#accounts,
				this.#mailboxes,
				followers(this.#needs, this.#ownBodies, this.#space),
			],
			events: {
				committed: (own) => this.#replication.committed(own),
				refused: (origin, peer) => {
					this.#replication.refused(origin, peer);
					void this.#lives.suspect(origin, peer);
				},
				damaged: (document, reason) => this.#healing.met(document, reason),
				onTheWay: () =>
					!this.#copies.isSettled(this.#reporting.ownHead, copies),
			},
		});
	}

	#makeReplication(): Replication {
		return new Replication({
			...this.#options,
			self: this.node,
			cluster: this.#identity.cluster,
			ledger: this.#ledger,
			mailboxes: this.#mailboxes,
			needs: this.#needs,
			copies: this.#copies,
			others: () => this.#presence.others().map(({ node }) => node),
			told: this.#space.told,
			returning: () => this.#returning,
			joining: () => this.isJoining,
			alive: () => this.#lives.alive,
			life: () => ({
				reviving: this.#identity.reviving !== undefined,
				run: this.#run,
				startedMilliseconds: this.#startedMilliseconds,
			}),
			hello: ({ heads, joining, life }) =>
				this.#lives.heard(heads, !joining && !life.reviving),
			confirmed: () => this.#lives.confirmed(),
			twin: (end) => this.#lives.twin(end),
			snapshotFrame: (frame) => this.#joining.take(frame),
			changed: () => this.#evaluate(),
			heard: () => {
				this.#ledger.confirmed();
				this.#showWaiting();
				this.#keepMarks();
				this.#reporting.changed();
			},
		});
	}

	#makeReturning(): Returning {
		return new Returning({
			...this.#options,
			ledger: this.#ledger,
			mailboxes: this.#mailboxes,
			// By which change is not known: as if the first one had, so that none is told to be whole before.
			bodyNamed: ({ batch }, facts, origins) => {
				for (const origin of origins)
					this.#needs.named(batch, facts, origin, 1);
			},
			done: () => {
				this.#cluster.load();
				this.#accounts.forgetAll();
				this.#mailboxes.recount();
				// This node numbered nothing meanwhile: what came still waits for it (rule 4).
				this.#duty.again();
				this.#clusterChanged();
				this.#needs.retry();
				this.#replication.tell.holds();
			},
		});
	}

	#makeContext(): Context {
		const { bodies, clock, random, whenAlone, copies } = this.#options;
		return {
			ledger: this.#ledger,
			mailboxes: this.#mailboxes,
			cluster: this.#cluster,
			accounts: this.#accounts,
			bodies,
			clock,
			random,
			rules: this.#rules,
			slots: () => this.#duty.slots(),
			second: async (sequence) => {
				if (this.#rules.secondCopy) await this.#copies.wait(sequence, 2, false);
			},
			copies: (sequence) => this.#waitForCopies(sequence),
			mayAccept: () => {
				if (whenAlone === "defer" && 1 + this.#presence.ready().length < copies)
					throw tooFewMembers();
			},
			mayName: (body) => this.#space.mayName(body),
			hintBody: (body) => this.#replication.tell.body(body),
			catchUp: (mailbox) => this.#replication.catchUp(mailbox),
			inTouch: () => this.#replication.inTouch(),
		};
	}

	async #waitForCopies(sequence: number): Promise<void> {
		const { copies, whenAlone } = this.#options;
		await this.#copies.wait(sequence, copies, true);
		if (
			whenAlone === "defer" &&
			sequence > 0 &&
			this.#copies.count(sequence, true) < copies
		)
			throw tooFewMembers();
	}

	// ------------------------------------------------------------------ starting and joining

	start(): void {
		const { network, clock, store, diary } = this.#options;
		mendCluster(this.#ledger, store, diary);
		this.#cluster.load();
		this.#ownBodies.load(
			this.#ledger.log,
			this.#ledger.origin,
			this.#reporting.firstWithTooFewCopies(),
		);
		network.onPeers(() => {
			this.#replication.peersChanged();
			this.#evaluate();
		});
		this.#connect();
		if (this.#identity.founding)
			this.#found().catch((error) => this.#over.resolve(error));
		clock.after(0, () => {
			this.#lives.evaluate();
			this.#findLostBodies();
			this.#needs.retry();
		});
		this.#space.start();
		this.#scrub.start();
	}

	#findLostBodies(): void {
		const { store } = this.#options;
		if (store.get(BODIES_LOST_KEY) === undefined || this.isJoining) return;
		this.#write((tx) => {
			needAllBodies(this.#needs, tx.batch, store);
			tx.batch.put(BODIES_LOST_KEY, undefined);
		});
	}

	/** Without the documents of its cluster. */
	get isJoining(): boolean {
		return this.#identity.joining !== undefined;
	}

	/** Which cluster this is, and where its other members are. */
	others(): { node: NodeId; cluster: string; members: PeerAddress[] } {
		const { cluster } = this.#identity;
		const members = this.#presence.others().map(({ node, multiaddrs }) => ({
			node,
			multiaddrs,
		}));
		return { node: this.node, cluster, members };
	}

	/** A new life that serves nobody yet (rule 9). */
	get isReviving(): boolean {
		return this.#identity.reviving !== undefined;
	}

	/** Resolves when this node has all documents of the cluster, knows that this is its newest life, and serves. */
	joined(): Promise<void> {
		return this.#joined.promise;
	}

	/** Resolves, if ever, when this life must not go on: stop the replica, and open it again as a new life, or end. */
	over(): Promise<Error> {
		return this.#over.promise;
	}

	async #found(): Promise<void> {
		await this.#ownEntry.found();
		this.#identity = saveIdentity(this.#options.store, {
			...this.#identity,
			founding: false,
		});
		this.#lives.founded();
	}

	/** This life may write: it tells the others where it is, and takes part. */
	async #takePart(): Promise<void> {
		if (!(await this.#ownEntry.tell())) return;
		this.#joined.resolve();
		this.#evaluate();
		await this.#rehome();
	}

	/** All documents of the cluster are here. */
	async #hasJoined(): Promise<void> {
		const { store, diary } = this.#options;
		this.#identity = saveIdentity(store, {
			...this.#identity,
			joining: undefined,
		});
		this.#cluster.load();
		this.#mailboxes.recount();
		this.#accounts.recount();
		await this.#ledger.write((tx) => this.#mourning.arrive(tx));
		diary.info("has all documents of the cluster", {
			members: this.#cluster.members().length,
		});
		this.#clusterChanged();
		this.#replication.tell.holds();
		this.#sources.stop();
		this.#lives.joined();
	}

	// ------------------------------------------------------------------ members

	/** Members and drives may have changed. */
	#clusterChanged(): void {
		if (this.#stopped) return;
		// Before the network cuts it off: how its link ended tells whether it may have gone on apart.
		if (this.#rules.floor && !this.isJoining)
			this.#mourning.evaluate((work) => this.#write(work));
		this.#connect();
		this.#evaluate();
	}

	#connect(): void {
		const { network } = this.#options;
		const { joining } = this.#identity;
		network.setPeers(joining ? this.#sources.current : this.#presence.others());
		this.bodies.setDrives(this.#cluster.incarnations());
	}

	/** Looks at the whole and acts: who numbers, who waits for copies, what may be shown now. */
	#evaluate(): void {
		if (this.#stopped) return;
		this.#copies.evaluate();
		this.#lives.evaluate();
		this.#returning.evaluate().catch((error) => {
			if (!(error instanceof Temporary)) throw error;
		});
		this.#duty.evaluate();
		this.#showWaiting();
		this.#keepMarks();
		this.#reporting.changed();
	}

	/** Keeps what peers hold, now and then: after a restart it need not be counted from the beginning. */
	#keepMarks(): void {
		const now = this.#options.clock.monotonic();
		const { isUrgent } = this.#replication.factsMarks;
		if (now < this.#marksKept + MARKS_MILLISECONDS && !isUrgent) return;
		this.#marksKept = now;
		const marks = [
			...this.#copies.marks(),
			...this.#replication.factsMarks.marks(),
			...this.#space.told.marks(this.#presence.others()),
		];
		if (marks.length > 0)
			this.#write((tx) => {
				tx.batch.putAll(marks);
			});
	}

	/** What waited for a second copy is shown when the next batch is made; an empty one will do. */
	#showWaiting(): void {
		if (this.#mailboxes.hasWaiting) this.#write(() => {});
	}

	/** A write that nobody waits for; a full disk is reported by the ledger, and it is tried again with the next. */
	#write(work: (tx: Transaction) => void): void {
		this.#ledger.write(work).catch((error) => {
			if (!(error instanceof Temporary)) throw error;
		});
	}

	// ------------------------------------------------------------------ Replica

	get node(): NodeId {
		return this.#options.network.self;
	}

	account(id: AccountId): Account | undefined {
		const address = this.#cluster.addressOf(id);
		return address && new AccountSession(this.#context, id, address);
	}

	deliver(delivery: Parameters<Replica["deliver"]>[0]): Promise<void> {
		return deliver(this.#context, delivery, (transaction) =>
			this.#replication.tell.wasConfirmed(transaction),
		);
	}

	confirm(transaction: string): void {
		this.#replication.tell.confirm(transaction);
	}

	invite(ttlMilliseconds: number): Promise<string> {
		return this.#admission.invite(ttlMilliseconds);
	}

	async remove(named: string): Promise<void> {
		const member = this.#cluster
			.members()
			.find(({ node, name }) => node === named || name === named);
		if (member === undefined)
			throw new OperatorFault(
				`there is no member ${named}; "pmnode status" shows all`,
			);
		if (member.node === this.node)
			throw new OperatorFault(
				"a node cannot remove itself; run this on another member",
			);
		const sequence = await this.#ledger.write((tx) =>
			tx.edit(CLUSTER, { key: keys.removed(member.node), set: true }),
		);
		this.#copies.forget(member.node);
		await this.#context.second(sequence);
	}

	/** Mail that a restored backup brought back, where no other member has it. */
	async #rehome(): Promise<void> {
		try {
			await rehome({
				...this.#options,
				ledger: this.#ledger,
				hasPeers: () => this.#presence.ready().length > 0,
				stopped: () => this.#stopped,
				nameDrive: (drive) => this.#ownEntry.nameDrive(drive),
			});
		} catch (error) {
			if (!(error instanceof Temporary)) throw error;
			this.#options.clock.after(REHOME_MILLISECONDS, () => this.#rehome());
		}
	}

	check(options: CheckOptions): Promise<CheckResult> {
		return this.#checker.check(options);
	}

	report(): ReplicaReport {
		return this.#reporting.report();
	}

	onReport(run: () => void): Cancel {
		return this.#reporting.onReport(run);
	}

	async stop(): Promise<void> {
		if (this.#stopped) return;
		await this.#scrub.stop();
		await this.#healing.stop();
		await this.#space.stop();
		await this.#ledger.settled();
		this.#stopped = true;
		this.#sources.stop();
		this.#mailboxes.stop();
		this.#copies.stop();
		this.#needs.stop();
		this.#census.stop();
		this.#replication.stop();
		await this.#options.network.stop();
		await this.#options.bodies.close();
		await this.#ledger.settled();
		this.#options.store.close();
	}
}

/** The disk refused: tried again after this. */
const REHOME_MILLISECONDS = 10_000;
const MARKS_MILLISECONDS = 5_000;

const tooFewMembers = (): Temporary =>
	new Temporary("too few members are up to keep the wanted copies; try later");
