/** What is folded of changes that were taken in: the same, whether the document is asked for each key or not. */
import { expect, test, vi } from "vitest";
import { changeFlags } from "../../../sync/directory/edits.ts";
import { FlatDocument } from "../../../sync/documents/flat.ts";
import { keys, segmentDocument } from "../../../sync/documents/shapes.ts";
import {
	bodyHash,
	deriveId,
	type EntryId,
	type MailboxId,
	nodeId,
} from "../../../sync/ids.ts";
import type { Fold, Ledger, Work } from "../../../sync/log/ledger.ts";
import { foldSegment } from "../../../sync/mailbox/fold.ts";
import {
	bodyTag,
	type EntryRow,
	encodeFacts,
	getRow,
} from "../../../sync/mailbox/rows.ts";
import { ALL_RULES } from "../../../sync/rules.ts";
import { type SimRandom, simRandom } from "../../../sync/sim/random.ts";
import { loneLedger } from "./lone.ts";

const mailbox = deriveId<MailboxId>("mailbox");
const peer = nodeId("b".repeat(44));
const SEGMENT = segmentDocument(mailbox, 0);
const entryOf = (number: number) => deriveId<EntryId>("entry", `${number}`);

const factsOf = (digit: number): string =>
	encodeFacts({
		body: {
			hash: bodyHash(`${digit}`.repeat(64)),
			sizeBytes: 100,
			drive: "d".repeat(64),
			blob: [digit * 100, digit, 1, 100],
		},
		internalDateMilliseconds: 1_000,
		savedMilliseconds: 1_000,
		from: null,
	});

/** A node that keeps rows; `asks`: the document, for every key. */
function node(letter: string, asks = false) {
	const rows = new Map<EntryId, string>();
	const fold: Fold = {
		fold: (tx, change) => {
			const { document, key, origin, sequence } = change;
			foldSegment(
				tx.batch,
				asks
					? { document, key, origin, sequence, values: change.values }
					: change,
				ALL_RULES,
			);
			const entry = key.split(":")[1] as EntryId;
			rows.set(entry, JSON.stringify(getRow(tx.batch, mailbox, entry)));
		},
		finish: () => {},
		committed: () => {},
		rolledBack: () => {},
	};
	const { clock, ledger } = loneLedger(letter, {}, [fold]);
	const run = async (work: Work) => {
		const written = ledger.write(work);
		await clock.advance(1);
		await written;
	};
	/** `rests`: what waits to be applied is applied then. */
	const take = async (framed: readonly Uint8Array[], rests = false) => {
		ledger.accept(framed, peer);
		await clock.advance(rests ? 1_000 : 1);
	};
	return { rows, ledger, run, take };
}

const recordsOf = ({ log, origin }: Ledger, from = 1): Uint8Array[] =>
	log.readFramed(origin, from, 1_000, 1 << 24);

const rowsOf = (rows: ReadonlyMap<EntryId, string>) =>
	new Map([...rows].map(([entry, row]) => [entry, JSON.parse(row)]));

/** One thing that a node does with an entry, as far as it can. */
function step(random: SimRandom, entry: EntryId, uid: number): Work {
	const flag = random.pick(["$One", "$ONE"]);
	const what = random.integer(0, 7);
	const facts = factsOf(1 + random.integer(0, 2));
	return (tx) => {
		const row = getRow(tx.batch, mailbox, entry);
		if (row?.f === undefined || what === 0)
			tx.edit(SEGMENT, {
				key: keys.facts(entry),
				add: facts,
				isNew: row?.f === undefined,
			});
		else if (what === 1 && !row.u.includes(uid))
			tx.edit(SEGMENT, {
				key: keys.claim(entry, uid),
				add: bodyTag(facts),
				isNew: true,
			});
		else
			changeFlags(tx, mailbox, entry, {
				mode: what < 4 ? "remove" : "add",
				flags: [flag],
			});
	};
}

test.each(Array.from({ length: 60 }, (_, i) => i + 1))(
	"two that change the same entries apart and together: seed %i",
	async (seed) => {
		const random = simRandom(seed);
		const authors = [node("c"), node("d")] as const;
		const readers = [node("a"), node("e", true)] as const;
		for (let round = 0; round < 12; round++) {
			for (const author of authors)
				for (let steps = random.integer(0, 4); steps > 0; steps--)
					await author.run(
						step(
							random,
							entryOf(random.integer(0, 1)),
							1 + random.integer(0, 2),
						),
					);
			const [one, other] = random.chance(0.5)
				? authors
				: [...authors].reverse();
			if (one && other && random.chance(0.3))
				await other.take(recordsOf(one.ledger));
			if (random.chance(0.5)) continue;
			const records = authors.map(({ ledger }) => recordsOf(ledger));
			if (random.chance(0.5)) records.reverse();
			const rests = random.chance(0.3);
			// All at once, or one batch after the other.
			for (const some of random.chance(0.5) ? [records.flat()] : records) {
				for (const reader of readers) await reader.take(some, rests);
				const [quick, sure] = readers;
				expect(rowsOf(quick.rows)).toEqual(rowsOf(sure.rows));
			}
		}
	},
);

test("of what is new the document is not asked", async () => {
	const author = node("c");
	const reader = node("a");
	const count = 20;
	await author.run((tx) => {
		for (let i = 0; i < count; i++) {
			const key = keys.facts(entryOf(i));
			tx.edit(SEGMENT, { key, add: factsOf(1), isNew: true });
		}
	});
	await author.run((tx) => {
		for (let i = 0; i < count; i++)
			changeFlags(tx, mailbox, entryOf(i), { mode: "add", flags: ["\\Seen"] });
	});
	// The first change of an author is given to Automerge at once, which then knows it.
	const [first = new Uint8Array(), ...others] = recordsOf(author.ledger);
	await reader.take([first]);
	const asked = vi.spyOn(FlatDocument.prototype, "values");
	try {
		await reader.take(others);
		expect(asked).not.toHaveBeenCalled();
	} finally {
		asked.mockRestore();
	}
	expect(reader.rows.size).toBe(count);
	for (const row of reader.rows.values())
		expect((JSON.parse(row) as EntryRow).g).toEqual({ "\\seen": "\\Seen" });
});
