/** Mailboxes that change while they are counted: neither taken for wrong, nor held up. */
import { expect, it } from "vitest";
import { addTo, checkBox, newSums } from "../../../sync/check/boxes.ts";
import type { Flaw } from "../../../sync/check/flaws.ts";
import type { EntryId, MailboxId } from "../../../sync/ids.ts";
import type { BoxRow, EntryRow } from "../../../sync/mailbox/rows.ts";
import { encodeFacts, newBox, rowKey } from "../../../sync/mailbox/rows.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const mailbox = "m".repeat(22) as MailboxId;
const entry = (i: number) => String(i).padStart(22, "0") as EntryId;
const row = (i: number, flags: readonly string[]): EntryRow => ({
	s: 0,
	f: encodeFacts({
		// An empty body lies nowhere, so nothing need keep it.
		body: {
			hash: "0".repeat(64) as never,
			sizeBytes: 0,
			drive: "0".repeat(64),
			blob: [0, 0, 0, 0],
		},
		internalDateMilliseconds: 0,
		savedMilliseconds: 0,
		from: null,
	}),
	u: [i],
	g: Object.fromEntries(flags.map((flag) => [flag.toLowerCase(), flag])),
	o: {},
	n: 1,
	v: { u: i as never, m: i as never, a: i as never, g: flags, n: 1 },
});

class Box {
	readonly store = new MemoryStore();
	readonly #rows: EntryRow[] = [];
	#box: BoxRow = newBox();
	constructor(count: number) {
		for (let i = 1; i <= count; i++) this.put(i, row(i, []));
	}
	/** The row and the sums, in one commit. */
	put(i: number, changed: EntryRow): void {
		this.#rows[i] = changed;
		const sums = newSums();
		for (const one of this.#rows) if (one) addTo(sums, one);
		this.#box = { ...this.#box, ...sums };
		this.store.commit([
			[rowKey(mailbox, entry(i)), JSON.stringify(changed)],
			[`box/${mailbox}`, JSON.stringify(this.#box)],
		]);
	}
	miscount(): void {
		const box = { ...this.#box, unseen: this.#box.unseen + 1 };
		this.store.commit([[`box/${mailbox}`, JSON.stringify(box)]]);
	}
	/** Runs the check; `meanwhile` comes between its slices. */
	check(meanwhile: () => void): Flaw[] {
		const flaws: Flaw[] = [];
		for (const step of checkBox(this.store, mailbox)) {
			if (typeof step === "number") meanwhile();
			else flaws.push(step);
		}
		return flaws;
	}
}

it("a mailbox that changes between two slices is not wrong", () => {
	const box = new Box(600);
	let changes = 0;
	const flaws = box.check(() => {
		changes++;
		box.put(changes, row(changes, ["\\Seen"]));
	});
	expect(changes).toBeGreaterThan(1);
	expect(flaws).toEqual([]);
});

it("a miscount is found though the mailbox changes meanwhile", () => {
	const box = new Box(600);
	box.miscount();
	let changes = 0;
	const flaws = box.check(() => {
		changes++;
		box.put(changes, row(changes, ["\\Seen"]));
		box.miscount();
	});
	expect(flaws.map(({ kind }) => kind)).toEqual(["box"]);
});
