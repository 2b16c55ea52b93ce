import type { NewMessage } from "../../../sync/api.ts";
import {
	IMAP_APPEND_MESSAGES_MAX,
	MESSAGE_BYTES_MAX,
} from "../../../sync/limits.ts";
import type { BodyRef, BodyWriter } from "../../../sync/ports/bodies.ts";
import { Refusal } from "../answer.ts";
import { parseDateTime } from "../dates.ts";
import { parseFlagList } from "../flags.ts";
import { decodeName } from "../names.ts";
import { literalAtEnd, literalHeader, ParseFault, Parser } from "../parser.ts";
import { askFor, lineBytesMax } from "../receive.ts";
import { format } from "../sequence-set.ts";
import {
	accountOf,
	type Completion,
	type Invocation,
	type StreamedLiteral,
} from "../session.ts";
import { orTryCreate } from "./copy.ts";

/** What is taken from the client at once. */
const CHUNK_BYTES = 64 * 1024;

/**
 * APPEND, RFC 3501 §6.3.11, of several messages too (RFC 3502), with APPENDUID (RFC 4315 §3). The messages are streamed
 * to the body store as they come.
 */
export async function append(invocation: Invocation): Promise<Completion> {
	const { session } = invocation;
	const octets = invocation.parser.astring("a mailbox name");
	const account = accountOf(session);
	const name = decodeName(octets);
	// Before the client sends the message for nothing.
	if (account.find(name) === undefined)
		throw new Refusal("NO", "TRYCREATE", "No such mailbox");
	const messages: (Omit<NewMessage, "body"> & { body: Promise<BodyRef> })[] =
		[];
	let parser = invocation.parser;
	do {
		if (messages.length >= IMAP_APPEND_MESSAGES_MAX)
			throw new Refusal("NO", "LIMIT", "Too many messages in one APPEND");
		const { flags, internalDateMilliseconds } = parseOptions(parser);
		const writer = await take(invocation, nextLiteral(invocation, parser));
		// The next message comes in while this one is made durable.
		const body = writer.commit();
		body.catch(() => {});
		messages.push({ body, flags, internalDateMilliseconds });
		// What follows the message: the end, or the next one.
		const line = await session.input.line(lineBytesMax(session));
		invocation.literal = literalAtEnd(line);
		parser = new Parser(line);
	} while (!parser.atEnd);
	const stored = await Promise.all(
		messages.map(async (one) => ({ ...one, body: await one.body })),
	);
	const placed = await orTryCreate(account.append(name, stored));
	return {
		code:
			placed.uids === undefined
				? undefined
				: `APPENDUID ${placed.uidValidity} ${format(placed.uids)}`,
	};
}

/** `[SP flags] [SP date-time] SP` before a literal. */
function parseOptions(parser: Parser): {
	flags: string[];
	internalDateMilliseconds: number | undefined;
} {
	parser.space();
	let flags: string[] = [];
	let internalDateMilliseconds: number | undefined;
	if (parser.atList) {
		flags = parseFlagList(parser);
		parser.space();
	}
	if (parser.peek() === 0x22) {
		internalDateMilliseconds = parseDateTime(parser);
		parser.space();
	}
	return { flags, internalDateMilliseconds };
}

/** The literal that `parser` stands at, if a message can come as it. */
function nextLiteral(
	{ literal }: Invocation,
	{ bytes, at }: Parser,
): StreamedLiteral {
	if (literal === undefined || literalHeader(bytes, at)?.end !== bytes.length)
		throw new ParseFault("expected a message");
	if (literal.sizeBytes > MESSAGE_BYTES_MAX)
		throw new Refusal("NO", "TOOBIG", "Message is too large");
	if (literal.sizeBytes === 0)
		throw new Refusal("NO", "CANNOT", "Message is empty");
	return literal;
}

/** Takes the literal from the client into the body store. `invocation.literal` always says what is still to come. */
async function take(
	invocation: Invocation,
	literal: StreamedLiteral,
): Promise<BodyWriter> {
	const { session } = invocation;
	const { input } = session;
	const writer = session.surroundings.bodies.create();
	try {
		askFor(session, literal);
		let left = literal.sizeBytes;
		while (left > 0) {
			const chunk = await input.some(Math.min(left, CHUNK_BYTES));
			left -= chunk.length;
			// Asked for by now: the rest comes, whatever happens here.
			invocation.literal = { sizeBytes: left, nonSynchronizing: true };
			const wait = writer.write(chunk);
			if (wait !== undefined) await wait;
		}
		return writer;
	} catch (error) {
		writer.abort();
		throw error;
	}
}
