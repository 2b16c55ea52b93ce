/** LIST responses about one mailbox, told beside other commands: its name as it is, and as it was asked for or called. */
import type { MailboxInfo } from "../../sync/api.ts";
import { astring, octetsOfName, SEPARATOR } from "./names.ts";
import { accountOf, type Session } from "./session.ts";

export const hasChildren = (session: Session, name: string): boolean =>
	accountOf(session)
		.mailboxes()
		.some((other) => other.name.startsWith(`${name}${SEPARATOR}`));

/** RFC 6154 §2. */
export function roleAttribute(info: MailboxInfo | undefined): string {
	const role = info?.role;
	if (role === undefined || role === "inbox") return "";
	return `\\${role[0]?.toUpperCase()}${role.slice(1)}`;
}

/**
 * `* LIST () "/" INBOX ("OLDNAME" ("inbox"))`: the other name, in octets as they came, is told where it differs
 * (RFC 9051 §6.3.9.7).
 */
export function listLine(
	session: Session,
	info: MailboxInfo,
	otherOctets: string,
): string {
	const octets = octetsOfName(info.name, session);
	const attributes = [
		hasChildren(session, info.name) ? "\\HasChildren" : "\\HasNoChildren",
	];
	const role = roleAttribute(info);
	if (role !== "") attributes.push(role);
	return `* LIST (${attributes.join(" ")}) "${SEPARATOR}" ${astring(octets)}${oldName(octets, otherOctets)}\r\n`;
}

const oldName = (octets: string, otherOctets: string): string =>
	octets === otherOctets ? "" : ` ("OLDNAME" (${astring(otherOctets)}))`;

/** There is no mailbox of this name any more (RFC 5465 §5.4), which the client called by other octets. */
export function goneLine(
	session: Session,
	name: string,
	otherOctets = octetsOfName(name, session),
): string {
	const octets = octetsOfName(name, session);
	return `* LIST (\\NonExistent) "${SEPARATOR}" ${astring(octets)}${oldName(octets, otherOctets)}\r\n`;
}
