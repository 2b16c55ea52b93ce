import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { capabilities } from "../../../node/imap/capability.ts";
import { Session } from "../../../node/imap/session.ts";

/** A session as far as its promises go. */
const session = (
	isSecure: boolean,
	isLoopback: boolean,
	allowPlaintextAuth = false,
): Session => {
	const surroundings = {
		allowPlaintextAuth,
		allowUnauthenticate: true,
		messagesPerCommandMax: 1_000,
	};
	const transport = { isSecure: () => isSecure, isLoopback };
	const nothing = undefined as never;
	return new Session(
		surroundings as never,
		transport as never,
		nothing,
		nothing,
	);
};

describe("before login", () => {
	test.each([
		// secure, loopback, allowed; STARTTLS, AUTH=PLAIN
		[false, false, false, true, false],
		[false, true, false, true, true],
		[false, false, true, true, true],
		[true, false, false, false, true],
		[true, true, true, false, true],
	])(
		"secure %s, loopback %s, allowed %s",
		(secure, loopback, allowed, startTls, plain) => {
			const names = capabilities(session(secure, loopback, allowed)).split(" ");
			expect(names.includes("STARTTLS")).toBe(startTls);
			expect(names.includes("AUTH=PLAIN")).toBe(plain);
			expect(names.includes("LOGINDISABLED")).toBe(!plain);
		},
	);
});

/** A command that uses what is promised; each stands in a transcript. */
const uses: Readonly<Record<string, RegExp>> = {
	IMAP4rev1: / SEARCH ALL/,
	IMAP4rev2: / ENABLE IMAP4rev2/,
	"LITERAL+": /\{\d+\+\}/,
	ENABLE: / ENABLE /,
	ID: / ID \(/,
	IDLE: / IDLE/,
	NAMESPACE: / NAMESPACE/,
	CHILDREN: / LIST .*RETURN \(CHILDREN/,
	"SPECIAL-USE": / LIST \(SPECIAL-USE\)/,
	"LIST-EXTENDED": / LIST \(SUBSCRIBED/,
	"LIST-STATUS": / LIST .*STATUS \(/,
	"STATUS=SIZE": / STATUS .*SIZE/,
	"COMPRESS=DEFLATE": / COMPRESS DEFLATE/,
	QUOTA: / GETQUOTA /,
	"QUOTA=RES-STORAGE": /STORAGE/,
	"QUOTA=RES-MESSAGE": /MESSAGE/,
	METADATA: / GETMETADATA /,
	UNSELECT: / UNSELECT/,
	UIDPLUS: / UID EXPUNGE /,
	MOVE: / MOVE /,
	MULTIAPPEND: /one \(\\Flagged\) \{3\+\}/,
	APPENDLIMIT: / STATUS .*APPENDLIMIT/,
	ESEARCH: / SEARCH RETURN \(MIN/,
	WITHIN: / YOUNGER /,
	SORT: / SORT \(/,
	"SORT=DISPLAY": /DISPLAYFROM/,
	"THREAD=ORDEREDSUBJECT": / THREAD ORDEREDSUBJECT/,
	"THREAD=REFERENCES": / THREAD REFERENCES/,
	CONDSTORE: /\(UNCHANGEDSINCE /,
	QRESYNC: /\(QRESYNC \(/,
	SEARCHRES: /RETURN \(SAVE/,
	ESORT: / SORT RETURN \(/,
	PARTIAL: /\(PARTIAL /,
	UIDONLY: / ENABLE UIDONLY/,
	"UTF8=ACCEPT": / ENABLE UTF8=ACCEPT/,
	REPLACE: / REPLACE /,
	CATENATE: / CATENATE \(/,
	"CREATE-SPECIAL-USE": / CREATE .*\(USE \(/,
	NOTIFY: / NOTIFY SET /,
	// test/unit/imap/long-commands.test.ts
	INPROGRESS: / SEARCH /,
	MESSAGELIMIT: / SEARCH /,
	BINARY: /BINARY\.SIZE\[/,
	OBJECTID: / STATUS .*MAILBOXID/,
	PREVIEW: /PREVIEW/,
	SAVEDATE: /SAVEDATE/,
	UNAUTHENTICATE: / UNAUTHENTICATE/,
};

test("what is promised is used in a transcript", () => {
	const folder = new URL("../../transcripts/", import.meta.url);
	const lines = readdirSync(folder)
		.filter((name) => name.endsWith(".txt"))
		.flatMap((name) => readFileSync(new URL(name, folder), "utf8").split("\n"))
		.filter((line) => line.startsWith("C"));
	const after = session(true, false);
	after.account = {} as never;
	for (const promise of capabilities(after).split(" ")) {
		const name = Object.hasOwn(uses, promise)
			? promise
			: (promise.split("=")[0] ?? "");
		const use = uses[name];
		expect(use, promise).toBeDefined();
		expect(
			lines.some((line) => use?.test(line)),
			`${promise} is in no transcript`,
		).toBe(true);
	}
});
