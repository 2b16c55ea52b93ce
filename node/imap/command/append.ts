import { IMAP_APPEND_MESSAGES_MAX } from "../../../sync/limits.ts";
import { Refusal } from "../answer.ts";
import { type ArrivingMessage, arrived, takeMessage } from "../append-data.ts";
import { limitCode } from "../message-limit.ts";
import { decodeName } from "../names.ts";
import { format } from "../sequence-set.ts";
import { accountOf, type Completion, type Invocation } from "../session.ts";
import { orTryCreate } from "./copy.ts";

/** APPEND, RFC 3501 §6.3.11, of several messages too (RFC 3502), with APPENDUID (RFC 4315 §3). */
export async function append(invocation: Invocation): Promise<Completion> {
	const { session } = invocation;
	const octets = invocation.parser.astring("a mailbox name");
	const account = accountOf(session);
	const name = decodeName(octets, session);
	// Before the client sends the message for nothing.
	if (account.find(name) === undefined)
		throw new Refusal("NO", "TRYCREATE", "No such mailbox");
	const messages: ArrivingMessage[] = [];
	let { parser } = invocation;
	let earlierBytes = 0;
	const max = session.surroundings.messagesPerCommandMax;
	do {
		// RFC 9738 §3.1: all of them or none.
		if (messages.length >= max)
			throw new Refusal("NO", limitCode(max), "Too many messages at once");
		if (messages.length >= IMAP_APPEND_MESSAGES_MAX)
			throw new Refusal("NO", "LIMIT", "Too many messages in one APPEND");
		let sizeBytes = 0;
		const { message, rest } = await takeMessage(invocation, parser, (bytes) => {
			sizeBytes = bytes;
			account.checkRoom(earlierBytes + bytes, messages.length + 1);
		});
		earlierBytes += sizeBytes;
		messages.push(message);
		parser = rest;
	} while (!parser.atEnd);
	const stored = await Promise.all(messages.map(arrived));
	const placed = await orTryCreate(account.append(name, stored));
	session.surroundings.texts.arrived(
		account.id,
		stored.map(({ body }) => body),
	);
	session.notifier?.ownArrivals(
		account.find(name)?.id,
		placed.uids,
		stored.filter(({ flags }) => !flags.includes("\\Seen")).length,
	);
	return { code: appendUid(placed) };
}

/** Undefined: the UIDs are not known yet. */
export const appendUid = ({
	uidValidity,
	uids,
}: {
	readonly uidValidity: number;
	readonly uids: readonly number[] | undefined;
}): string | undefined =>
	uids === undefined ? undefined : `APPENDUID ${uidValidity} ${format(uids)}`;
