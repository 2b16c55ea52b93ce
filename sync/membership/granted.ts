/** The answer to a new life of a node (rule 9), as bytes. */
import { decode, encode } from "cborg";
import { Temporary } from "../faults.ts";
import { entryId, type MailboxId, mailboxId, uid } from "../ids.ts";
import { RESPONSE_BYTES_MAX } from "../limits.ts";
import { decodeVector, encodeVector, type Vector } from "../log/record.ts";
import type { Want } from "../mailbox/wanted.ts";

export interface Granted {
	/** What the former lives of the node are known to have had. */
	readonly had: Vector;
	/** What the granter had, the grant included: to be caught up with before anybody is served. */
	readonly vector: Vector;
	/** What the former lives, or others, asked to renumber, as far as that is not done: it counts for nothing that they had it. */
	readonly wants: readonly Want[];
}

export function encodeGranted({ had, vector, wants }: Granted): Uint8Array {
	const answer = encode([
		"granted",
		encodeVector(had),
		encodeVector(vector),
		encodeWants(wants),
	]);
	if (answer.length <= RESPONSE_BYTES_MAX) return answer;
	// More than can be told: then nothing counts as shown, which costs renumbering.
	return encodeGranted({ had: new Map(), vector, wants: [] });
}

/** Throws Temporary with the reason of who granted nothing. An older release knows no wants. */
export function decodeGranted(answer: Uint8Array): Granted {
	const [kind, first, second, wants = []] = decode(answer) as [
		string,
		unknown,
		unknown,
		unknown?,
	];
	if (kind !== "granted") throw new Temporary(String(first));
	return {
		had: decodeVector(first),
		vector: decodeVector(second),
		wants: decodeWants(wants),
	};
}

/** By mailbox, with entries and claims in turn. */
function encodeWants(wants: readonly Want[]): unknown[] {
	const byMailbox = new Map<MailboxId, (string | number)[]>();
	for (const { mailbox, entry, claim } of wants) {
		const flat = byMailbox.get(mailbox) ?? [];
		byMailbox.set(mailbox, flat);
		flat.push(entry, claim);
	}
	return [...byMailbox].flat();
}

function decodeWants(flat: unknown): Want[] {
	const wants: Want[] = [];
	for (const [mailbox, entries] of pairs(flat))
		for (const [entry, claim] of pairs(entries))
			wants.push({
				mailbox: mailboxId(mailbox as string),
				entry: entryId(entry as string),
				claim: uid(claim as number),
			});
	return wants;
}

function* pairs(flat: unknown): Iterable<[unknown, unknown]> {
	if (!Array.isArray(flat) || flat.length % 2 !== 0)
		throw new Temporary("the answer to a new life is not whole");
	for (let i = 0; i < flat.length; i += 2) yield [flat[i], flat[i + 1]];
}
