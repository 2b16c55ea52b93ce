import {
	decodeOctets,
	encodeName,
	SEPARATOR,
	type Spelling,
} from "../names.ts";
import { matches } from "../patterns.ts";
import { accountOf, type Invocation } from "../session.ts";

/** LSUB, RFC 3501 §6.3.9. */
export function lsub({ parser, session }: Invocation): undefined {
	const reference = parser.astring("a reference name");
	parser.space();
	const octets = parser.listMailbox();
	parser.end();
	const pattern = decodeOctets(reference + octets, session);
	if (pattern === undefined) return;
	const names = accountOf(session).subscriptions();
	for (const name of names)
		if (matches(name, pattern)) session.output.text(line("", name, session));
	for (const name of parentsOf(names, pattern))
		session.output.text(line("\\Noselect", name, session));
}

const line = (attributes: string, name: string, spelling: Spelling) =>
	`* LSUB (${attributes}) "${SEPARATOR}" ${encodeName(name, spelling)}\r\n`;

/** With "%", parents of subscribed names stand for them. */
function parentsOf(names: readonly string[], pattern: string): Set<string> {
	const parents = new Set<string>();
	if (!pattern.endsWith("%")) return parents;
	const subscribed = new Set(names);
	for (const name of names)
		for (
			let end = name.indexOf(SEPARATOR);
			end > 0;
			end = name.indexOf(SEPARATOR, end + 1)
		) {
			const parent = name.slice(0, end);
			if (!subscribed.has(parent) && matches(parent, pattern))
				parents.add(parent);
		}
	return parents;
}
