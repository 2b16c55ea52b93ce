import type { Placed } from "../../../sync/api.ts";
import { ClientFault } from "../../../sync/faults.ts";
import type { Uid } from "../../../sync/ids.ts";
import { Refusal } from "../answer.ts";
import { requireFew } from "../message-limit.ts";
import { decodeName } from "../names.ts";
import type { Target } from "../selected.ts";
import { format } from "../sequence-set.ts";
import { type Completion, type Invocation, selectedOf } from "../session.ts";

/** COPY, RFC 3501 §6.4.7, with COPYUID (RFC 4315 §3). */
export async function copy(
	invocation: Invocation,
): Promise<Completion | undefined> {
	const { target, targets, someGone } = parseTransfer(invocation);
	// RFC 3501 §6.4.7: all or nothing.
	if (someGone && !invocation.byUid)
		throw new Refusal("NO", "EXPUNGEISSUED", "Some of the messages are gone");
	if (targets.length === 0) return undefined;
	const { mailbox } = selectedOf(invocation.session);
	const placed = await orTryCreate(mailbox.copy(uidsOf(targets), target));
	return { code: copyUid(placed, targets) };
}

/** `set SP mailbox` of COPY and MOVE, and what it names. */
export function parseTransfer({ parser, session, byUid }: Invocation): {
	target: string;
	targets: readonly Target[];
	someGone: boolean;
} {
	const set = parser.sequenceSet();
	parser.space();
	const octets = parser.astring("a mailbox name");
	parser.end();
	const target = decodeName(octets, session);
	const found = selectedOf(session).targets(set, byUid);
	requireFew(session, found.targets);
	return { target, ...found };
}

export const uidsOf = (targets: readonly Target[]): Uid[] =>
	targets.map(({ message }) => message.uid);

/** A missing target is to be answered with TRYCREATE (RFC 3501 §6.4.7). */
export async function orTryCreate<T>(work: Promise<T>): Promise<T> {
	try {
		return await work;
	} catch (error) {
		if (error instanceof ClientFault && error.code === "NONEXISTENT")
			throw new Refusal("NO", "TRYCREATE", error.message);
		throw error;
	}
}

/** The response code, in the UIDs under which the client knows the messages; undefined when the new ones are not known yet. */
export function copyUid(
	placed: Placed & { readonly from: readonly Uid[] },
	targets: readonly Target[],
): string | undefined {
	if (placed.uids === undefined || placed.uids.length === 0) return undefined;
	const told = new Map(targets.map(({ uid, message }) => [message.uid, uid]));
	const from = placed.from.map((uid) => told.get(uid) ?? uid);
	return `COPYUID ${placed.uidValidity} ${format(from)} ${format(placed.uids)}`;
}
