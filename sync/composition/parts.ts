/** All parts of a replica, made in order and bound to each other. What they do together is decided in replica.ts. */
import type { Replica } from "../api.ts";
import { Checker } from "../check/checker.ts";
import { Healing } from "../check/heal.ts";
import { Scrub } from "../check/scrub.ts";
import { AccountStates } from "../directory/accounts.ts";
import { ClusterState } from "../directory/cluster.ts";
import type { Context } from "../directory/context.ts";
import { createDirectory } from "../directory/directory.ts";
import { Renewal } from "../directory/renewal.ts";
import { accountDocument, CLUSTER } from "../documents/shapes.ts";
import type { NodeId } from "../ids.ts";
import { WANTS_MAX } from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import { Admission } from "../membership/admission.ts";
import type { Duty } from "../membership/duty.ts";
import { Joining } from "../membership/joining.ts";
import type { Lives } from "../membership/lives.ts";
import { Mourning } from "../membership/mourning.ts";
import { OwnEntry } from "../membership/own-entry.ts";
import { Presence } from "../membership/presence.ts";
import type { Reporting } from "../membership/reporting.ts";
import { Granter } from "../membership/revival.ts";
import { Sources } from "../membership/sources.ts";
import type { Census } from "../replication/census.ts";
import { Copies } from "../replication/copies.ts";
import type { Handover } from "../replication/handover.ts";
import type { BodyNeeds } from "../replication/needs.ts";
import { OwnBodies } from "../replication/own-bodies.ts";
import type { Replication } from "../replication/replication.ts";
import type { Returning } from "../replication/returning.ts";
import { ALL_RULES, type Rules } from "../rules.ts";
import { DriveMarks } from "../space/drive-marks.ts";
import type { Space } from "../space/space.ts";
import {
	makeCensus,
	makeContext,
	makeDuty,
	makeHandover,
	makeLedger,
	makeLives,
	makeMailboxes,
	makeNeeds,
	makeReplication,
	makeReporting,
	makeReturning,
	makeSpace,
} from "./made.ts";
import type { ReplicaOptions, Whole } from "./options.ts";

export class Parts {
	readonly options: ReplicaOptions;
	readonly rules: Rules;
	readonly directory: Replica["directory"];
	readonly cluster: ClusterState;
	readonly accounts: AccountStates;
	readonly mailboxes: Mailboxes;
	readonly ledger: Ledger;
	readonly needs: BodyNeeds;
	readonly handover: Handover;
	readonly census: Census;
	readonly copies: Copies;
	readonly space: Space;
	readonly ownBodies = new OwnBodies();
	readonly replication: Replication;
	readonly returning: Returning;
	readonly admission: Admission;
	readonly lives: Lives;
	readonly sources: Sources;
	readonly presence: Presence;
	readonly duty: Duty;
	readonly renewal: Renewal;
	readonly joining: Joining;
	readonly ownEntry: OwnEntry;
	readonly reporting: Reporting;
	readonly mourning: Mourning;
	readonly context: Context;
	readonly checker: Checker;
	readonly scrub: Scrub;
	readonly driveMarks: DriveMarks;
	readonly healing: Healing;

	constructor(options: ReplicaOptions, whole: Whole) {
		this.options = options;
		this.rules = options.rules ?? ALL_RULES;
		const { store, clock } = options;
		const { origin, cluster, joining = [] } = options.identity;
		this.sources = new Sources(joining, clock, options.diary, () =>
			whole.connect(),
		);
		this.cluster = new ClusterState(
			() => this.ledger.documents.get(CLUSTER),
			() => whole.clusterChanged(),
		);
		this.presence = new Presence({
			network: options.network,
			cluster: this.cluster,
			facts: (node) => this.replication.facts(node),
			isLinked: (node) => this.replication.isLinked(node),
		});
		this.duty = makeDuty(this);
		this.accounts = new AccountStates({
			store,
			clock,
			rules: this.rules,
			document: (account) =>
				this.ledger.documents.get(accountDocument(account)),
			numbers: (account) => this.duty.numbers(account),
			flush: () => whole.write(() => {}),
		});
		this.space = makeSpace(this, whole);
		this.needs = makeNeeds(this, whole);
		this.handover = makeHandover(this);
		this.census = makeCensus(this, whole);
		this.mailboxes = makeMailboxes(this, whole);
		this.ledger = makeLedger(this);
		this.healing = new Healing({
			...options,
			ledger: this.ledger,
			mender: () => this.checker.mender,
		});
		this.copies = new Copies(origin, clock, store, {
			up: () => this.presence.present(),
			ready: () => this.presence.ready(),
			site: (node) => this.cluster.member(node)?.site,
			ownSite: () => options.self.site,
		});
		this.replication = makeReplication(this, whole);
		this.returning = makeReturning(this, whole);
		this.joining = new Joining({
			ledger: this.ledger,
			mailboxes: this.mailboxes,
			space: this.space,
			needs: this.needs,
			isJoining: () => whole.isJoining(),
			done: () => whole.hasJoined(),
		});
		this.ownEntry = new OwnEntry({
			...options,
			node: this.node,
			drive: this.options.bodies.drive,
			cluster: this.cluster,
			ledger: this.ledger,
			stopped: () => whole.isStopped(),
		});
		this.context = makeContext(this);
		this.renewal = new Renewal({
			...options,
			context: this.context,
			stopped: () => whole.isStopped(),
		});
		this.directory = createDirectory(this.context);
		this.admission = new Admission({
			...options,
			cluster,
			state: this.cluster,
			rules: this.rules,
			ledger: this.ledger,
			second: this.context.second,
		});
		this.checker = new Checker({
			...options,
			ledger: this.ledger,
			mailboxes: this.mailboxes,
			cluster: this.cluster,
			arrived: (vector) => this.replication.arrived(vector),
			adopted: (...entry) => this.space.adopted(...entry),
			fetchBody: (body) => this.census.fetch(body),
			isLost: (body) => this.needs.isLost(body),
			isAwaited: (body) => this.needs.isAwaited(body),
			tooFewCopies: () => this.reporting.tooFewCopies(),
			directoryChanged: (what) => {
				if (what === "cluster") {
					this.cluster.load();
					whole.clusterChanged();
				} else this.accounts.forget(what);
			},
		});
		this.driveMarks = new DriveMarks(options);
		this.scrub = new Scrub({
			...options,
			ledger: this.ledger,
			checker: this.checker,
			fetchBody: (body) => this.census.fetch(body),
			isWanted: (body) => this.space.isWanted(body),
			isAwaited: (body) => this.needs.isAwaited(body),
			inTouch: () => this.replication.inTouch(),
			isWhole: () => !whole.isJoining() && this.lives.alive,
		});
		this.reporting = makeReporting(this, whole);
		this.lives = makeLives(this, whole);
		this.mourning = new Mourning({
			...options,
			state: this.cluster,
			ledger: this.ledger,
			mailboxes: this.mailboxes,
			departed: (node) => ({
				had: this.replication.facts(node).had,
				apart: this.replication.isApart(node),
			}),
		});
		new Granter({
			...options,
			state: this.cluster,
			ledger: this.ledger,
			unable: () =>
				this.lives.alive && !whole.isJoining()
					? undefined
					: "the member serves nobody itself yet",
			had: (node) => this.replication.facts(node).had,
			wanted: () =>
				this.rules.keepWants ? this.mailboxes.numbering.wanted(WANTS_MAX) : [],
			second: this.context.second,
			contacts: () => this.presence.contacts(),
		});
	}

	get node(): NodeId {
		return this.options.network.self;
	}
}
