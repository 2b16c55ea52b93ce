/** Rule 2: which of some members numbers for an account: rendezvous hashing, so that few accounts change hands. Pure. */
import { createHash } from "node:crypto";
import type { AccountId, NodeId } from "../ids.ts";

const WEIGHTS_MAX = 50_000;
const weights = new Map<string, number>();

function weight(account: AccountId, node: NodeId): number {
	const key = `${account} ${node}`;
	let found = weights.get(key);
	if (found === undefined) {
		if (weights.size >= WEIGHTS_MAX) weights.clear();
		found = createHash("sha256").update(key).digest().readUIntBE(0, 6);
		weights.set(key, found);
	}
	return found;
}

export function numbererOf(
	account: AccountId,
	candidates: readonly NodeId[],
): NodeId | undefined {
	let best: NodeId | undefined;
	for (const node of candidates)
		if (
			best === undefined ||
			weight(account, node) > weight(account, best) ||
			(weight(account, node) === weight(account, best) && node < best)
		)
			best = node;
	return best;
}
