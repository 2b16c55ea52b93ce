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
import { rehome } from "./backup/rehome.ts";
import { mendCluster } from "./check/heal.ts";
import { wayMilliseconds } from "./composition/made.ts";
import type { ReplicaOptions } from "./composition/options.ts";
import { Parts } from "./composition/parts.ts";
import { AccountSession } from "./directory/account.ts";
import { deliver } from "./directory/deliver.ts";
import { CLUSTER, keys } from "./documents/shapes.ts";
import { OperatorFault, Temporary } from "./faults.ts";
import type { AccountId, Milliseconds, NodeId } from "./ids.ts";
import type { Transaction } from "./log/ledger.ts";
import {
	BODIES_LOST_KEY,
	type Identity,
	loadIdentity,
	saveIdentity,
} from "./membership/identity.ts";
import type { Bodies } from "./ports/bodies.ts";
import type { Cancel } from "./ports/clock.ts";
import type { PeerAddress } from "./ports/network.ts";
import { needAllBodies } from "./replication/lost-bodies.ts";

export type { ReplicaOptions };

/** Opens the replica. It serves at once where it founded the cluster or has joined; else wait for joined(). */
export function openReplica(options: ReplicaOptions): ClusterReplica {
	const replica = new ClusterReplica(options);
	replica.start();
	return replica;
}

export class ClusterReplica implements Replica {
	readonly bodies: Bodies;
	readonly #options: ReplicaOptions;
	readonly #parts: Parts;
	#identity: Identity;
	readonly #joined = Promise.withResolvers<void>();
	readonly #over = Promise.withResolvers<Error>();
	#marksKept = 0;
	#stopped = false;

	constructor(options: ReplicaOptions) {
		this.#options = options;
		this.#identity = options.identity;
		this.bodies = options.bodies;
		const { store, clock, random } = options;
		this.#parts = new Parts(options, {
			run: Buffer.from(random.bytes(8)).toString("hex"),
			startedMilliseconds: clock.now(),
			identity: () => this.#identity,
			isJoining: () => this.isJoining,
			isStopped: () => this.#stopped,
			connect: () => this.#connect(),
			clusterChanged: () => this.#clusterChanged(),
			evaluate: () => this.#evaluate(),
			showWaiting: () => this.#showWaiting(),
			keepMarks: () => this.#keepMarks(),
			write: (work) => this.#write(work),
			hasJoined: () => this.#hasJoined(),
			lives: () => {
				this.#identity = loadIdentity(store) ?? this.#identity;
				void this.#takePart();
			},
			over: (fault) => this.#over.resolve(fault),
		});
	}

	get directory(): Replica["directory"] {
		return this.#parts.directory;
	}

	// ------------------------------------------------------------------ starting and joining

	start(): void {
		const { network, clock, store, diary } = this.#options;
		mendCluster(this.#parts.ledger, store, diary);
		this.#parts.cluster.load();
		this.#parts.ownBodies.load(
			this.#parts.ledger.log,
			this.#parts.ledger.origin,
			this.#parts.reporting.firstWithTooFewCopies(),
		);
		network.onPeers(() => {
			this.#parts.replication.peersChanged();
			this.#evaluate();
		});
		network.onRemoved((by) => this.#parts.lives.removed(by));
		this.#connect();
		if (this.#identity.founding)
			this.#found().catch((error) => this.#over.resolve(error));
		clock.after(0, () => {
			this.#parts.lives.evaluate();
			this.#findLostBodies();
			this.#parts.needs.retry();
		});
		this.#parts.space.start();
		this.#parts.scrub.start();
	}

	#findLostBodies(): void {
		const { store } = this.#options;
		if (store.get(BODIES_LOST_KEY) === undefined || this.isJoining) return;
		this.#write((tx) => {
			needAllBodies(this.#parts.needs, tx.batch, store);
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
		const members = this.#parts.presence
			.others()
			.map(({ node, multiaddrs }) => ({
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
		await this.#parts.ownEntry.found();
		this.#identity = saveIdentity(this.#options.store, {
			...this.#identity,
			founding: false,
		});
		this.#parts.lives.founded();
	}

	/** This life may write: it tells the others where it is, and takes part. */
	async #takePart(): Promise<void> {
		if (!(await this.#parts.ownEntry.tell())) return;
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
		this.#parts.cluster.load();
		this.#parts.mailboxes.recount();
		this.#parts.accounts.recount();
		await this.#parts.ledger.write((tx) => {
			this.#parts.mourning.arrive(tx);
			this.#parts.mailboxes.stamps.keepHeard(tx.batch);
		});
		diary.info("has all documents of the cluster", {
			members: this.#parts.cluster.members().length,
		});
		this.#clusterChanged();
		this.#parts.replication.tell.holds();
		this.#parts.sources.stop();
		this.#parts.lives.joined();
	}

	// ------------------------------------------------------------------ members

	/** Members and drives may have changed. */
	#clusterChanged(): void {
		if (this.#stopped) return;
		// Before the network cuts it off: how its link ended tells whether it may have gone on apart.
		if (this.#parts.rules.floor && !this.isJoining)
			this.#parts.mourning.evaluate((work) => this.#write(work));
		this.#connect();
		this.#evaluate();
	}

	#connect(): void {
		const { network } = this.#options;
		const { joining } = this.#identity;
		if (joining)
			network.setPeers(this.#parts.sources.current, this.#parts.sources.others);
		else {
			network.setPeers(this.#parts.presence.others());
			network.setRemoved(this.#parts.cluster.removed());
		}
		this.bodies.setDrives(this.#parts.cluster.incarnations());
		// Of a cluster that this node knows nothing of yet no member can be asked.
		this.bodies.setPacking(!joining && this.#parts.cluster.readPacked());
	}

	/** Looks at the whole and acts: who numbers, who waits for copies, what may be shown now. */
	#evaluate(): void {
		if (this.#stopped) return;
		this.#parts.copies.evaluate();
		this.#parts.lives.evaluate();
		this.#parts.returning.evaluate().catch((error) => {
			if (!(error instanceof Temporary)) throw error;
		});
		this.#parts.duty.evaluate();
		this.#showWaiting();
		this.#keepMarks();
		this.#parts.reporting.changed();
	}

	/** Keeps what peers hold, now and then: after a restart it need not be counted from the beginning. And rule 10. */
	#keepMarks(): void {
		const now = this.#options.clock.monotonic();
		const { stamps, numbering } = this.#parts.mailboxes;
		const isUrgent =
			this.#parts.replication.factsMarks.isUrgent || stamps.isUrgent;
		if (now < this.#marksKept + MARKS_MILLISECONDS && !isUrgent) return;
		this.#marksKept = now;
		const marks = [
			...this.#parts.copies.marks(),
			...this.#parts.replication.factsMarks.marks(),
			...this.#parts.space.told.marks(this.#parts.presence.others()),
			...this.#parts.driveMarks.marks(),
		];
		if (marks.length > 0 || !stamps.isKept || !numbering.isKept)
			this.#write((tx) => {
				tx.batch.putAll(marks);
				numbering.keep(tx.batch);
				stamps.keepHeard(tx.batch);
			});
	}

	/** What waited for a second copy is shown when the next batch is made; an empty one will do. */
	#showWaiting(): void {
		if (this.#parts.mailboxes.hasWaiting) this.#write(() => {});
	}

	/** A write that nobody waits for; a full disk is reported by the ledger, and it is tried again with the next. */
	#write(work: (tx: Transaction) => void): void {
		this.#parts.ledger.write(work).catch((error) => {
			if (!(error instanceof Temporary)) throw error;
		});
	}

	// ------------------------------------------------------------------ Replica

	get node(): NodeId {
		return this.#options.network.self;
	}

	account(id: AccountId): Account | undefined {
		const address = this.#parts.cluster.addressOf(id);
		return address && new AccountSession(this.#parts.context, id, address);
	}

	deliver(delivery: Parameters<Replica["deliver"]>[0]): Promise<void> {
		return deliver(this.#parts.context, delivery, (transaction) =>
			this.#parts.replication.tell.wasConfirmed(transaction),
		);
	}

	confirm(transaction: string): void {
		this.#parts.replication.tell.confirm(transaction);
	}

	wayMilliseconds(): Milliseconds {
		return wayMilliseconds(this.#options);
	}

	invite(ttlMilliseconds: number): Promise<string> {
		return this.#parts.admission.invite(ttlMilliseconds);
	}

	async remove(named: string): Promise<void> {
		const member = this.#parts.cluster
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
		const sequence = await this.#parts.ledger.write((tx) =>
			tx.edit(CLUSTER, { key: keys.removed(member.node), set: true }),
		);
		this.#parts.copies.forget(member.node);
		await this.#parts.context.second(sequence);
	}

	/** Mail that a restored backup brought back, where no other member has it. */
	async #rehome(): Promise<void> {
		try {
			await rehome({
				...this.#options,
				ledger: this.#parts.ledger,
				hasPeers: () => this.#parts.presence.ready().length > 0,
				stopped: () => this.#stopped,
				nameDrive: (drive) => this.#parts.ownEntry.nameDrive(drive),
			});
		} catch (error) {
			if (!(error instanceof Temporary)) throw error;
			this.#options.clock.after(REHOME_MILLISECONDS, () => this.#rehome());
		}
	}

	check(options: CheckOptions): Promise<CheckResult> {
		return this.#parts.checker.check(options);
	}

	/** Nothing that an entry names now is cleared here until what this returns is run, once. */
	holdSpace(): () => void {
		return this.#parts.space.hold();
	}

	report(): ReplicaReport {
		return this.#parts.reporting.report();
	}

	onReport(run: () => void): Cancel {
		return this.#parts.reporting.onReport(run);
	}

	async stop(): Promise<void> {
		if (this.#stopped) return;
		await this.#parts.scrub.stop();
		await this.#parts.healing.stop();
		await this.#parts.space.stop();
		await this.#parts.ledger.settled();
		this.#stopped = true;
		this.#parts.sources.stop();
		this.#parts.mailboxes.stop();
		this.#parts.copies.stop();
		this.#parts.needs.stop();
		this.#parts.census.stop();
		this.#parts.replication.stop();
		await this.#options.network.stop();
		await this.#options.bodies.close();
		await this.#parts.ledger.settled();
		this.#parts.ledger.stop();
		this.#options.store.close();
	}
}

/** The disk refused: tried again after this. */
const REHOME_MILLISECONDS = 10_000;
const MARKS_MILLISECONDS = 5_000;
