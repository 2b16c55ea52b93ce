/** The join link: who to ask, and a secret that is good for one node until it expires. One line of text. */
import { createHash } from "node:crypto";
import { decode, encode } from "cborg";
import { OperatorFault } from "../faults.ts";
import { type NodeId, nodeId } from "../ids.ts";

export interface Invite {
	readonly cluster: string;
	readonly node: NodeId;
	readonly multiaddrs: readonly string[];
	readonly secret: Uint8Array;
	readonly expiresMilliseconds: number;
}

const PREFIX = "pmnode-join:";
const CHECK_BYTES = 6;
const checksum = (bytes: Uint8Array): Buffer =>
	createHash("sha256")
		.update(PREFIX)
		.update(bytes)
		.digest()
		.subarray(0, CHECK_BYTES);

export const secretHash = (secret: Uint8Array): string =>
	createHash("sha256").update(secret).digest("hex");

export function encodeInvite(invite: Invite): string {
	const body = encode([
		invite.cluster,
		invite.node,
		invite.multiaddrs,
		invite.secret,
		invite.expiresMilliseconds,
	]);
	return PREFIX + Buffer.concat([body, checksum(body)]).toString("base64url");
}

/** Throws OperatorFault for a link that is not whole, or not one at all. */
export function decodeInvite(link: string): Invite {
	const text = link.trim();
	if (!/^pmnode-join:[A-Za-z0-9_-]+$/.test(text))
		throw new OperatorFault(
			`this is not a join link; it starts with "${PREFIX}", run "pmnode invite" on a member for one`,
		);
	const bytes = Buffer.from(text.slice(PREFIX.length), "base64url");
	const body = bytes.subarray(0, -CHECK_BYTES);
	if (
		bytes.toString("base64url") !== text.slice(PREFIX.length) ||
		!checksum(body).equals(bytes.subarray(-CHECK_BYTES))
	)
		throw new OperatorFault(
			"the join link was altered or cut; copy the whole line again",
		);
	const invite = parse(body);
	if (invite === undefined)
		throw new OperatorFault(
			"the join link is whole, but not one that this version reads; run the same version of pmnode on both nodes",
		);
	return invite;
}

/** undefined for anything that encodeInvite could not have made. */
function parse(body: Uint8Array): Invite | undefined {
	try {
		const [cluster, node, multiaddrs, secret, expiresMilliseconds] = decode(
			body,
		) as unknown[];
		const isSound =
			typeof cluster === "string" &&
			typeof node === "string" &&
			Array.isArray(multiaddrs) &&
			multiaddrs.every((each) => typeof each === "string") &&
			secret instanceof Uint8Array &&
			typeof expiresMilliseconds === "number";
		if (!isSound) return undefined;
		return {
			cluster,
			node: nodeId(node),
			multiaddrs,
			secret,
			expiresMilliseconds,
		};
	} catch {
		return undefined; // not CBOR, not a list, or no node's name
	}
}
