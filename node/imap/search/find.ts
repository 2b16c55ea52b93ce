/** Runs a search: which of the messages that the client knows fulfil a key. */

import type { SelectedMailbox } from "../../../sync/api.ts";
import type { Uid } from "../../../sync/ids.ts";
import {
	IMAP_READ_AHEAD_BYTES,
	IMAP_READ_AHEAD_COUNT,
} from "../../../sync/limits.ts";
import type { Selected } from "../selected.ts";
import { indexOf } from "../sequence-set.ts";
import type { Session } from "../session.ts";
import { turn } from "../turn.ts";
import type { Key } from "./keys.ts";
import { type Candidate, compile, type Test } from "./match.ts";

/** Messages tested by the view alone before others get their turn. */
const CANDIDATES_PER_TURN = 10_000;
/** What a header takes in memory, about. */
const HEADER_BYTES = 4 * 1024;

/** The messages that fulfil the key, ascending. Rejects with BodyUnavailable. */
export async function find(
	{ surroundings }: Session,
	{ known: { uids }, mailbox, saved }: Selected,
	key: Key,
): Promise<Candidate[]> {
	const test = compile(key, {
		surroundings,
		lastNumber: uids.length,
		lastUid: uids.at(-1) ?? 0,
		nowMilliseconds: surroundings.clock.now(),
		changed: (modSeq) => changedFrom(mailbox, modSeq),
		isSaved: (uid) => indexOf(saved, uid) >= 0,
	});
	const found: Candidate[] = [];
	let batch: Candidate[] = [];
	let batchBytes = 0;
	for (let index = 0; index < uids.length; index++) {
		const uid = uids[index];
		const message = uid === undefined ? undefined : mailbox.get(uid);
		if (uid === undefined || message === undefined) continue;
		const candidate: Candidate = { number: index + 1, uid, message };
		if (test.cost === "view") {
			if (test.run(candidate) === true) found.push(candidate);
			if (index % CANDIDATES_PER_TURN === CANDIDATES_PER_TURN - 1) await turn();
			continue;
		}
		batch.push(candidate);
		batchBytes +=
			test.cost === "header" ? HEADER_BYTES : message.body.sizeBytes;
		if (
			batch.length < IMAP_READ_AHEAD_COUNT &&
			batchBytes < IMAP_READ_AHEAD_BYTES
		)
			continue;
		await addFound(test, batch, found);
		batch = [];
		batchBytes = 0;
	}
	await addFound(test, batch, found);
	return found;
}

/**
 * Clients ask from the mod-sequence that they were told, or from the one above it (RFC 7162 §3.1.5): a token names who
 * gave it (rule 13), so both are looked at.
 */
function changedFrom(
	mailbox: SelectedMailbox,
	modSeq: number,
): ReadonlySet<Uid> {
	const tokens = modSeq === 0 ? [0] : [modSeq - 1, modSeq];
	return new Set(tokens.flatMap((token) => mailbox.changedSince(token)));
}

async function addFound(
	test: Test,
	batch: readonly Candidate[],
	found: Candidate[],
): Promise<void> {
	const results = await Promise.all(batch.map((one) => test.run(one)));
	for (const [index, candidate] of batch.entries())
		if (results[index] === true) found.push(candidate);
}
