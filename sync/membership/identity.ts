/** Who this node is in the cluster, as its store keeps it. The key pair lies beside the store, not in it. */
import { type Origin, origin as toOrigin } from "../ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { PeerAddress } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import { prefixEnd, type Store, type StoreWrite } from "../ports/store.ts";
import { FORGET_COPIED_MARKS } from "../space/drive-marks.ts";

export interface Identity {
	readonly cluster: string;
	/** This incarnation. */
	readonly origin: Origin;
	/** Drives this incarnation has begun; the last one is appended to. */
	readonly drives: number;
	/** The first start of a new cluster has not been committed yet. */
	readonly founding: boolean;
	/** Without the documents yet: who may send them, the first one first. */
	readonly joining?: readonly PeerAddress[] | undefined;
	/** Rule 9: a new life of a node that had others before; it has not been granted slots yet, and serves nobody. */
	readonly reviving?: Revival | undefined;
}

export interface Revival {
	/** Why, for people. */
	readonly reason: string;
	/** How old the copy may be that this life begins with. */
	readonly ageMilliseconds: number;
	/** The life before went on from an old copy, apart from the others: nothing of its store can be merged with theirs. */
	readonly apart?: true;
}

const KEY = "meta/identity";
/** Set by whoever put an old copy into the data folder; the next start begins a new life. */
const RESTORED_KEY = "meta/restored";

export const newOrigin = (random: Random): Origin =>
	toOrigin(Buffer.from(random.bytes(8)).toString("hex"));

/** The identity of a node that founds a cluster of one. */
export const foundingIdentity = (random: Random): Identity => ({
	cluster: Buffer.from(random.bytes(12)).toString("hex"),
	origin: newOrigin(random),
	drives: 1,
	founding: true,
	joining: undefined,
});

export function loadIdentity(store: Store): Identity | undefined {
	const text = store.get(KEY);
	if (text === undefined) return undefined;
	const identity = JSON.parse(text as string) as Identity;
	// An earlier version named one.
	const joining = identity.joining && [identity.joining].flat();
	return { ...identity, joining };
}

/** The identity that the store holds, as a new life where `over` says so or a copy was put back; undefined in an empty store. */
export function lifeOf(
	store: Store,
	random: Random,
	clock: Clock,
	over?: Revival,
): Identity | undefined {
	const known = loadIdentity(store);
	if (known === undefined) return undefined;
	const revival = over ?? restoredFrom(store, clock.now());
	return revival ? beginLife(store, known, random, revival) : known;
}

/** What `restore` left: when the copy was made. Undefined where nothing was restored. */
function restoredFrom(
	store: Store,
	nowMilliseconds: number,
): Revival | undefined {
	const text = store.get(RESTORED_KEY);
	if (text === undefined) return undefined;
	const { copiedMilliseconds } = JSON.parse(text as string) as {
		copiedMilliseconds: number;
	};
	return {
		reason: "this data folder was restored from a copy",
		ageMilliseconds: Math.max(0, nowMilliseconds - copiedMilliseconds),
	};
}

/**
 * Rule 9: from here on the node is a new life, with a new origin and a new drive. Of what the old one knew about itself
 * (which of its changes members have) nothing holds any more.
 */
function beginLife(
	store: Store,
	identity: Identity,
	random: Random,
	reviving: Revival,
): Identity {
	const next: Identity = {
		...identity,
		origin: newOrigin(random),
		drives: 1,
		founding: false,
		reviving,
	};
	store.commit([
		[KEY, JSON.stringify(next)],
		[RESTORED_KEY, undefined],
		["meta/driveBlocks", "0"],
		["meta/had", undefined],
		// `restore` makes a body store of what the backup has; it is no copy that became shorter.
		FORGET_COPIED_MARKS,
		...[...store.range("peer/", prefixEnd("peer/"))].map(
			([key]) => [key, undefined] as const,
		),
	]);
	return next;
}

export const identityWrites = (identity: Identity): StoreWrite[] => [
	[KEY, JSON.stringify(identity)],
];
export function saveIdentity(store: Store, identity: Identity): Identity {
	store.commit(identityWrites(identity));
	return identity;
}

/** Set when a drive was put aside or lost its tail: each body that anything names is looked for again. */
export const BODIES_LOST_KEY = "meta/bodiesLost";
/** Name of the drive that bodies are appended to now. */
export const driveName = ({ origin, drives }: Identity): string =>
	`${origin}-${drives}`;

const CUT_FILES_KEY = "meta/bodiesCut";
/** Cut files of the body store because of which each body was looked for already: they stay cut until compaction drops them. */
export const knownCutFiles = (store: Store): readonly string[] =>
	JSON.parse((store.get(CUT_FILES_KEY) as string | undefined) ?? "[]");
export const cutFilesWrite = (files: readonly string[]): StoreWrite => [
	CUT_FILES_KEY,
	files.length === 0 ? undefined : JSON.stringify(files),
];

export const driveBlocks = (store: Store): number =>
	Number(store.get("meta/driveBlocks") ?? 0);
