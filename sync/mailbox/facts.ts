/** Immutable facts of an entry, as they lie in its segment and in its row: a text that is looked at far more often than taken apart. */
import type { EntryId, MailboxId } from "../ids.ts";
import type { BodyRef } from "../ports/bodies.ts";

export interface Facts {
	readonly body: BodyRef;
	readonly internalDateMilliseconds: number;
	readonly savedMilliseconds: number;
	/** What it was moved from (rule 17). */
	readonly from: readonly [MailboxId, EntryId] | null;
}

/** A JSON array, to be short; as JSON.stringify() makes it, in a third of the time: there is one a message. */
export function encodeFacts(facts: Facts): string {
	const { body, internalDateMilliseconds, savedMilliseconds, from } = facts;
	const { hash, sizeBytes, blob } = body;
	const times = `${timeOf(internalDateMilliseconds)},${timeOf(savedMilliseconds)}`;
	const text = `["${hash}",${sizeBytes},${driveQuoted(body.drive)},[${blob[0]},${blob[1]},${blob[2]},${blob[3]}],${times},${
		from === null ? "null" : JSON.stringify(from)
	}]`;
	// Whoever folds what is written here will ask for it.
	lastDecoded = {
		text,
		facts: { body, internalDateMilliseconds, savedMilliseconds, from },
	};
	return text;
}

/** JSON has no word for NaN but null. */
const timeOf = (milliseconds: number): string =>
	Number.isFinite(milliseconds) ? String(milliseconds) : "null";

function driveQuoted(drive: string): string {
	if (lastDrive.drive !== drive)
		lastDrive = { drive, quoted: JSON.stringify(drive) };
	return lastDrive.quoted;
}
let lastDrive = { drive: "", quoted: '""' };

/** Facts are looked at by several who do not know of each other while a batch is made. */
const decoded = new Map<string, Facts>();
const DECODED_MAX = 4_000;

export function decodeFacts(text: string): Facts {
	// Those of one entry are asked for several times on end.
	if (text === lastDecoded?.text) return lastDecoded.facts;
	let facts = decoded.get(text);
	if (facts === undefined) {
		facts = parseFacts(text);
		if (decoded.size >= DECODED_MAX) decoded.clear();
		decoded.set(text, facts);
	}
	lastDecoded = { text, facts };
	return facts;
}
let lastDecoded: { readonly text: string; readonly facts: Facts } | undefined;

function parseFacts(text: string): Facts {
	const [hash, sizeBytes, drive, blob, internalDate, saved, from] =
		JSON.parse(text);
	return {
		body: { hash, sizeBytes, drive: driveShared(drive), blob },
		internalDateMilliseconds: internalDate,
		savedMilliseconds: saved,
		from,
	};
}

/** The one string for the name of a drive: all bodies of a node lie in few, and a mailbox has many. */
const drives = new Map<string, string>();
const DRIVES_MAX = 1_000;

function driveShared(drive: string): string {
	const shared = drives.get(drive);
	if (shared !== undefined) return shared;
	if (drives.size >= DRIVES_MAX) drives.clear();
	drives.set(drive, drive);
	return drive;
}

/**
 * Whether facts begin with the 64 letters of the hash as they are, and not spaced or escaped: what is asked of each message
 * of a batch is read off there. No facts are folded whose hash is no hash: where a text of 64 letters ends, none was escaped.
 */
const startsPlain = (facts: string): boolean =>
	facts.charCodeAt(0) === BRACKET &&
	facts.charCodeAt(1) === QUOTE &&
	facts.charCodeAt(SIZE_AT - 2) === QUOTE &&
	facts.charCodeAt(SIZE_AT - 1) === COMMA;
const BRACKET = 0x5b;
const QUOTE = 0x22;
const COMMA = 0x2c;
const HASH_AT = 2;
const SIZE_AT = 68;
const ZERO = 0x30;

/** What a claim says of the body that it is made for. */
export const bodyTag = (facts: string): string =>
	startsPlain(facts)
		? facts.slice(HASH_AT, HASH_AT + BODY_TAG_LENGTH)
		: decodeFacts(facts).body.hash.slice(0, BODY_TAG_LENGTH);
const BODY_TAG_LENGTH = 16;

/** Of the body. */
export function bytesOf(facts: string): number {
	if (!startsPlain(facts)) return decodeFacts(facts).body.sizeBytes;
	let bytes = 0;
	for (let at = SIZE_AT; ; at++) {
		const letter = facts.charCodeAt(at);
		if (letter === COMMA && at > SIZE_AT) return bytes;
		const digit = letter - ZERO;
		// A number can be written otherwise; beyond the end there is none.
		if (!(digit >= 0 && digit <= 9)) return decodeFacts(facts).body.sizeBytes;
		bytes = bytes * 10 + digit;
	}
}
