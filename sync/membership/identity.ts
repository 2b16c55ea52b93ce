/** Who this node is in the cluster, as its store keeps it. The key pair lies beside the store, not in it. */
import { type Origin, origin as toOrigin } from "../ids.ts";
import type { PeerAddress } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store.ts";

export interface Identity {
	readonly cluster: string;
	/** This incarnation. */
	readonly origin: Origin;
	/** Drives this incarnation has begun; the last one is appended to. */
	readonly drives: number;
	/** The first start of a new cluster has not been committed yet. */
	readonly founding: boolean;
	/** Admitted, but without the documents yet: who sends them. */
	readonly joining?: PeerAddress | undefined;
}

const KEY = "meta/identity";

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
	return JSON.parse(text as string) as Identity;
}

export function saveIdentity(store: Store, identity: Identity): Identity {
	store.commit([[KEY, JSON.stringify(identity)]]);
	return identity;
}

/** Name of the drive that bodies are appended to now. */
export const driveName = ({ origin, drives }: Identity): string =>
	`${origin}-${drives}`;
export const driveBlocks = (store: Store): number =>
	Number(store.get("meta/driveBlocks") ?? 0);
