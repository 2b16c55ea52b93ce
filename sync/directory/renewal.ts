/**
 * A mailbox whose UIDs are used up gives way to another one of the same name and role (rule I5): with a UIDVALIDITY above
 * all known, so that clients begin anew. The old one is deleted; what lies in it, or is brought into it by who has not
 * heard of this, is moved over like all that lies in deleted mailboxes whose name is another's now (ghosts.ts). Which
 * mailbox follows which is derived, so that renewals on two sides of a split are one.
 */
import { accountDocument, keys } from "../documents/shapes.ts";
import { Temporary } from "../faults.ts";
import { type AccountId, deriveId, type MailboxId } from "../ids.ts";
import type { Transaction } from "../log/ledger.ts";
import type { Log } from "../ports/log.ts";
import type { AccountState } from "./accounts.ts";
import { removeAnnotations } from "./annotations.ts";
import type { Context } from "./context.ts";
import { claimUidValidity, writeRegister } from "./naming.ts";

const renewedId = (mailbox: MailboxId): MailboxId =>
	deriveId<MailboxId>("renewed", mailbox);

/** The mailbox that stands for this one now: itself, or the last that was made in its place. */
export function currentOf(
	state: Pick<AccountState, "isUsed">,
	mailbox: MailboxId,
): MailboxId {
	let current = mailbox;
	for (;;) {
		const next = renewedId(current);
		if (!state.isUsed(next)) return current;
		current = next;
	}
}

/** Returns whether there was something to do. */
export function renewMailbox(
	tx: Transaction,
	context: Context,
	account: AccountId,
	id: MailboxId,
): boolean {
	const state = context.accounts.get(account);
	const mailbox = state.mailbox(id);
	const next = renewedId(id);
	// Deleted, or renewed already.
	if (mailbox === undefined || state.isUsed(next)) return false;
	const { parent, leaf, role } = mailbox.register;
	const document = accountDocument(account);
	writeRegister(tx, context, account, next, { parent, leaf, role });
	claimUidValidity(tx, context, account, next);
	for (const [name, value] of state.annotations(id))
		tx.edit(document, { key: keys.annotation(next, name), set: value });
	removeAnnotations(tx, context, account, id);
	for (const uidValidity of state.claims(id))
		tx.edit(document, {
			key: keys.mailboxDeleted(id, uidValidity),
			set: true,
		});
	return true;
}

export interface RenewalOptions {
	readonly context: Context;
	readonly diary: Log;
	readonly stopped: () => boolean;
}

const AGAIN_MILLISECONDS = 1_000;

/** Renews mailboxes whose UIDs were found to be used up; where the disk refuses, again and again. */
export class Renewal {
	readonly #options: RenewalOptions;

	constructor(options: RenewalOptions) {
		this.#options = options;
	}

	renew(mailbox: MailboxId, account: AccountId): void {
		const { context, diary } = this.#options;
		let isNew = false;
		context.ledger
			.write((tx) => {
				isNew = renewMailbox(tx, context, account, mailbox);
			})
			.then(
				() => {
					if (isNew)
						diary.warn(
							"the UIDs of a mailbox are used up: it begins anew under another UIDVALIDITY, and its clients load it again",
							{ account, mailbox },
						);
				},
				(error) => this.#again(error, mailbox, account),
			);
	}

	#again(error: unknown, mailbox: MailboxId, account: AccountId): void {
		const { context, stopped } = this.#options;
		if (!(error instanceof Temporary)) throw error;
		if (stopped()) return;
		context.clock.after(AGAIN_MILLISECONDS, () => this.renew(mailbox, account));
	}
}
