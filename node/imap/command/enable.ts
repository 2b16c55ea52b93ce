import { enableCondstore } from "../condstore.ts";
import type { Extension, Invocation, Session } from "../session.ts";

/** Names of what can be enabled, as they are answered. */
const extensions: Readonly<Record<string, Extension>> = {
	CONDSTORE: "CONDSTORE",
	QRESYNC: "QRESYNC",
};

/** ENABLE, RFC 5161. Names that are unknown, or enabled already, are passed over (§3.1). */
export function enable({ parser, session }: Invocation): undefined {
	const asked: Extension[] = [];
	do {
		const name = parser.word("a capability");
		const known = Object.hasOwn(extensions, name)
			? extensions[name]
			: undefined;
		if (known !== undefined) asked.push(known);
	} while (parser.take(" "));
	parser.end();
	const enabled = asked.filter((one) => turnOn(session, one));
	session.output.text(
		`* ENABLED${enabled.map((name) => ` ${name}`).join("")}\r\n`,
	);
}

/** False: it was on already. */
function turnOn(session: Session, extension: Extension): boolean {
	if (session.enabled.has(extension)) return false;
	// RFC 7162 §3.2.3: it implies the other.
	if (extension === "CONDSTORE" || extension === "QRESYNC")
		enableCondstore(session);
	session.enabled.add(extension);
	return true;
}
