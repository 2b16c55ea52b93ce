/** Runs a search: which of the messages that the client knows fulfil a key. */
import type { SelectedMailbox } from "../../../sync/api.ts";
import type { Uid } from "../../../sync/ids.ts";
import {
	IMAP_READ_AHEAD_BYTES,
	IMAP_READ_AHEAD_COUNT,
} from "../../../sync/limits.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import type { Selected } from "../selected.ts";
import { indexOf } from "../sequence-set.ts";
import { accountOf, type Session } from "../session.ts";
import { turn } from "../turn.ts";
import type { Key } from "./keys.ts";
import { lookedAt } from "./looked-at.ts";
import {
	type Candidate,
	compile,
	type Facts,
	type Hit,
	type SearchContext,
	type Test,
} from "./match.ts";

/** Messages tested by the view alone before others get their turn. */
const CANDIDATES_PER_TURN = 10_000;
/** Messages whose headers are looked at together. */
const BATCH = 500;
/** Answers that another key may ask for again: more than are read at once. */
const READS_KEPT = 2 * IMAP_READ_AHEAD_COUNT;

/** The messages that fulfil the key, ascending. Rejects with BodyUnavailable. */
export async function find(
	session: Session,
	selected: Selected,
	key: Key,
): Promise<readonly Hit[]> {
	const context = contextOf(session, selected);
	const test = compile(key, context);
	const { byFlags } = test;
	if (byFlags !== undefined)
		return hitsByFlags(session, selected, key, byFlags);
	return findByMessages(session, selected, key, context, test);
}

/** Those of the hits that are still there. */
export function withMessages(
	{ mailbox }: Selected,
	hits: readonly Hit[],
): Candidate[] {
	const found: Candidate[] = [];
	for (const { number, uid } of hits) {
		const message = mailbox.get(uid);
		if (message !== undefined) found.push({ number, uid, message });
	}
	return found;
}

async function findByMessages(
	session: Session,
	selected: Selected,
	key: Key,
	context: SearchContext,
	test: Test,
): Promise<Candidate[]> {
	const { found, open } = await byView(session, selected, key, test);
	if (open.length === 0) return found;
	const { facts } = context;
	facts.texts = await askIndex(session, context, open);
	const unread = context.uses.size > 0 ? open : undecided(test, open, found);
	const { progress } = session.progressTeller;
	if (progress !== undefined) progress.goal = unread.length;
	for (let at = 0; at < unread.length; at += BATCH) {
		if (progress !== undefined) progress.done = at;
		const some = unread.slice(at, at + BATCH);
		lookUp(session, context, some);
		await decide(test, some, found);
		await turn();
	}
	return found.sort((a, b) => a.number - b.number);
}

function contextOf(
	session: Session,
	{ known: { uids }, mailbox, saved }: Selected,
): SearchContext {
	const { surroundings } = session;
	const { texts } = surroundings;
	const { id } = accountOf(session);
	const facts: Facts = {
		batch: [],
		batchAt: new Uint32Array(uids.length + 1),
		headers: [],
		orderings: [],
		texts: [],
		textAt: new Uint32Array(uids.length + 1),
	};
	// A message in which several keys look is read once.
	const reads = new Map<Uid, Promise<readonly boolean[]>>();
	const context: SearchContext = {
		surroundings,
		lastNumber: uids.length,
		lastUid: uids.at(-1) ?? 0,
		nowMilliseconds: surroundings.clock.now(),
		changed: (modSeq) => changedFrom(mailbox, modSeq),
		isSaved: (uid) => indexOf(saved, uid) >= 0,
		facts,
		sought: [],
		uses: new Set(),
		read({ uid, message }) {
			const [oldest] = reads.keys();
			if (oldest !== undefined && reads.size > READS_KEPT) reads.delete(oldest);
			const holds =
				reads.get(uid) ?? texts.read(id, message.body, context.sought);
			reads.set(uid, holds);
			return holds;
		},
	};
	return context;
}

/** Asks of each combination of flags once: there are few. */
function hitsByFlags(
	session: Session,
	selected: Selected,
	key: Key,
	byFlags: (flags: readonly string[]) => boolean,
): Hit[] {
	const hits: Hit[] = [];
	const { mailbox, known } = selected;
	const { uids } = known;
	const answers = new Map<readonly string[], boolean>();
	let before: readonly string[] | undefined;
	let is = false;
	for (const [from, to] of lookedAt(session, selected, key).spans)
		for (let index = from; index < to; index++) {
			const uid = uids[index] as Uid;
			const flags = mailbox.flagsOf(uid);
			if (flags === undefined) continue;
			if (flags !== before) {
				before = flags;
				is = answers.get(flags) ?? byFlags(flags);
				answers.set(flags, is);
			}
			if (is) hits.push({ number: index + 1, uid });
		}
	return hits;
}

/** What the view decides: those found, and those that must be looked at more closely. */
async function byView(
	session: Session,
	selected: Selected,
	key: Key,
	test: Test,
): Promise<{ found: Candidate[]; open: Candidate[] }> {
	const found: Candidate[] = [];
	const open: Candidate[] = [];
	const { mailbox, known } = selected;
	const { uids } = known;
	for (const [from, to] of lookedAt(session, selected, key).spans)
		for (let index = from; index < to; index++) {
			const uid = uids[index] as Uid;
			const message = mailbox.get(uid);
			if (message === undefined) continue;
			const candidate: Candidate = { number: index + 1, uid, message };
			const result = test.now(candidate);
			if (result === undefined) open.push(candidate);
			else if (result) found.push(candidate);
			if (index % CANDIDATES_PER_TURN === CANDIDATES_PER_TURN - 1) await turn();
		}
	return { found, open };
}

async function askIndex(
	session: Session,
	{ surroundings, sought, facts }: SearchContext,
	open: readonly Candidate[],
): Promise<Facts["texts"]> {
	if (sought.length === 0) return [];
	const bodies: BodyRef[] = [];
	for (let at = 0; at < open.length; at++) {
		const { number, message } = open[at] as Candidate;
		facts.textAt[number] = at;
		bodies.push(message.body);
	}
	return surroundings.texts.known(accountOf(session).id, bodies, sought);
}

/** Those that the index does not decide; adds the ones that it finds. */
function undecided(
	test: Test,
	open: readonly Candidate[],
	found: Candidate[],
): Candidate[] {
	return open.filter((candidate) => {
		const result = test.now(candidate);
		if (result === true) found.push(candidate);
		return result === undefined;
	});
}

/** Headers, where a test uses them; those of a batch replace those of the one before. */
function lookUp(
	{ surroundings: { structures } }: Session,
	{ facts, uses }: SearchContext,
	some: readonly Candidate[],
): void {
	const messages = some.map(({ message }) => message);
	for (const { number } of facts.batch) facts.batchAt[number] = 0;
	facts.batch = some;
	for (let at = 0; at < some.length; at++)
		facts.batchAt[(some[at] as Candidate).number] = at + 1;
	if (uses.has("headers")) facts.headers = structures.cachedHeaders(messages);
	if (uses.has("orderings"))
		facts.orderings = structures.cachedOrderings(messages);
}

/** Adds those that fulfil the test; some messages at a time are read. */
async function decide(
	test: Test,
	some: readonly Candidate[],
	found: Candidate[],
): Promise<void> {
	let reading: Promise<void>[] = [];
	let readingBytes = 0;
	for (const candidate of some) {
		const result = test.now(candidate);
		if (result === true) found.push(candidate);
		if (result !== undefined) continue;
		reading.push(
			test.later(candidate).then((is) => {
				if (is) found.push(candidate);
			}),
		);
		readingBytes += candidate.message.body.sizeBytes;
		if (
			reading.length < IMAP_READ_AHEAD_COUNT &&
			readingBytes < IMAP_READ_AHEAD_BYTES
		)
			continue;
		await Promise.all(reading);
		reading = [];
		readingBytes = 0;
	}
	await Promise.all(reading);
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
