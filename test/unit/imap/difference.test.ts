import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expect as expectFlags } from "../../../node/imap/command/store.ts";
import { difference } from "../../../node/imap/difference.ts";
import { applyChange, flagsKey } from "../../../node/imap/flags.ts";
import { MemoryAccount } from "../../../node/imap/memory.ts";
import { MemoryBodies } from "../../../node/imap/memory-bodies.ts";
import { Selected } from "../../../node/imap/selected.ts";
import type { FlagChange } from "../../../sync/api.ts";
import { SimClock } from "../../../sync/sim/clock.ts";

/** A client that believes what it is told, by the letter of RFC 3501. */
class Client {
	/** UID and flags by message number; undefined: not fetched. */
	readonly messages: { uid: number; flags: string }[] = [];

	constructor(selected: Selected) {
		this.fetch(selected);
	}

	/** Fetches what it does not know yet. */
	fetch({ known, mailbox }: Selected): void {
		for (const uid of known.uids.slice(this.messages.length))
			this.messages.push({
				uid,
				flags: flagsKey(mailbox.resolve(uid)?.flags ?? []),
			});
	}

	hear(selected: Selected, mayExpunge: boolean): void {
		const { known, mailbox } = selected;
		const told = difference(known, mailbox, mayExpunge);
		if (!mayExpunge) expect(told.expunged).toEqual([]);
		for (const number of told.expunged) {
			expect(number).toBeLessThanOrEqual(this.messages.length);
			this.messages.splice(number - 1, 1);
		}
		if (told.exists !== undefined)
			expect(told.exists).toBeGreaterThan(this.messages.length);
		expect(told.exists ?? this.messages.length).toBe(known.uids.length);
		for (const uid of told.changed) {
			const message = this.messages[selected.numberOf(uid) - 1];
			const flags = mailbox.resolve(uid)?.flags;
			if (message !== undefined && flags !== undefined) {
				expect(message.uid).toBe(uid);
				message.flags = flagsKey(flags);
			}
		}
		this.fetch(selected);
	}
}

const flag = fc.constantFrom("\\Seen", "\\Deleted", "$a");
const mode = fc.constantFrom("add", "remove", "replace");
const pick = fc.nat({ max: 20 });
const step = fc.oneof(
	fc.record({
		do: fc.constant("add" as const),
		count: fc.integer({ min: 1, max: 3 }),
	}),
	fc.record({ do: fc.constant("expunge" as const), pick }),
	fc.record({ do: fc.constant("renumber" as const), pick }),
	fc.record({ do: fc.constant("store" as const), pick, flag, mode }),
	/** By the client itself, .SILENT. */
	fc.record({
		do: fc.constant("silent" as const),
		pick,
		flag,
		mode,
		other: fc.option(flag),
	}),
	fc.record({ do: fc.constant("tell" as const), mayExpunge: fc.boolean() }),
	/** More than the mailbox keeps a record of. */
	fc.record({ do: fc.constant("storm" as const), flag }),
);

test("after the difference is told, the client knows what the mailbox shows", () => {
	const bodies = new MemoryBodies();
	const body = bodies.put(Buffer.from("x"));
	fc.assert(
		fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
			const account = new MemoryAccount("a@b.test", new SimClock());
			const mailbox = account.mailbox("INBOX");
			for (let count = 0; count < 5; count++) mailbox.add({ body, flags: [] });
			const selected = new Selected(mailbox.view(), false);
			const client = new Client(selected);
			const chosen = (pick: number) => {
				const uids = mailbox.uids();
				return uids[pick % Math.max(1, uids.length)];
			};
			for (const one of steps) {
				if (one.do === "tell") client.hear(selected, one.mayExpunge);
				else if (one.do === "add")
					for (let count = 0; count < one.count; count++)
						mailbox.add({ body, flags: [] });
				else if (one.do === "storm")
					for (let count = 0; count < 2_500; count++)
						mailbox.store(mailbox.uids().slice(0, 1), {
							mode: "replace",
							flags: count % 2 ? [] : [one.flag],
						});
				else {
					const uid = chosen(one.pick);
					if (uid === undefined) continue;
					if (one.do === "expunge") mailbox.expunge([uid]);
					else if (one.do === "renumber") mailbox.renumber(uid);
					else {
						const change: FlagChange = { mode: one.mode, flags: [one.flag] };
						if (one.do === "silent") silent(selected, client, uid, change);
						mailbox.store([uid], change);
						if (one.do !== "silent") continue;
						// Somebody else's, before the command comes to its end; then it is told.
						if (one.other !== null)
							mailbox.store([uid], { mode: "replace", flags: [one.other] });
						client.hear(selected, false);
					}
				}
			}
			client.hear(selected, true);
			expect(client.messages).toEqual(
				mailbox.uids().map((uid) => ({
					uid,
					flags: flagsKey(mailbox.get(uid)?.flags ?? []),
				})),
			);
			expect(selected.known.uids).toEqual(mailbox.uids());
			expect(selected.known.missing.size).toBe(0);
		}),
		{ numRuns: 500 },
	);
});

/** STORE .SILENT: the client changes its own idea, and is told only what differs. */
function silent(
	selected: Selected,
	client: Client,
	uid: number,
	change: FlagChange,
): void {
	const { targets } = selected.targets([{ from: uid, to: uid }], true);
	expectFlags(selected, targets, change);
	const known = client.messages.find((message) => message.uid === uid);
	if (known === undefined) return;
	const flags = known.flags === "" ? [] : known.flags.split(" ");
	known.flags = flagsKey(applyChange(flags, change));
}

describe("difference", () => {
	const bodies = new MemoryBodies();
	const body = bodies.put(Buffer.from("x"));
	const open = (count: number) => {
		const account = new MemoryAccount("a@b.test", new SimClock());
		const mailbox = account.mailbox("INBOX");
		for (let index = 0; index < count; index++)
			mailbox.add({ body, flags: [] });
		return { mailbox, selected: new Selected(mailbox.view(), false) };
	};

	test("nothing changed: nothing told, no copy of the UIDs", () => {
		const { mailbox, selected } = open(3);
		expect(selected.known.uids).toBe(mailbox.uids());
		expect(difference(selected.known, selected.mailbox, true)).toEqual({
			expunged: [],
			vanished: [],
			exists: undefined,
			changed: [],
			promised: new Set(),
			expected: [],
		});
		mailbox.add({ body, flags: [] });
		difference(selected.known, selected.mailbox, true);
		expect(selected.known.uids).toBe(mailbox.uids());
	});

	test("no mod-sequence is told above that up to which all was told", () => {
		const { mailbox, selected } = open(3);
		const { known } = selected;
		const [first] = mailbox.uids();
		mailbox.store(mailbox.uids().slice(0, 1), { mode: "add", flags: ["$a"] });
		const [target] = selected.targets([{ from: 1, to: 1 }], false).targets;
		expect(target?.message.modSeq).toBeGreaterThan(known.modSeq);
		expect(target?.modSeq).toBe(known.modSeq);
		expect(difference(known, selected.mailbox, false).changed).toEqual([first]);
		const [again] = selected.targets([{ from: 1, to: 1 }], false).targets;
		expect(again?.modSeq).toBe(again?.message.modSeq);
	});

	test("a mailbox that shows a UID below others that were shown is a bug", () => {
		const { mailbox, selected } = open(3);
		const view = selected.mailbox;
		const broken = Object.create(view, {
			uids: { value: () => [1, 2, 3].slice(0, 2) },
			cursor: { value: 99 },
			touchedSince: { value: () => [] },
		});
		expect(mailbox.uids().length).toBe(3);
		expect(() => difference(selected.known, broken, true)).toThrow("below");
	});
});
