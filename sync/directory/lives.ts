/**
 * UIDVALIDITYs claimed for mailboxes, and which of them were deleted. A deletion names the claims that it has seen: made
 * anew elsewhere at the same time, under a claim of its own, a mailbox lives.
 */
import type { MailboxId } from "../ids.ts";

export class MailboxLives {
	readonly #claims = new Map<MailboxId, Set<number>>();
	readonly #deleted = new Map<MailboxId, Set<number>>();
	/** Above all that is known in the account. */
	highest = 0;

	claim(mailbox: MailboxId, uidValidity: number): void {
		addTo(this.#claims, mailbox, uidValidity);
		this.highest = Math.max(this.highest, uidValidity);
	}
	delete(mailbox: MailboxId, uidValidity: number): void {
		addTo(this.#deleted, mailbox, uidValidity);
	}

	claims(mailbox: MailboxId): number[] {
		return [...(this.#claims.get(mailbox) ?? [])];
	}
	#living(mailbox: MailboxId): number[] {
		const deleted = this.#deleted.get(mailbox);
		const claims = this.claims(mailbox);
		return deleted === undefined
			? claims
			: claims.filter((claim) => !deleted.has(claim));
	}

	isDeleted(mailbox: MailboxId): boolean {
		return this.#deleted.has(mailbox) && this.#living(mailbox).length === 0;
	}

	/** The highest claim counts, of those that were not deleted, if there is one. */
	uidValidity(mailbox: MailboxId): number {
		const living = this.#living(mailbox);
		return Math.max(0, ...(living.length > 0 ? living : this.claims(mailbox)));
	}
}

function addTo(
	map: Map<MailboxId, Set<number>>,
	mailbox: MailboxId,
	value: number,
): void {
	const values = map.get(mailbox) ?? new Set();
	map.set(mailbox, values);
	values.add(value);
}
