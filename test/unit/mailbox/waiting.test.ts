import fc from "fast-check";
import { expect, test } from "vitest";
import type { EntryId, MailboxId } from "../../../sync/ids.ts";
import { type Wait, Waiting } from "../../../sync/mailbox/waiting.ts";

const mailbox = "m" as MailboxId;

/** Rules 6 and 7 by the letter: without its second copy nothing is shown, and nothing new above what waits to appear. */
function waitsOn(wait: Wait, all: readonly Wait[], copied: number): boolean {
	const isCopied = ({ own }: Wait) => own <= copied;
	if (!isCopied(wait)) return true;
	return all.some(
		(other) => !isCopied(other) && other.uid > 0 && other.uid < wait.uid,
	);
}

test("only what waits no longer is looked at, and new messages stay behind those that do", () => {
	const waits = fc.array(fc.record({ own: fc.nat(6), shown: fc.boolean() }), {
		maxLength: 12,
	});
	fc.assert(
		fc.property(waits, fc.nat(6), fc.nat(12), (made, copied, touched) => {
			const all = made.map(({ own, shown }, at) => ({
				own,
				uid: shown ? 0 : 1 + ((at * 5) % 13),
			}));
			const entries = all.map((_, at) => `e${at}` as EntryId);
			const waiting = new Waiting();
			waiting.set(
				mailbox,
				new Map(entries.map((entry, at) => [entry, all[at] as Wait])),
			);
			const due = waiting.due(
				mailbox,
				(entry) => entry === `e${touched}`,
				(own) => own <= copied,
			);
			// The touched one is judged anew with the others that are looked at.
			const rest = all.filter((_, at) => at !== touched);
			const isWaiting = (entry: EntryId) =>
				waitsOn(all[entries.indexOf(entry)] as Wait, rest, copied);
			const asked = entries.filter((entry) => entry !== `e${touched}`);
			expect([...due.still.keys()].sort()).toEqual(
				asked.filter(isWaiting).sort(),
			);
			expect([...due.entries].sort()).toEqual(
				asked.filter((entry) => !isWaiting(entry)).sort(),
			);
			const held = rest.filter(({ own, uid }) => own > copied && uid > 0);
			expect(due.below).toBe(Math.min(...held.map(({ uid }) => uid)));
		}),
		{ numRuns: 500 },
	);
});

test("a command is told what its messages wait for, and nothing of others or of what is copied", () => {
	const waiting = new Waiting();
	const [one, two, three] = ["e1", "e2", "e3"].map((id) => ({
		entry: id as EntryId,
	}));
	const of = (copied: number, ...some: ({ entry: EntryId } | undefined)[]) =>
		waiting.highest(
			mailbox,
			some.flatMap((each) => each ?? []),
			(own) => own <= copied,
		);
	expect(of(0, one)).toBe(0);
	waiting.set(
		mailbox,
		new Map([
			["e1" as EntryId, { own: 4, uid: 0 }],
			["e2" as EntryId, { own: 7, uid: 0 }],
		]),
	);
	expect(of(3, one, three)).toBe(4);
	expect(of(3, one, two)).toBe(7);
	expect(of(4, one)).toBe(0);
	expect(of(4, one, two)).toBe(7);
	expect(of(3, three)).toBe(0);
});
