/** What a node goes by when its store is gone: who the others are, kept beside it; and that it is still itself. */
import { existsSync } from "node:fs";
import { join as joinPath } from "node:path";
import { OperatorFault } from "../../sync/faults.ts";
import {
	newOrigin,
	type Revival,
	saveIdentity,
} from "../../sync/membership/identity.ts";
import type { Cancel } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { Network } from "../../sync/ports/network.ts";
import type { Random } from "../../sync/ports/random.ts";
import type { StoreDamaged } from "../../sync/ports/store.ts";
import { openStore } from "../../sync/real/store.ts";
import type { ClusterReplica } from "../../sync/replica.ts";
import {
	type KnownCluster,
	keepKnownCluster,
	putAside,
	readKnownCluster,
} from "../keep.ts";
import type { NewLife } from "../living.ts";
import type { NodeParts } from "./parts.ts";

/** The store is damaged: it is put aside, and all comes back from the other members, as a new life of this node. */
export function beginWithoutStore(
	dataDirectory: string,
	damage: StoreDamaged,
	{ random, log }: NodeParts,
): void {
	const known = readKnownCluster(dataDirectory);
	if (known === undefined || known.members.length === 0)
		throw new OperatorFault(
			`${damage.message}; no other member is known to get it back from: restore a backup into another data folder, or look at the disk`,
		);
	const aside = putAside(dataDirectory, "damaged", STATE_FILES);
	log.error(
		"the store is damaged; it is put aside, and all is fetched again from the other members",
		{ damage: damage.message, aside },
	);
	joinAnew(dataDirectory, known, random, {
		reason: damage.message,
		ageMilliseconds: 0,
	});
}

const STATE_FILES = [
	"state.db",
	"state.db-wal",
	"state.db-shm",
	"state.db-journal1",
	"state.db-journal2",
	"state.db.damaged",
];

/**
 * The life before went on from an old copy of this node while nobody was there to tell it, so two nodes wrote in its name.
 * What the others have counts. What it wrote alone is put aside, bodies and all: nothing acknowledged is thrown away.
 */
export function beginBeside(
	dataDirectory: string,
	{ reason, ageMilliseconds }: NewLife,
	{ random, log }: NodeParts,
): void {
	const known = readKnownCluster(dataDirectory);
	if (known === undefined || known.members.length === 0)
		throw new OperatorFault(
			`${reason}; who the other members are is not known any more: take the mail that only this node has with "pmnode backup", then join with an empty data folder`,
		);
	const aside = putAside(dataDirectory, "forked", [...STATE_FILES, "bodies"]);
	log.error(
		"this node went on from an old copy of itself, apart from the others: what it holds is put aside, and all is fetched again from the other members; mail that only it took is brought back with the command",
		{
			reason,
			aside,
			command: `pmnode restore ${aside} --all --data ${dataDirectory}`,
		},
	);
	joinAnew(dataDirectory, known, random, { reason, ageMilliseconds });
}

/** The store is gone, and this is known to be a member: it must not found another cluster. */
export function beginAgainWhereLost(
	dataDirectory: string,
	{ random, log }: NodeParts,
): void {
	if (existsSync(joinPath(dataDirectory, "state.db"))) return;
	const known = readKnownCluster(dataDirectory);
	if (known === undefined || known.members.length === 0) return;
	const reason = "the store is gone";
	log.error("the store is gone; all is fetched again from the other members");
	joinAnew(dataDirectory, known, random, { reason, ageMilliseconds: 0 });
}

/** Without documents yet, as a new life. */
function joinAnew(
	dataDirectory: string,
	{ cluster, members }: KnownCluster,
	random: Random,
	reviving: Revival,
): void {
	const store = openStore(joinPath(dataDirectory, "state.db"));
	try {
		saveIdentity(store, {
			cluster,
			origin: newOrigin(random),
			drives: 1,
			founding: false,
			joining: members,
			reviving,
		});
	} finally {
		store.close();
	}
}

/** A key with a flipped bit is a key too, of a node that nobody knows. */
export function checkKey(dataDirectory: string, network: Network): void {
	const known = readKnownCluster(dataDirectory);
	if (known !== undefined && known.node !== network.self)
		throw new OperatorFault(
			`${joinPath(dataDirectory, "identity.key")} is not the key of this node (${known.node}), or damaged: put back the right file, or remove this node and join with an empty data folder`,
		);
}

/** Keeps beside the store who the others are. */
export function keepMembers(
	dataDirectory: string,
	replica: ClusterReplica,
	log: Log,
): Cancel {
	let kept = JSON.stringify(readKnownCluster(dataDirectory));
	const keep = (): void => {
		if (replica.isJoining) return;
		const known = replica.others();
		if (JSON.stringify(known) === kept) return;
		try {
			keepKnownCluster(dataDirectory, known);
			kept = JSON.stringify(known);
		} catch (error) {
			log.warn("cannot keep who the other members are", {
				error,
			});
		}
	};
	keep();
	return replica.onReport(keep);
}
