import { IMAP_NOTIFY_GROUPS_MAX } from "../../../sync/limits.ts";
import { Refusal } from "../answer.ts";
import { type FetchItems, parseFetchItems } from "../fetch/items.ts";
import { decodeName } from "../names.ts";
import { type EventGroup, Notifier, type NotifyEvent } from "../notify.ts";
import { ParseFault, type Parser } from "../parser.ts";
import type { Completion, Invocation, Session } from "../session.ts";
import { tell } from "../tell.ts";

/** As they are written. */
const events: Readonly<Record<NotifyEvent, string>> = {
	MESSAGENEW: "MessageNew",
	MESSAGEEXPUNGE: "MessageExpunge",
	FLAGCHANGE: "FlagChange",
	MAILBOXNAME: "MailboxName",
	SUBSCRIPTIONCHANGE: "SubscriptionChange",
	MAILBOXMETADATACHANGE: "MailboxMetadataChange",
	SERVERMETADATACHANGE: "ServerMetadataChange",
};
const ofMessages: ReadonlySet<NotifyEvent> = new Set([
	"MESSAGENEW",
	"MESSAGEEXPUNGE",
	"FLAGCHANGE",
]);
const isEvent = (word: string): word is NotifyEvent =>
	Object.hasOwn(events, word);

const filters: readonly EventGroup["filter"][] = [
	"SELECTED",
	"SELECTED-DELAYED",
	"INBOXES",
	"PERSONAL",
	"SUBSCRIBED",
	"SUBTREE",
	"MAILBOXES",
];

/** NOTIFY, RFC 5465 §3. */
export async function notify({
	parser,
	session,
}: Invocation): Promise<Completion | undefined> {
	const word = parser.word("SET or NONE");
	if (word === "NONE") {
		parser.end();
		session.notify(await Notifier.start(session, [], false));
		return undefined;
	}
	if (word !== "SET") throw new ParseFault("expected SET or NONE");
	parser.space();
	const withStatus = !parser.atList;
	if (withStatus) {
		if (parser.word("STATUS") !== "STATUS")
			throw new ParseFault("expected STATUS or a group of events");
		parser.space();
	}
	const groups: EventGroup[] = [];
	do {
		if (groups.length >= IMAP_NOTIFY_GROUPS_MAX)
			throw new Refusal("NO", "NOTIFICATIONOVERFLOW", "Too many groups");
		groups.push(parseGroup(parser, session));
	} while (parser.take(" ") && !parser.atEnd);
	parser.end();
	const selecting = groups.filter(({ filter }) =>
		filter.startsWith("SELECTED"),
	);
	if (selecting.length > 1)
		throw new ParseFault("the selected mailbox is named twice");
	// An implicit NOOP (RFC 5465 §3.1).
	await tell(session, true);
	session.notify(await Notifier.start(session, groups, withStatus));
	return undefined;
}

/** `(mailboxes (INBOX Sent) (MessageNew MessageExpunge))` */
function parseGroup(parser: Parser, session: Session): EventGroup {
	parser.expect("(", "a group of events");
	const word = parser.word("which mailboxes");
	const filter = filters.find((one) => one === word);
	if (filter === undefined) throw new ParseFault("unknown kind of mailboxes");
	parser.space();
	let names: string[] = [];
	if (filter === "SUBTREE" || filter === "MAILBOXES") {
		const name = () => decodeName(parser.astring("a mailbox name"), session);
		names = parser.atList ? parser.list("mailbox names", name) : [name()];
		parser.space();
	}
	const { wanted, items } = parseEvents(parser, filter.startsWith("SELECTED"));
	parser.expect(")", '")" after a group of events');
	return { filter, names, events: wanted, items };
}

function parseEvents(
	parser: Parser,
	isSelected: boolean,
): { wanted: ReadonlySet<NotifyEvent>; items: FetchItems | undefined } {
	const wanted = new Set<NotifyEvent>();
	let items: FetchItems | undefined;
	const take = () => {
		const word = parser.word("an event");
		// RFC 5465 §3.1: NO, not BAD, with all that there are.
		if (!isEvent(word))
			throw new Refusal(
				"NO",
				`BADEVENT (${Object.values(events).join(" ")})`,
				"Such events are not told",
			);
		wanted.add(word);
		if (word !== "MESSAGENEW" || !isSelected) return;
		const at = parser.at;
		if (parser.take(" ") && parser.atList) items = parseFetchItems(parser);
		else parser.at = at;
	};
	if (parser.atList) parser.list("events", take);
	else if (parser.word("events") !== "NONE")
		throw new ParseFault("expected events or NONE");
	check(wanted, isSelected);
	return { wanted, items };
}

/** RFC 5465 §5, §6.1 */
function check(wanted: ReadonlySet<NotifyEvent>, isSelected: boolean): void {
	const comes = wanted.has("MESSAGENEW");
	if (
		comes !== wanted.has("MESSAGEEXPUNGE") ||
		(wanted.has("FLAGCHANGE") && !comes)
	)
		throw new ParseFault("MessageNew and MessageExpunge belong together");
	if (isSelected && ![...wanted].every((event) => ofMessages.has(event)))
		throw new ParseFault("the selected mailbox has events of messages only");
}
