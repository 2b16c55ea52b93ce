/** Each checker on contradictions that were planted for it: a checker that never objects proves nothing. */
import { describe, expect, it } from "vitest";
import type { Message, SelectedMailbox } from "../../sync/api.ts";
import {
	bodyHash,
	type EntryId,
	type MailboxId,
	type ModSeq,
	type Uid,
} from "../../sync/ids.ts";
import { encodeFacts } from "../../sync/mailbox/rows.ts";
import {
	checkShown,
	checkSums,
	compare,
	type Invariant,
	type Named,
	Violation,
	Witness,
} from "../../sync/sim/checkers.ts";
import { Client, type ClientOptions } from "../../sync/sim/client.ts";
import { watchConditional } from "../../sync/sim/conditional.ts";
import { History } from "../../sync/sim/history.ts";
import { MemoryStore } from "../../sync/sim/store.ts";
import { clusterOf, deliverMany, ok } from "./world.ts";

const MAILBOX = "box" as MailboxId;
const hashOf = (text: string) =>
	bodyHash(Buffer.from(text.padEnd(32, "-")).toString("hex"));

/** A mailbox that shows what it is told to. */
class Shown {
	uidNext = 1;
	uidValidity = 1;
	readonly id = MAILBOX;
	readonly #messages = new Map<number, Message>();
	show(uid: number, entry: string, flags: readonly string[] = []): this {
		this.uidNext = Math.max(this.uidNext, uid + 1);
		this.#messages.set(uid, {
			uid: uid as Uid,
			entry: entry as EntryId,
			modSeq: 1 as ModSeq,
			flags,
			internalDateMilliseconds: 0,
			savedMilliseconds: 0,
			body: {
				hash: hashOf(entry),
				sizeBytes: 1,
				drive: "",
				blob: [0, 0, 1, 1],
			},
		});
		return this;
	}
	hide(uid: number): this {
		this.#messages.delete(uid);
		return this;
	}
	uids(): number[] {
		return [...this.#messages.keys()].sort((a, b) => a - b);
	}
	get(uid: number): Message | undefined {
		return this.#messages.get(uid);
	}
}

const diskWith = (vector: Record<string, number>): MemoryStore => {
	const disk = new MemoryStore();
	disk.commit(
		Object.entries(vector).map(
			([origin, sequence]) =>
				[`head/${origin}`, JSON.stringify([sequence])] as const,
		),
	);
	return disk;
};

function objects(invariant: Invariant, run: () => void): void {
	let found: unknown;
	try {
		run();
	} catch (error) {
		found = error;
	}
	expect(found).toBeInstanceOf(Violation);
	expect((found as Violation).invariant).toBe(invariant);
}

const row = (
	entry: string,
	more: Record<string, unknown> = {},
): [string, string] => [
	`ent/${MAILBOX}/${entry}`,
	JSON.stringify({
		s: 0,
		u: [1],
		g: {},
		o: { o1: 1 },
		n: 1,
		f: encodeFacts({
			body: {
				hash: hashOf(entry),
				sizeBytes: 7,
				drive: "d",
				blob: [0, 0, 1, 7],
			},
			internalDateMilliseconds: 0,
			savedMilliseconds: 0,
			from: null,
		}),
		...more,
	}),
];

describe("what is told", () => {
	const look = (
		witness: Witness,
		node: string,
		mailbox: Shown,
		known = new Map<number, Named>(),
		vector: Record<string, number> = { o1: 1 },
	) =>
		witness.look(
			node,
			diskWith(vector),
			mailbox as unknown as SelectedMailbox,
			known,
			() => false,
		);

	it("I1: one UID names two messages, on one node or on two", () => {
		const witness = new Witness();
		look(witness, "a", new Shown().show(1, "x"));
		objects("I1", () => look(witness, "b", new Shown().show(1, "y")));
	});

	it("I2: a UID appears below what was told", () => {
		const witness = new Witness();
		const mailbox = new Shown().show(5, "x");
		look(witness, "a", mailbox);
		objects("I2", () => look(witness, "a", mailbox.show(3, "y")));
	});

	it("I2: UIDNEXT is not above a UID that was told", () => {
		const witness = new Witness();
		const mailbox = new Shown().show(5, "x");
		look(witness, "a", mailbox);
		mailbox.uidNext = 5;
		objects("I2", () => look(witness, "a", mailbox));
	});

	it("I3: a UID comes back, there or on a node that has what the teller had", () => {
		const witness = new Witness();
		const known = new Map<number, Named>();
		const mailbox = new Shown().show(1, "x");
		look(witness, "a", mailbox, known);
		look(witness, "a", mailbox.hide(1), known, { o1: 2 });
		// One that has less may not know it yet.
		look(witness, "b", new Shown().show(1, "x"));
		objects("I3", () =>
			look(witness, "c", new Shown().show(1, "x"), new Map(), { o1: 2 }),
		);
		objects("I3", () => look(witness, "a", mailbox.show(1, "x"), known));
	});

	it("I5: UIDVALIDITY changes of a mailbox that was made once", () => {
		const witness = new Witness();
		const mailbox = new Shown();
		look(witness, "a", mailbox);
		witness.checkUidValidity(() => false);
		mailbox.uidValidity = 2;
		look(witness, "a", mailbox);
		witness.checkUidValidity(() => true);
		objects("I5", () => witness.checkUidValidity(() => false));
	});

	it("I4: two nodes differ, in what there is or in its order", () => {
		const one = { node: "a", lines: ["1 x", "2 y"] };
		compare("views", one, { ...one, node: "b" });
		objects("I4", () =>
			compare("views", one, { node: "b", lines: ["1 x", "2 z"] }),
		);
		objects("I4", () =>
			compare("views", one, { node: "b", lines: ["2 y", "1 x"] }),
		);
	});

	it("I4: what lives is not shown, or under another UID than its highest claim", () => {
		const disk = (...rows: [string, string][]): MemoryStore => {
			const store = new MemoryStore();
			store.commit(rows);
			return store;
		};
		checkShown("a", disk(row("x", { v: { u: 1 } }), row("y", { x: true })));
		objects("I4", () => checkShown("a", disk(row("x"))));
		objects("I4", () =>
			checkShown("a", disk(row("x", { u: [1, 5], v: { u: 1 } }))),
		);
	});

	it("sums that are not those of the rows", () => {
		const disk = new MemoryStore();
		disk.commit([row("x"), [`box/${MAILBOX}`, JSON.stringify({ live: 2 })]]);
		objects("local", () => checkSums("a", disk));
	});
});

describe("I7", () => {
	const sent = (places: number): History => {
		const history = new History();
		history.sending(hashOf("x"), "mail", places);
		history.sent(hashOf("x"), places);
		return history;
	};
	const disk = (...rows: [string, string][]): MemoryStore => {
		const store = new MemoryStore();
		store.commit(rows);
		return store;
	};

	it("what was acknowledged is gone, or there twice", () => {
		sent(1).check(disk(row("x")));
		objects("I7", () => sent(1).check(disk()));
		objects("I7", () =>
			sent(1).check(
				disk(row("x"), [`ent/${MAILBOX}/x2`, row("x")[1]] as [string, string]),
			),
		);
	});

	it("what was expunged is back", () => {
		const history = sent(1);
		history.expunging(hashOf("x"));
		history.expunged("x");
		history.check(disk(row("x", { x: true })));
		objects("I7", () => history.check(disk(row("x"))));
	});

	it("a flag that was set is missing", () => {
		const history = sent(1);
		history.flagging("x", "\\Seen").acknowledged = true;
		history.check(disk(row("x", { g: { "\\seen": "\\Seen" } })));
		objects("I7", () => history.check(disk(row("x"))));
	});

	it("what only a lost disk had is excused, what another one has is not", () => {
		const history = sent(1);
		history.lost(disk(row("x")), [disk()]);
		history.check(disk());
		const other = sent(1);
		other.lost(disk(row("x")), [disk(row("x"))]);
		objects("I7", () => other.check(disk()));
	});
});

describe("on a cluster", () => {
	const options: ClientOptions = {
		name: "client 1",
		user: "anna",
		folder: "INBOX",
		kind: "condstore",
		mode: "last",
	};

	it("I6: a program that is told less than there is, ends with a copy that is not the mailbox", async () => {
		const cluster = await clusterOf(["a"]);
		await deliverMany(cluster, ["a"], 2);
		const client = new Client(cluster, options);
		await cluster.run(client.visit("a"));
		client.checkCopy(() => false);
		await deliverMany(cluster, ["a"], 1, "more");
		// Its session has not told it yet.
		objects("I6", () => client.checkCopy(() => false));
		client.beTold();
		client.checkCopy(() => false);
	});

	it("I6: a node that hides a change from a token", async () => {
		const cluster = await clusterOf(["a"]);
		await deliverMany(cluster, ["a"], 1);
		const client = new Client(cluster, options);
		await cluster.run(client.visit("a"));
		client.leave();
		await deliverMany(cluster, ["a"], 1, "more");
		const { read } = cluster;
		cluster.read = async (...at) => {
			const reader = await read.apply(cluster, at);
			Object.defineProperty(reader.mailbox, "changedSince", {
				value: () => [],
			});
			return reader;
		};
		await cluster.run(client.visit("a"));
		objects("I6", () => client.checkCopy(() => false));
	});

	it("I8: a store is taken though its message has flags that the client does not know", async () => {
		const cluster = await clusterOf(["a"]);
		await deliverMany(cluster, ["a"], 1);
		const reader = await cluster.run(cluster.read("a", "anna"));
		const [seen] = reader.messages();
		if (seen === undefined) throw new Error("no mail");
		await ok(cluster, reader.flag(seen, "\\Seen"));
		const found: Violation[] = [];
		const watch = (keyword: string, flags: readonly string[]) =>
			watchConditional(
				cluster.machine("a"),
				{ keyword, flags, uid: seen.uid, entry: seen.entry },
				(error) => found.push(error),
			);
		// Without the condition, as a node that does not look at it.
		watch("$ok", ["\\Seen"]);
		await ok(cluster, reader.flag(seen, "$ok"));
		expect(found).toEqual([]);
		watch("$bad", ["\\Seen"]);
		await ok(cluster, reader.flag(seen, "$bad"));
		expect(found.map(({ invariant }) => invariant)).toEqual(["I8"]);
	});
});
