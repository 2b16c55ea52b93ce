/**
 * What `pmnode status --json`, the ready line and /status.json show: the keys of OPERATOR.md. Types only; scripts rely
 * on every key, so change none.
 */
import type { HostPort } from "./config.ts";

export type NodeState =
	| "starting"
	| "joining"
	| "ready"
	| "draining"
	| "stopping";

export const LISTENER_NAMES = [
	"smtp",
	"submission",
	"submissions",
	"imap",
	"imaps",
	"http",
	"dns",
	"p2p",
] as const;
export type ListenerName = (typeof LISTENER_NAMES)[number];

export interface StatusPeer {
	readonly name: string;
	readonly id: string;
	readonly state: "up" | "suspect" | "down" | "draining";
	/** Missing as long as no heartbeat was answered. */
	readonly rttMilliseconds?: number | undefined;
	/** Changes, and bodies, that this node has and the peer, as far as known here, has not. */
	readonly missingChanges: number;
	readonly missingBodies: number;
	/** It was admitted and never came: it may not have heard of it. An earlier release does not tell. */
	readonly neverCame?: true;
	/** It takes no more changes of this node, and why, in its words. Only where that is so. */
	readonly refuses?: string;
}

export interface StatusJson {
	readonly node: {
		readonly name: string;
		readonly id: string;
		readonly state: NodeState;
		readonly version: string;
		readonly pid: number;
		readonly uptimeSeconds: number;
	};
	/** `members` and `up` count this node itself. */
	readonly cluster: {
		readonly id: string;
		readonly members: number;
		readonly up: number;
		readonly converged: boolean;
	};
	/** `host:port` with the real port, or `off`. */
	readonly listeners: Readonly<Record<ListenerName, string>>;
	readonly peers: readonly StatusPeer[];
	/** The slow check of all that lies here: wall clock in milliseconds, and counts of this round. */
	readonly scrub?: {
		readonly sinceMilliseconds: number;
		readonly lastRoundMilliseconds?: number | undefined;
		readonly bodies: number;
		readonly found: number;
		readonly mended: number;
	};
	readonly mail: {
		readonly accounts: number;
		readonly messages: number;
		readonly bodiesWithTooFewCopies: number;
		/** Bodies that no member has; an older release does not tell. */
		readonly lostBodies?: number;
		readonly queue: number;
	};
}

/** `127.0.0.1:2143`, `[::1]:2143`, or `off`: how `listeners` shows where a server listens. */
export const listenerText = (at: HostPort | undefined): string => {
	if (at === undefined) return "off";
	return at.host.includes(":")
		? `[${at.host}]:${at.port}`
		: `${at.host}:${at.port}`;
};
