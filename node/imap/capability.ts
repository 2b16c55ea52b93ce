/** What the server promises, by state (RFC 3501 §6.1.1): exactly what is there. */
import { MESSAGE_BYTES_MAX } from "../../sync/limits.ts";
import type { Session, Surroundings } from "./session.ts";

const BEFORE_LOGIN = [
	"IMAP4rev1",
	"IMAP4rev2",
	"LITERAL+",
	"SASL-IR",
	"ENABLE",
	"ID",
];

const AFTER_LOGIN = [
	...BEFORE_LOGIN.filter((name) => name !== "SASL-IR"),
	"IDLE",
	"NAMESPACE",
	"CHILDREN",
	"SPECIAL-USE",
	"LIST-EXTENDED",
	"LIST-STATUS",
	"STATUS=SIZE",
	"COMPRESS=DEFLATE",
	"QUOTA",
	"QUOTA=RES-STORAGE",
	"QUOTA=RES-MESSAGE",
	"METADATA",
	"UNSELECT",
	"UIDPLUS",
	"MOVE",
	"MULTIAPPEND",
	`APPENDLIMIT=${MESSAGE_BYTES_MAX}`,
	"ESEARCH",
	"WITHIN",
	"SORT",
	"SORT=DISPLAY",
	"THREAD=ORDEREDSUBJECT",
	"THREAD=REFERENCES",
	"CONDSTORE",
	"QRESYNC",
	"SEARCHRES",
	"ESORT",
	"PARTIAL",
	"UIDONLY",
	"UTF8=ACCEPT",
	"REPLACE",
	"CATENATE",
	"CREATE-SPECIAL-USE",
	"NOTIFY",
	"INPROGRESS",
	"BINARY",
	"OBJECTID",
	"PREVIEW",
	"SAVEDATE",
];

const LOGINS = ["AUTH=PLAIN", "AUTH=LOGIN", "AUTH=SCRAM-SHA-256"];

const afterLogin = ({
	messagesPerCommandMax,
	allowUnauthenticate,
}: Surroundings): string =>
	[
		...AFTER_LOGIN,
		`MESSAGELIMIT=${messagesPerCommandMax}`,
		...(allowUnauthenticate ? ["UNAUTHENTICATE"] : []),
	].join(" ");

/** The capabilities of the session as it is now, separated by spaces. */
export function capabilities(session: Session): string {
	if (session.account !== undefined) return afterLogin(session.surroundings);
	const names = [...BEFORE_LOGIN];
	if (!session.transport.isSecure()) names.push("STARTTLS");
	// RFC 3501 §6.2.3
	if (session.mayLogin) names.push(...LOGINS);
	else names.push("LOGINDISABLED");
	if (session.mayLogin && session.transport.isSecure())
		names.push("AUTH=SCRAM-SHA-256-PLUS");
	return names.join(" ");
}
