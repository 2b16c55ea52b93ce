import { enableCondstore } from "../condstore.ts";
import type { Extension, Invocation, Session } from "../session.ts";

/** What can be enabled, by its name in upper case. */
const extensions: ReadonlySet<string> = new Set<Extension>([
	"CONDSTORE",
	"QRESYNC",
	"IMAP4REV2",
	"UTF8=ACCEPT",
	"UIDONLY",
]);

const isExtension = (name: string): name is Extension => extensions.has(name);

/** ENABLE, RFC 5161. Names that are unknown, or enabled already, are passed over (§3.1). */
export function enable({ parser, session }: Invocation): undefined {
	const asked: Extension[] = [];
	do {
		const name = parser.word("a capability");
		if (isExtension(name)) asked.push(name);
	} while (parser.take(" "));
	parser.end();
	const before = new Set(session.enabled);
	for (const one of asked) turnOn(session, one);
	// RFC 5161 §3.2: also those that another of them had turned on already.
	const enabled = [...new Set(asked)].filter((one) => !before.has(one));
	session.output.text(
		`* ENABLED${enabled.map((name) => ` ${spelt(name)}`).join("")}\r\n`,
	);
}

/** As the RFCs write it. */
const spelt = (name: Extension): string =>
	name === "IMAP4REV2" ? "IMAP4rev2" : name;

function turnOn(session: Session, extension: Extension): void {
	// RFC 7162 §3.2.3: it implies the other.
	if (extension === "CONDSTORE" || extension === "QRESYNC")
		enableCondstore(session);
	session.enabled.add(extension);
}
