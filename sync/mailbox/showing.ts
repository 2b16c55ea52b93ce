/** What becomes visible to clients of this node, when, and under which stamp (rules 6, 7 and 11). */
import type { EntryId, MailboxId, Uid } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import type { Rules } from "../rules.ts";
import type { Pending } from "./pending.ts";
import {
	type BoxRow,
	boxKey,
	bytesOf,
	type EntryRow,
	flagsOf,
	getBox,
	isSameBody,
	isShownAs,
	lives,
	rowKey,
	shownFacts,
	uidOf,
} from "./rows.ts";
import { shownRow } from "./shown.ts";
import type { Stamps } from "./stamps.ts";
import type { ViewChange } from "./view.ts";
import type { Wait } from "./waiting.ts";

export interface Staged {
	readonly changes: ViewChange[];
	readonly box: BoxRow;
}

export class Showing {
	readonly #stamps: Stamps;
	readonly #pending: Pending;
	readonly #rules: Rules;
	/** The highest operation on the entry, and on its flags alone, that this node did; 0: none. */
	readonly #ownOf: (row: EntryRow) => number;
	readonly #ownFlagsOf: (row: EntryRow) => number;
	/** Rule 7: all that this node did up to there is on one more member, if one can be reached. */
	readonly #isCopied: (own: number) => boolean;
	/** What this batch shows, by mailbox. */
	readonly #staged = new Map<MailboxId, Staged>();

	constructor(options: {
		stamps: Stamps;
		pending: Pending;
		rules: Rules;
		ownOf: (row: EntryRow) => number;
		ownFlagsOf: (row: EntryRow) => number;
		isCopied: (own: number) => boolean;
	}) {
		this.#stamps = options.stamps;
		this.#pending = options.pending;
		this.#rules = options.rules;
		this.#ownOf = options.ownOf;
		this.#ownFlagsOf = options.ownFlagsOf;
		this.#isCopied = options.isCopied;
	}

	/**
	 * Shows of these entries what may be shown, in UID order, and nothing new above the UID `below`. Returns those that wait
	 * for second copies, or behind others.
	 */
	show(
		batch: Batch,
		mailbox: MailboxId,
		entries: Iterable<readonly [EntryId, EntryRow | undefined]>,
		below = Number.POSITIVE_INFINITY,
	): Map<EntryId, Wait> {
		const box = getBox(batch, mailbox);
		const appearing: {
			uid: number;
			entry: EntryId;
			row: EntryRow;
			own: number;
		}[] = [];
		const waiting = new Map<EntryId, Wait>();
		for (const [entry, row] of entries) {
			if (row === undefined) continue;
			const uid = uidOf(row);
			const appears = lives(row) && uid > 0 && !isShownAs(row, uid);
			const own = this.#ownOf(row);
			// Also what is not safe yet: a lower UID must not be overtaken, or it could never be shown.
			if (appears) appearing.push({ uid, entry, row, own });
			else if (!this.#isCopied(own)) waiting.set(entry, { own, uid: 0 });
			else if (!lives(row)) this.#expunge(batch, mailbox, entry, row, box);
			else if (row.v !== undefined)
				this.#update(batch, mailbox, entry, row, box);
		}
		if (appearing.length > 1) appearing.sort((a, b) => a.uid - b.uid);
		let overtaken = false;
		for (const { entry, row, uid, own } of appearing) {
			overtaken ||= uid > below || !this.#isCopied(own);
			if (overtaken) {
				waiting.set(entry, { own, uid });
				this.#updateMeanwhile(batch, mailbox, entry, row, box);
			} else if (uid > box.E || !this.#rules.watermark)
				this.#appear(batch, mailbox, entry, row, box);
			else if (row.v !== undefined)
				this.#update(batch, mailbox, entry, row, box, true);
		}
		batch.change(boxKey(mailbox), box);
		this.stage(mailbox, box);
		return waiting;
	}

	#appear(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
		box: BoxRow,
	): void {
		const uid = uidOf(row) as Uid;
		const replaced = row.v?.u;
		if (row.v !== undefined) count(box, row, -1);
		const stamp = this.#stamps.give(batch, box);
		row.v = { u: uid, m: stamp, a: stamp, g: flagsOf(row), n: row.n };
		box.E = Math.max(box.E, uid);
		count(box, row, 1);
		batch.change(rowKey(mailbox, entry), row);
		batch.change(boxKey(mailbox), box);
		this.#pending.remove(batch, mailbox, entry);
		this.stage(mailbox, box).changes.push({
			kind: "appeared",
			row: shownRow(entry, row),
			replaced: replaced === uid ? undefined : replaced,
		});
	}

	/** Rule 11: every operation on a shown message stamps it, also where its flags look the same. */
	#update(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
		box: BoxRow,
		staysPending = false,
	): void {
		const shown = row.v as NonNullable<EntryRow["v"]>;
		if (shown.n !== row.n) {
			const flags = flagsOf(row);
			// The same body has come to lie elsewhere.
			const moved =
				shown.f !== undefined && isSameBody(shown.f, row.f as string);
			const counts = moved || !countsAs(shown.g, flags);
			if (counts) count(box, row, -1);
			if (this.#rules.stampOps || !sameFlags(shown.g, flags))
				shown.m = this.#stamps.give(batch, box);
			shown.g = flags;
			shown.n = row.n;
			if (moved) delete shown.f;
			if (counts) count(box, row, 1);
			batch.change(rowKey(mailbox, entry), row);
			this.stage(mailbox, box).changes.push({
				kind: "changed",
				row: shownRow(entry, row),
			});
		}
		if (!staysPending) this.#pending.remove(batch, mailbox, entry);
	}

	/** Its new UID has to wait, not what was done to its flags: who did that is told with the answer (rule 6). */
	#updateMeanwhile(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
		box: BoxRow,
	): void {
		if (row.v === undefined || sameFlags(row.v.g, flagsOf(row))) return;
		if (!this.#isCopied(this.#ownFlagsOf(row))) return;
		this.#update(batch, mailbox, entry, row, box, true);
	}

	#expunge(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
		box: BoxRow,
	): void {
		// A tombstone may come before the facts only in a damaged log; there is nothing to take away then.
		const { v: shown } = row;
		if (shown !== undefined) {
			count(box, row, -1);
			this.#stamps.give(batch, box);
			// To delete it would make a dictionary of the object, which takes several times as long to write.
			row.v = undefined;
			batch.change(rowKey(mailbox, entry), row);
			this.stage(mailbox, box).changes.push({
				kind: "gone",
				entry,
				uid: shown.u,
			});
		}
		this.#pending.remove(batch, mailbox, entry);
	}

	/** Rule 9: as if it had been shown under its highest claim, which a former life did. */
	takeAsShown(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
	): void {
		if (isShownAs(row, uidOf(row))) return;
		const box = getBox(batch, mailbox);
		const { E } = box;
		this.#appear(batch, mailbox, entry, row, box);
		box.E = Math.max(E, box.E);
	}

	/** As if it had never been shown. */
	unshow(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
	): void {
		const box = getBox(batch, mailbox);
		this.#expunge(batch, mailbox, entry, row, box);
		batch.change(boxKey(mailbox), box);
	}

	/** What views of the mailbox are to be told when the batch is committed. */
	stage(mailbox: MailboxId, box: BoxRow): Staged {
		let staged = this.#staged.get(mailbox);
		if (staged === undefined) {
			staged = { changes: [], box };
			this.#staged.set(mailbox, staged);
		}
		return staged;
	}

	/** What was staged, which is forgotten then. */
	take(): [MailboxId, Staged][] {
		const all = [...this.#staged];
		this.#staged.clear();
		return all;
	}
}

const sameFlags = (a: readonly string[], b: readonly string[]): boolean =>
	a === b || a.join(" ") === b.join(" ");

/** Whether a message counts the same in the sums under either flags. */
const countsAs = (before: readonly string[], after: readonly string[]) =>
	before === after ||
	["\\Seen", "\\Deleted"].every(
		(flag) => before.includes(flag) === after.includes(flag),
	);

/** Sums of what is shown, without walking over it. */
function count(box: BoxRow, row: EntryRow, by: 1 | -1): void {
	const shown = row.v as NonNullable<EntryRow["v"]>;
	box.shown += by;
	if (!shown.g.includes("\\Seen")) box.unseen += by;
	const bytes = by * bytesOf(shownFacts(row));
	box.sizeBytes += bytes;
	if (!shown.g.includes("\\Deleted")) return;
	box.deleted += by;
	box.deletedBytes += bytes;
}
