/** Annotations of an account and its mailboxes (RFC 5464), in the account document: replicated, the latest value wins. */
import type { AnnotationChange } from "../api.ts";
import { accountDocument, keys } from "../documents/shapes.ts";
import { ClientFault } from "../faults.ts";
import type { AccountId, MailboxId } from "../ids.ts";
import {
	METADATA_BYTES_MAX,
	METADATA_ENTRIES_MAX,
	METADATA_NAME_BYTES_MAX,
	METADATA_VALUE_BYTES_MAX,
} from "../limits.ts";
import type { Transaction } from "../log/ledger.ts";
import type { Context } from "./context.ts";

/** What an annotation belongs to: a mailbox, or the account itself. */
export type Annotated = MailboxId | typeof ACCOUNT_ITSELF;
export const ACCOUNT_ITSELF = "-";

/** Name → value, for each thing that has some. */
export type Annotations = Map<string, Map<string, string>>;

export const NO_ANNOTATIONS: ReadonlyMap<string, string> = new Map();

export function setAnnotation(
	all: Annotations,
	of: string,
	name: string,
	value: string | undefined,
): void {
	const some = all.get(of) ?? new Map<string, string>();
	if (value === undefined) some.delete(name);
	else some.set(name, value);
	if (some.size > 0) all.set(of, some);
	else all.delete(of);
}

/** Checks and writes the changes, all or none. Throws ClientFault TOOBIG (a value), LIMIT (too many) or CANNOT (a name). */
export function annotate(
	tx: Transaction,
	{ accounts }: Context,
	account: AccountId,
	of: Annotated,
	changes: readonly AnnotationChange[],
): void {
	const state = accounts.get(account);
	const now = state.annotations(of);
	let { entries, bytes } = sizes(state.allAnnotations);
	for (const { name, value } of changes) {
		checkChange(name, value);
		const before = now.get(name);
		entries += Number(value !== undefined) - Number(before !== undefined);
		bytes += sizeOf(name, value) - sizeOf(name, before);
	}
	if (entries > METADATA_ENTRIES_MAX || bytes > METADATA_BYTES_MAX)
		throw new ClientFault("LIMIT", "the account has too many annotations");
	for (const { name, value } of changes) {
		const key = keys.annotation(of, name);
		if (value !== undefined)
			tx.edit(accountDocument(account), { key, set: value });
		else if (now.has(name))
			tx.edit(accountDocument(account), { key, remove: true });
	}
}

/** With a mailbox go its annotations. */
export function removeAnnotations(
	tx: Transaction,
	{ accounts }: Context,
	account: AccountId,
	of: MailboxId,
): void {
	for (const name of [...accounts.get(account).annotations(of).keys()])
		tx.edit(accountDocument(account), {
			key: keys.annotation(of, name),
			remove: true,
		});
}

function checkChange(name: string, value: string | undefined): void {
	if (value !== undefined && value.length > METADATA_VALUE_BYTES_MAX)
		throw new ClientFault("TOOBIG", "the value of an annotation is too long");
	// RFC 5464 §3.2: at least two levels, no wildcards, no empty level.
	if (
		name.length > METADATA_NAME_BYTES_MAX ||
		!/^\/(private|shared)(\/[!-$&-)+-.0-~]+)+$/.test(name)
	)
		throw new ClientFault("CANNOT", "this is no name of an annotation");
}

const sizeOf = (name: string, value: string | undefined): number =>
	value === undefined ? 0 : name.length + value.length;

function sizes(all: Annotations): { entries: number; bytes: number } {
	let entries = 0;
	let bytes = 0;
	for (const some of all.values())
		for (const [name, value] of some) {
			entries++;
			bytes += sizeOf(name, value);
		}
	return { entries, bytes };
}
