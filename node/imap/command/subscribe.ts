import { decodeName } from "../names.ts";
import { accountOf, type Invocation } from "../session.ts";

/** SUBSCRIBE, RFC 3501 §6.3.6. */
export const subscribe = (invocation: Invocation): Promise<undefined> =>
	set(invocation, true);

/** UNSUBSCRIBE, RFC 3501 §6.3.7. */
export const unsubscribe = (invocation: Invocation): Promise<undefined> =>
	set(invocation, false);

async function set(
	{ parser, session }: Invocation,
	on: boolean,
): Promise<undefined> {
	const octets = parser.astring("a mailbox name");
	parser.end();
	const name = decodeName(octets, session);
	await accountOf(session).subscribe(name, on);
	session.notifier?.ownSubscription(name, on);
}
