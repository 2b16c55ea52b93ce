/** Mail from outside into the INBOXes of its recipients; retried deliveries become one message. */
import type { Delivery } from "../api.ts";
import { Temporary } from "../faults.ts";
import {
	type AccountId,
	deriveId,
	type EntryId,
	type MailboxId,
} from "../ids.ts";
import { decodeFacts, type EntryRow, getRow, lives } from "../mailbox/rows.ts";
import type { Context } from "./context.ts";
import { addEntry, nameBody } from "./edits.ts";
import { checkRoom } from "./quota.ts";

/** How often the same mail can be sent, confirmed and sent again before it is taken for a retry after all. */
const LIVES_MAX = 1_000;

export async function deliver(
	context: Context,
	delivery: Delivery,
	wasConfirmed: (transaction: string) => boolean,
): Promise<void> {
	context.mayAccept();
	const places = delivery.recipients.map((account) =>
		place(context, account, delivery.transaction, wasConfirmed),
	);
	// RCPT has seen that each has room; one whose last bit this is must not keep the mail from the others.
	const needed = places.length === 1 ? delivery.body.sizeBytes : 0;
	const kept = await Promise.all(places.map((at) => holdsBody(context, at)));
	const made = await context.ledger.make((tx) => {
		if (!context.mayName(delivery.body)) throw bodyTooOld();
		for (const { mailbox, entry, account } of places)
			if (getRow(tx.batch, mailbox, entry) === undefined)
				checkRoom(context, account, needed, 1, tx.batch);
		const now = context.clock.now();
		const facts = {
			body: delivery.body,
			internalDateMilliseconds: delivery.internalDateMilliseconds ?? now,
			savedMilliseconds: now,
			from: null,
		};
		for (const [i, { mailbox, entry }] of places.entries()) {
			const row = getRow(tx.batch, mailbox, entry);
			if (row === undefined) addEntry(tx, mailbox, entry, facts, []);
			else if (lives(row))
				// Also where nothing is to be changed: a change of its own, so that its copies can be waited for.
				nameBody(tx, mailbox, entry, row, kept[i] ? row.f : facts);
		}
	});
	await context.copies(made);
}

/** Its client took hours from the end of the message to the end of the command. */
export const bodyTooOld = (): Temporary =>
	new Temporary("the message was not filed in time; send it again");

interface Place {
	readonly account: AccountId;
	readonly mailbox: MailboxId;
	readonly entry: EntryId;
	/** Of the entry, where there is one already. */
	readonly row: EntryRow | undefined;
}

/** The id follows from the transaction, so that the same on another node is the same entry. */
function place(
	context: Context,
	account: AccountId,
	transaction: string,
	wasConfirmed: (transaction: string) => boolean,
): Place {
	const mailbox = context.accounts.get(account).builtIn("inbox");
	for (let life = 0; ; life++) {
		const entry = deriveId<EntryId>(
			"delivery",
			transaction,
			mailbox,
			String(life),
		);
		const row = context.mailboxes.row(mailbox, entry);
		// Seen by its sender and sent again: another message, as its sender must mean it.
		const again = row !== undefined && wasConfirmed(transaction);
		if (!again || life >= LIVES_MAX) return { account, mailbox, entry, row };
	}
}

/** Whether the body of an entry that is there already can be relied on; else the retry's body takes its place. */
async function holdsBody(
	{ bodies }: Context,
	{ row }: Place,
): Promise<boolean> {
	const facts = row?.f;
	return facts !== undefined && bodies.has(decodeFacts(facts).body);
}
