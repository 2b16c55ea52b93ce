import { Refusal } from "../answer.ts";
import { arrived, takeMessage } from "../append-data.ts";
import { decodeName } from "../names.ts";
import type { SequenceSet } from "../sequence-set.ts";
import {
	accountOf,
	type Completion,
	type Invocation,
	writableOf,
} from "../session.ts";
import { appendUid } from "./append.ts";
import { orTryCreate } from "./copy.ts";
import { highestModSeq } from "./expunge.ts";

/** REPLACE, RFC 8508: the new message comes and the old one goes in one step. */
export async function replace(invocation: Invocation): Promise<Completion> {
	const { parser, session, byUid } = invocation;
	const number = parser.number("a message number");
	parser.space();
	const octets = parser.astring("a mailbox name");
	const selected = writableOf(session);
	const name = decodeName(octets, session);
	if (accountOf(session).find(name) === undefined)
		throw new Refusal("NO", "TRYCREATE", "No such mailbox");
	const set: SequenceSet = [{ from: number, to: number }];
	const [target] = selected.targets(set, byUid).targets;
	if (target === undefined)
		throw new Refusal("NO", "NONEXISTENT", "There is no such message");
	const { message, rest } = await takeMessage(invocation, parser);
	rest.end();
	const placed = await orTryCreate(
		selected.mailbox.replace(target.message.uid, name, await arrived(message)),
	);
	session.notifier?.ownArrivals(
		accountOf(session).find(name)?.id,
		placed.uids,
		message.flags.includes("\\Seen") ? 0 : 1,
	);
	const code = appendUid(placed);
	// RFC 8508 §4.3: before the EXPUNGE.
	if (code !== undefined) session.output.text(`* OK [${code}] Replaced\r\n`);
	return { code: () => highestModSeq(session) };
}
