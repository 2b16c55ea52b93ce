/** Making, renaming and deleting mailboxes of one account (mailbox-consistency.md, appendix). */
import type { Role } from "../api.ts";
import { accountDocument, keys } from "../documents/shapes.ts";
import { ClientFault, Temporary } from "../faults.ts";
import { type AccountId, deriveId, type MailboxId } from "../ids.ts";
import {
	MAILBOX_DEPTH_MAX,
	MAILBOX_NAME_BYTES_MAX,
	MAILBOXES_MAX,
} from "../limits.ts";
import type { Transaction } from "../log/ledger.ts";
import { boxKey, getBox } from "../mailbox/rows.ts";
import { clockCounter, nextUid, STAMPS_PER_SECOND } from "../mailbox/slots.ts";
import { DELIMITER, type NameRegister, splitName } from "../mailbox/tree.ts";
import type { AccountMailbox } from "./accounts.ts";
import type { Context } from "./context.ts";

/** Above all stamps of the account's registers, and about the clock, to the half millisecond: who renames later wins. */
export const nextStamp = (context: Context, account: AccountId): number =>
	Math.max(
		context.accounts.get(account).highestStamp + 1,
		clockCounter(context.clock.now()),
	);

/**
 * Claimed as a UID is, above all known in the account, and not below the seconds since 2025: a mailbox of an account
 * that was removed and made again has another UIDVALIDITY than its predecessor.
 */
export function claimUidValidity(
	tx: Transaction,
	context: Context,
	account: AccountId,
	mailbox: MailboxId,
): void {
	const seconds = Math.floor(
		clockCounter(context.clock.now()) / STAMPS_PER_SECOND,
	);
	const above = Math.max(
		context.accounts.get(account).highestUidValidity,
		seconds,
	);
	const value = nextUid(above, context.slots());
	if (value === undefined)
		throw new Temporary("no UIDVALIDITY is left in this account");
	tx.edit(accountDocument(account), {
		key: keys.uidValidity(mailbox, value),
		set: true,
	});
}

export function subscribeEdit(
	tx: Transaction,
	account: AccountId,
	name: string,
	on: boolean,
): void {
	const key = keys.subscription(deriveId("subscription", name));
	tx.edit(
		accountDocument(account),
		on ? { key, add: name } : { key, remove: true },
	);
}

export function checkName(name: string): string[] {
	const leaves = splitName(name);
	if (Buffer.byteLength(name) > MAILBOX_NAME_BYTES_MAX)
		throw new ClientFault("LIMIT", "the mailbox name is too long");
	if (leaves.length > MAILBOX_DEPTH_MAX)
		throw new ClientFault("LIMIT", "the mailbox name has too many levels");
	if (leaves.some((leaf) => leaf === "" || /[\p{Cc}*%]/u.test(leaf)))
		throw new ClientFault(
			"CANNOT",
			"a level of a mailbox name must not be empty or hold control characters, * or %",
		);
	return leaves;
}

/** Makes the mailbox and its missing parents; returns its id. The caller has seen that it does not exist. */
export function createMailbox(
	tx: Transaction,
	context: Context,
	account: AccountId,
	name: string,
	role?: Role,
): MailboxId {
	const leaves = checkName(name);
	const state = context.accounts.get(account);
	let parent: MailboxId | null = null;
	for (const [level, leaf] of leaves.entries()) {
		const full = leaves.slice(0, level + 1).join(DELIMITER);
		const there = state.mailboxes().find((mailbox) => mailbox.name === full);
		if (there !== undefined) {
			parent = there.id;
			continue;
		}
		if (state.mailboxes().length >= MAILBOXES_MAX)
			throw new ClientFault("LIMIT", "the account has too many mailboxes");
		const mailbox = newMailboxId(context, account, full);
		const isLast = level === leaves.length - 1;
		writeRegister(tx, context, account, mailbox, {
			parent,
			leaf,
			role: (isLast && role) || null,
		});
		claimUidValidity(tx, context, account, mailbox);
		parent = mailbox;
	}
	return parent as MailboxId;
}

/** Made on two sides it is one mailbox; made again after a deletion it is another. */
function newMailboxId(
	context: Context,
	account: AccountId,
	name: string,
): MailboxId {
	const state = context.accounts.get(account);
	for (let life = 0; ; life++) {
		const id = deriveId<MailboxId>("mailbox", account, name, String(life));
		if (!state.isUsed(id)) return id;
	}
}

export function writeRegister(
	tx: Transaction,
	context: Context,
	account: AccountId,
	mailbox: MailboxId,
	name: Omit<NameRegister, "stamp">,
): void {
	const register = { ...name, stamp: nextStamp(context, account) };
	tx.edit(accountDocument(account), {
		key: keys.mailboxName(mailbox),
		set: JSON.stringify(register),
	});
	const box = getBox(tx.batch, mailbox);
	box.account = account;
	tx.batch.change(boxKey(mailbox), box);
}

/** Renames a mailbox; what is below it goes along since it hangs on the id. */
export function renameMailbox(
	tx: Transaction,
	context: Context,
	account: AccountId,
	mailbox: AccountMailbox,
	to: string,
): void {
	const leaves = checkName(to);
	if (to.startsWith(mailbox.name + DELIMITER))
		throw new ClientFault("CANNOT", "a mailbox cannot be moved below itself");
	const above = leaves.slice(0, -1).join(DELIMITER);
	const there = context.accounts
		.get(account)
		.mailboxes()
		.find(({ name }) => name === above);
	const parent =
		above === ""
			? null
			: (there?.id ?? createMailbox(tx, context, account, above));
	writeRegister(tx, context, account, mailbox.id, {
		parent,
		leaf: leaves.at(-1) as string,
		role: mailbox.register.role,
		was: { parent: mailbox.register.parent, leaf: mailbox.register.leaf },
	});
}
