/** The parts of a replica that are told of many others: each made from all of them, which are there when it first runs. */

import { restoredDrive } from "../backup/rehome.ts";
import type { Context } from "../directory/context.ts";
import { expunge } from "../directory/edits.ts";
import { Temporary } from "../faults.ts";
import { followers } from "../log/followers.ts";
import { Ledger } from "../log/ledger.ts";
import type { Made } from "../log/transaction.ts";
import { Mailboxes } from "../mailbox/mailboxes.ts";
import { Duty } from "../membership/duty.ts";
import { identityWrites } from "../membership/identity.ts";
import { Lives } from "../membership/lives.ts";
import { Reporting } from "../membership/reporting.ts";
import { Vacancies } from "../membership/vacancies.ts";
import { Census } from "../replication/census.ts";
import { Handover } from "../replication/handover.ts";
import { BodyNeeds } from "../replication/needs.ts";
import { Replication } from "../replication/replication.ts";
import { Returning } from "../replication/returning.ts";
import { ALL_RULES } from "../rules.ts";
import { Space } from "../space/space.ts";
import type { ReplicaOptions, Whole } from "./options.ts";
import type { Parts } from "./parts.ts";

export function makeDuty(parts: Parts): Duty {
	return new Duty({
		self: parts.node,
		rules: parts.rules,
		presence: parts.presence,
		cluster: parts.cluster,
		alive: () => parts.lives.alive,
		isWhole: () => parts.lives.alive && !parts.returning.isRunning,
		isReady: () => parts.replication.ready,
		isMeeting: () => parts.replication.isMeeting,
		isApart: (node) => parts.replication.isApart(node),
		ledger: () => parts.ledger,
		mailboxes: () => parts.mailboxes,
		accounts: () => parts.accounts,
		copies: () => parts.copies,
	});
}

export function makeLives(parts: Parts, whole: Whole): Lives {
	const { rules = ALL_RULES, alone = false, bodies } = parts.options;
	return new Lives({
		...parts.options,
		self: parts.node,
		drive: bodies.drive,
		identity: () => whole.identity(),
		state: parts.cluster,
		ledger: parts.ledger,
		mailboxes: parts.mailboxes,
		rules,
		alone,
		contacts: () => parts.presence.contacts(),
		vacancies: new Vacancies({
			...parts.options,
			self: parts.node,
			state: parts.cluster,
			ledger: parts.ledger,
			losses: parts.mailboxes.losses,
			rules,
			contacts: () => parts.presence.contacts(),
			again: () => whole.evaluate(),
		}),
		hashElsewhere: (...at) => parts.checker.peers.hashAt(...at),
		begin: (tx) => {
			const begun = { ...whole.identity(), reviving: undefined };
			tx.batch.putAll(identityWrites(begun));
		},
		lives: () => {
			whole.lives();
		},
		over: (fault) => whole.over(fault),
	});
}

export function makeReporting(parts: Parts, whole: Whole): Reporting {
	return new Reporting({
		...parts.options,
		clusterId: () => whole.identity().cluster,
		alive: () => parts.lives.alive,
		presence: parts.presence,
		cluster: parts.cluster,
		ledger: parts.ledger,
		mailboxes: parts.mailboxes,
		needs: parts.needs,
		held: parts.copies,
		ownBodies: parts.ownBodies,
		replication: parts.replication,
		scrub: parts.scrub,
	});
}

export function makeNeeds(parts: Parts, whole: Whole): BodyNeeds {
	return new BodyNeeds({
		...parts.options,
		isWanted: (body, by) => parts.space.isWanted(body, by),
		isCleared: (body) => !parts.space.isNamed(body),
		done: () => {
			parts.replication.tell.holds();
			parts.reporting.changed();
		},
		flush: () => whole.write(() => {}),
		missed: () => parts.census.missed(),
	});
}

export function makeCensus(parts: Parts, whole: Whole): Census {
	return new Census({
		...parts.options,
		needs: parts.needs,
		handover: parts.handover,
		isMember: (node) => parts.cluster.member(node) !== undefined,
		linked: () =>
			parts.presence
				.others()
				.filter(({ node }) => parts.replication.isLinked(node)),
		everybody: () => {
			if (!parts.lives.alive || whole.isJoining() || parts.returning.isRunning)
				return undefined;
			const able = parts.presence
				.contacts()
				.every(({ linked, serves }) => linked && serves);
			return able ? parts.presence.others() : undefined;
		},
	});
}

export function makeHandover(parts: Parts): Handover {
	return new Handover({
		...parts.options,
		isMember: (node) => parts.cluster.member(node) !== undefined,
		isWanted: (body) => parts.space.isWanted(body),
	});
}

export function makeSpace(parts: Parts, whole: Whole): Space {
	return new Space({
		...parts.options,
		ledger: () => parts.ledger,
		mailboxes: () => parts.mailboxes,
		others: () => parts.presence.others(),
		heirs: {
			gone: () => parts.cluster.gone(),
			numbers: (account) => parts.duty.numbers(account),
			expunge,
		},
		// What a restore put back is named by nothing before all of it is told (backup/rehome.ts).
		drives: () => {
			const restored = restoredDrive(parts.options.store);
			return parts.cluster
				.incarnations()
				.map(({ drive }) => drive)
				.filter((drive) => drive !== restored);
		},
		isWhole: () =>
			!whole.isJoining() && !parts.returning.isRunning && parts.lives.alive,
	});
}

export function makeMailboxes(parts: Parts, whole: Whole): Mailboxes {
	const { bodies, identity } = parts.options;
	const { origin } = identity;
	return new Mailboxes({
		...parts.options,
		origin,
		rules: parts.rules,
		slots: () => parts.duty.slots(),
		hasSlots: () => parts.cluster.slots(origin) !== undefined,
		vector: () => parts.ledger.log.vector,
		spreads: (account) => parts.duty.spreads(account),
		isRetired: (stampSlot) => parts.cluster.isRetired(stampSlot),
		numbers: (account) => parts.duty.numbers(account),
		secondCopy: (sequence) => parts.duty.hasSecondCopy(sequence),
		folded: (batch, folded, change) =>
			parts.space.folded(batch, folded, change),
		bodyNamed: (batch, facts, change, by) => {
			if (facts.body.drive === bodies.drive)
				batch.put("meta/driveBlocks", String(bodies.lengthBlocks()));
			if (change.origin === origin) parts.ownBodies.named(change.sequence);
			// What this node names it has; what another names of its drive it has too, if it did not clear it.
			if (change.origin !== origin || facts.body.drive !== bodies.drive)
				parts.needs.named(batch, facts, change.origin, change.sequence, by);
		},
		usedUp: (...place) => parts.renewal.renew(...place),
		wants: (wants) => parts.replication.tell.wants(wants),
		pairMade: (pair) => parts.replication.tell.pair(pair),
		watermarks: (told) => parts.replication.tell.watermarks(told),
		flush: () => whole.write(() => {}),
	});
}

export function makeLedger(parts: Parts): Ledger {
	const { identity, copies } = parts.options;
	return new Ledger({
		...parts.options,
		origin: identity.origin,
		rules: parts.rules,
		folds: [
			parts.cluster,
			parts.accounts,
			parts.mailboxes,
			followers(parts.needs, parts.ownBodies, parts.space),
		],
		events: {
			committed: (own) => parts.replication.committed(own),
			refused: (origin, peer, why) => {
				parts.replication.refused(origin, peer, why);
				void parts.lives.suspect(origin, peer);
			},
			isRemoved: (node) => parts.cluster.wasRemoved(node),
			damaged: (document, reason) => parts.healing.met(document, reason),
			onTheWay: () => !parts.copies.isSettled(parts.reporting.ownHead, copies),
			wayMilliseconds: () => wayMilliseconds(parts.options),
			isBringing: () => parts.needs.isBringing,
		},
	});
}

/** There and back to the nearest members that are up and enough for the wanted copies. */
export function wayMilliseconds({
	network,
	copies,
}: Pick<ReplicaOptions, "network" | "copies">): number {
	const count = copies - 1;
	const ways = network
		.peers()
		.filter(({ state }) => state === "up")
		.map(({ wayMilliseconds }) => wayMilliseconds ?? 0)
		.sort((a, b) => a - b);
	return ways[Math.min(count, ways.length) - 1] ?? 0;
}

export function makeReplication(parts: Parts, whole: Whole): Replication {
	return new Replication({
		...parts.options,
		self: parts.node,
		cluster: whole.identity().cluster,
		ledger: parts.ledger,
		mailboxes: parts.mailboxes,
		needs: parts.needs,
		copies: parts.copies,
		others: () => parts.presence.others().map(({ node }) => node),
		told: parts.space.told,
		returning: () => parts.returning,
		joining: () => whole.isJoining(),
		alive: () => parts.lives.alive,
		life: () => ({
			reviving: whole.identity().reviving !== undefined,
			run: whole.run,
			startedMilliseconds: whole.startedMilliseconds,
		}),
		hello: ({ heads, joining, life }) =>
			parts.lives.heard(heads, !joining && !life.reviving),
		confirmed: () => parts.lives.confirmed(),
		twin: (end) => parts.lives.twin(end),
		snapshotComes: () => parts.sources.heard(),
		snapshotFrame: (frame) => parts.joining.take(frame),
		changed: () => whole.evaluate(),
		heard: () => {
			parts.ledger.confirmed();
			parts.lives.heardHolds();
			whole.showWaiting();
			whole.keepMarks();
			parts.reporting.changed();
		},
	});
}

export function makeReturning(parts: Parts, whole: Whole): Returning {
	return new Returning({
		...parts.options,
		ledger: parts.ledger,
		mailboxes: parts.mailboxes,
		// By which change is not known: as if the first one had, so that none is told to be whole before.
		bodyNamed: ({ batch }, facts, origins) => {
			for (const origin of origins) parts.needs.named(batch, facts, origin, 1);
		},
		done: () => {
			parts.cluster.load();
			parts.accounts.forgetAll();
			parts.mailboxes.recount();
			// This node numbered nothing meanwhile: what came still waits for it (rule 4).
			parts.duty.again();
			whole.clusterChanged();
			parts.needs.retry();
			parts.replication.tell.holds();
		},
	});
}

export function makeContext(parts: Parts): Context {
	const { bodies, clock, random, whenAlone, copies } = parts.options;
	return {
		ledger: parts.ledger,
		mailboxes: parts.mailboxes,
		cluster: parts.cluster,
		accounts: parts.accounts,
		bodies,
		clock,
		random,
		rules: parts.rules,
		slots: () => parts.duty.slots(),
		second: async (sequence) => {
			if (parts.rules.secondCopy) await parts.copies.wait(sequence, 2, false);
		},
		copies: (made, waitedMilliseconds) =>
			waitForCopies(parts, made, waitedMilliseconds),
		mayAccept: () => {
			if (whenAlone === "defer" && 1 + parts.presence.ready().length < copies)
				throw tooFewMembers();
		},
		mayName: (body) => parts.space.mayName(body),
		catchUp: (mailbox) => parts.replication.catchUp(mailbox),
		inTouch: () => parts.replication.inTouch(),
	};
}

async function waitForCopies(
	parts: Parts,
	made: Made,
	waitedMilliseconds?: number,
): Promise<void> {
	const { copies, whenAlone } = parts.options;
	await parts.copies.waitForBodies(made, copies, waitedMilliseconds);
	if (
		whenAlone === "defer" &&
		made.last > 0 &&
		parts.copies.countBodies(made) < copies
	)
		throw tooFewMembers();
}

const tooFewMembers = (): Temporary =>
	new Temporary("too few members are up to keep the wanted copies; try later");
