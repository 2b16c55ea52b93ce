import type { Placed } from "../../../sync/api.ts";
import { ClientFault } from "../../../sync/faults.ts";
import type { Uid } from "../../../sync/ids.ts";
import { Refusal } from "../answer.ts";
import { requireFew } from "../message-limit.ts";
import { decodeName } from "../names.ts";
import type { Target } from "../selected.ts";
import { format } from "../sequence-set.ts";
import {
	accountOf,
	type Completion,
	type Invocation,
	type Session,
	selectedOf,
} from "../session.ts";

/** COPY, RFC 3501 §6.4.7, with COPYUID (RFC 4315 §3). */
export async function copy(
	invocation: Invocation,
): Promise<Completion | undefined> {
	const { target, targets, someGone } = parseTransfer(invocation);
	requireFew(invocation.session, targets);
	// RFC 3501 §6.4.7: all or nothing.
	if (someGone && !invocation.byUid)
		throw new Refusal("NO", "EXPUNGEISSUED", "Some of the messages are gone");
	if (targets.length === 0) return undefined;
	const { mailbox } = selectedOf(invocation.session);
	const placed = await orTryCreate(mailbox.copy(uidsOf(targets), target));
	noteOwn(invocation.session, target, placed, targets);
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

/** The client need not be told of what it brought to another mailbox itself (RFC 5465 §5). */
export function noteOwn(
	session: Session,
	name: string,
	{ uids, from }: Placed & { readonly from: readonly Uid[] },
	targets: readonly Target[],
): void {
	if (session.notifier === undefined) return;
	const there = new Set(from);
	const unseen = targets.filter(
		({ message: { uid, flags } }) =>
			there.has(uid) && !flags.includes("\\Seen"),
	);
	const id = accountOf(session).find(name)?.id;
	session.notifier.ownArrivals(id, uids, unseen.length);
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
