/** What an account holds and may hold (RFC 9208): summed over live entries of all its mailboxes, as this node knows them. */
import type { Quota, QuotaLimits } from "../api.ts";
import { accountDocument, keys } from "../documents/shapes.ts";
import { ClientFault } from "../faults.ts";
import type { AccountId, MailboxId } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import type { Transaction } from "../log/ledger.ts";
import { type BoxRow, getBox } from "../mailbox/rows.ts";
import type { Context } from "./context.ts";

export const NO_LIMITS: QuotaLimits = {
	storageBytesMax: undefined,
	messagesMax: undefined,
};

/** As of the last commit. */
export const quotaOf = (context: Context, account: AccountId): Quota =>
	sum(context, account, (mailbox) => context.mailboxes.box(mailbox));

function sum(
	{ accounts }: Context,
	account: AccountId,
	boxOf: (mailbox: MailboxId) => BoxRow,
): Quota {
	const state = accounts.get(account);
	let storageBytes = 0;
	let messages = 0;
	for (const { id } of state.mailboxes()) {
		const box = boxOf(id);
		storageBytes += box.liveBytes;
		messages += box.live;
	}
	return { storageBytes, messages, ...state.quota };
}

/** Why so much more does not fit; undefined: it does. Within `batch`: with what the same commit brings. */
function lack(
	context: Context,
	account: AccountId,
	sizeBytes: number,
	messages: number,
	batch?: Batch,
): string | undefined {
	const { storageBytesMax, messagesMax } = context.accounts.get(account).quota;
	// Most accounts: nothing is summed.
	if (storageBytesMax === undefined && messagesMax === undefined)
		return undefined;
	const held =
		batch === undefined
			? quotaOf(context, account)
			: sum(context, account, (mailbox) => getBox(batch, mailbox));
	if (held.storageBytes + sizeBytes > (storageBytesMax ?? Infinity))
		return "the account has no room for it";
	if (held.messages + messages > (messagesMax ?? Infinity))
		return "the account holds too many messages";
	return undefined;
}

export const hasRoom = (
	context: Context,
	account: AccountId,
	sizeBytes: number,
): boolean => lack(context, account, sizeBytes, 1) === undefined;

/** Throws ClientFault OVERQUOTA when so much more does not fit. */
export function checkRoom(
	context: Context,
	account: AccountId,
	sizeBytes: number,
	messages: number,
	batch?: Batch,
): void {
	const why = lack(context, account, sizeBytes, messages, batch);
	if (why !== undefined) throw new ClientFault("OVERQUOTA", why);
}

export function writeQuota(
	tx: Transaction,
	account: AccountId,
	limits: QuotaLimits,
): void {
	const { storageBytesMax, messagesMax } = limits;
	for (const [key, value] of [
		[keys.quota("storage"), storageBytesMax],
		[keys.quota("message"), messagesMax],
	] as const)
		tx.edit(
			accountDocument(account),
			value === undefined ? { key, remove: true } : { key, set: value },
		);
}
