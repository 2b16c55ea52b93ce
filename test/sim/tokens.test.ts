/** Mod-sequences and UIDs as a client holds them that goes from node to node (mailbox-consistency rules 8 and 11 to 15). */
import { describe, expect, it, vi } from "vitest";
import type { SelectedMailbox, ToldElsewhere } from "../../sync/api.ts";
import type { Uid } from "../../sync/ids.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, deliverMany, ok } from "./world.ts";

const DOWN = 8_000;
const HOUR = 3_600_000;

/** One visit of a client: what it is told, and what it may ask. */
function visit(
	cluster: SimCluster,
	node: string,
	told?: ToldElsewhere,
	mailbox = "INBOX",
): Promise<SelectedMailbox> {
	return cluster.run(cluster.account(node, "anna").select(mailbox, told));
}

/** HIGHESTMODSEQ of a visit that ends at once. */
async function tokenAt(cluster: SimCluster, node: string): Promise<number> {
	const selected = await visit(cluster, node);
	const { highestModSeq } = selected;
	selected.release();
	return highestModSeq;
}

async function setFlag(
	cluster: SimCluster,
	node: string,
	index: number,
	flag = "\\Seen",
): Promise<Uid> {
	const selected = await visit(cluster, node);
	const uid = selected.uids()[index] as Uid;
	await cluster.run(selected.store([uid], { mode: "add", flags: [flag] }));
	selected.release();
	return uid;
}

async function withMail(
	names: readonly string[],
	count = 6,
	options: Parameters<typeof clusterOf>[1] = {},
): Promise<SimCluster> {
	const cluster = await clusterOf(names, options);
	await deliverMany(cluster, names, count);
	await cluster.settle();
	return cluster;
}

describe("a token of another node", () => {
	it("where both show the same, HIGHESTMODSEQ is the same and nothing has changed", async () => {
		const cluster = await withMail(["a", "b", "c"]);
		// The first look at each node shows all, under stamps of its own.
		for (const node of ["b", "c", "a"]) await tokenAt(cluster, node);
		const token = await tokenAt(cluster, "a");
		for (const node of ["b", "c", "a", "b"]) {
			const selected = await visit(cluster, node);
			expect(selected.highestModSeq).toBe(token);
			expect(selected.changedSince(token)).toEqual([]);
			expect(selected.vanished([[1, selected.uidNext - 1]])).toEqual([]);
			selected.release();
		}
	});

	it("only what happened since has changed, wherever it happened", async () => {
		const cluster = await withMail(["a", "b", "c"]);
		const token = await tokenAt(cluster, "a");
		const uid = await setFlag(cluster, "c", 2);
		for (const node of ["b", "a", "c"]) {
			const selected = await visit(cluster, node);
			expect(selected.highestModSeq).toBeGreaterThan(token);
			expect(selected.changedSince(token)).toEqual([uid]);
			selected.release();
		}
	});

	it("an operation that changes nothing visible counts too: another node may have shown the step between", async () => {
		const cluster = await withMail(["a", "b"]);
		const uid = await setFlag(cluster, "a", 0);
		const token = await tokenAt(cluster, "b");
		await setFlag(cluster, "a", 0);
		const selected = await visit(cluster, "b");
		expect(selected.changedSince(token)).toEqual([uid]);
	});

	it("tells of both sides of a split what its holder has not seen, during it and after it", async () => {
		const cluster = await withMail(["a", "b", "c"]);
		const before = await tokenAt(cluster, "a");
		await cluster.pass(1_000);
		cluster.split(["a"], ["b", "c"]);
		await cluster.pass(DOWN);
		const atA = await setFlag(cluster, "a", 0);
		const token = await tokenAt(cluster, "a");
		const atB = await setFlag(cluster, "b", 1);
		// The other side lacks what a knew when it told the token; it must not say less than what b did since.
		const apart = await visit(cluster, "b");
		expect(apart.highestModSeq).toBeGreaterThan(token);
		expect(apart.changedSince(token)).toContain(atB);
		expect(apart.changedSince(before)).toEqual([atB]);
		const apartToken = apart.highestModSeq;
		apart.release();
		cluster.heal();
		await cluster.settle();
		for (const node of ["a", "b", "c"]) {
			const selected = await visit(cluster, node);
			expect(selected.changedSince(token), node).toEqual([atB]);
			expect(selected.changedSince(apartToken), node).toEqual([atA]);
			expect(selected.changedSince(before), node).toEqual([atA, atB]);
			selected.release();
		}
	});

	it("that no member here has heard the meaning of tells everything", async () => {
		const cluster = await withMail(["a", "b", "c"]);
		cluster.split(["a"], ["b", "c"]);
		await cluster.pass(DOWN);
		// No pair of a is known here: nobody had selected there before the split.
		const token = await tokenAt(cluster, "a");
		const selected = await visit(cluster, "b");
		expect(selected.changedSince(token)).toEqual(selected.uids());
	});

	it("a pair travels through others, and outlives a restart of its giver and of who heard it", async () => {
		const cluster = await withMail(["a", "b", "c"]);
		cluster.cut("a", "c");
		await cluster.pass(DOWN);
		const token = await tokenAt(cluster, "a");
		await cluster.pass(2_000);
		const uid = await setFlag(cluster, "b", 3);
		cluster.crash("a");
		cluster.crash("b");
		await cluster.run(cluster.start("b"));
		await cluster.pass(DOWN);
		const selected = await visit(cluster, "c");
		expect(selected.changedSince(token)).toEqual([uid]);
	});

	it("that nobody can have given tells everything, and is not believed", async () => {
		const cluster = await withMail(["a", "b"]);
		const selected = await visit(cluster, "a");
		const { highestModSeq } = selected;
		const madeUp = highestModSeq + 1024 * 2 ** 30;
		await cluster.run(selected.tokenNamed(madeUp));
		expect(selected.changedSince(madeUp)).toEqual(selected.uids());
		expect(selected.highestModSeq).toBe(highestModSeq);
	});

	it("of a removed member is worth nothing", async () => {
		const cluster = await withMail(["a", "b", "c"]);
		const token = await tokenAt(cluster, "c");
		await cluster.pass(1_000);
		cluster.crash("c");
		await cluster.pass(DOWN);
		const before = await visit(cluster, "b");
		expect(before.changedSince(token)).toEqual([]);
		before.release();
		await cluster.run(cluster.replica("a").remove("c"));
		const selected = await visit(cluster, "b");
		expect(selected.changedSince(token)).toEqual(selected.uids());
	});

	it("flags set on a message while it was moved elsewhere count for the moved one", async () => {
		const cluster = await withMail(["a", "b"]);
		cluster.split(["a"], ["b"]);
		await cluster.pass(DOWN);
		const here = await visit(cluster, "a");
		await cluster.run(here.move([here.uids()[0] as Uid], "Archive"));
		here.release();
		const archive = await visit(cluster, "a", undefined, "Archive");
		const token = archive.highestModSeq;
		archive.release();
		await setFlag(cluster, "b", 0, "$followed");
		cluster.heal();
		await cluster.settle();
		for (const node of ["b", "a"]) {
			const selected = await visit(cluster, node, undefined, "Archive");
			expect(selected.changedSince(token), node).toEqual(selected.uids());
			expect(selected.uids()).toHaveLength(1);
			selected.release();
		}
	});
});

describe("SELECT of a mailbox of which all is told already", () => {
	const commitsOf = async (cluster: SimCluster, told?: ToldElsewhere) => {
		const commit = vi.spyOn(cluster.machine("a").disk, "commit");
		const selected = await visit(cluster, "a", told);
		const { highestModSeq } = selected;
		selected.release();
		const commits = commit.mock.calls.length;
		commit.mockRestore();
		return { commits, highestModSeq };
	};

	it("waits for no disk", async () => {
		const cluster = await withMail(["a", "b"]);
		await tokenAt(cluster, "a");
		await cluster.settle();
		expect((await commitsOf(cluster)).commits).toBe(0);
	});

	it("writes where a member is out of reach, or the client was told more elsewhere", async () => {
		const cluster = await withMail(["a", "b"]);
		const token = await tokenAt(cluster, "a");
		await cluster.settle();
		const { uidValidity, uidNext } = await visit(cluster, "a");
		const known = { uidValidity, uid: uidNext - 1, modSeq: token };
		expect((await commitsOf(cluster, known)).commits).toBe(0);
		cluster.split(["a"], ["b"]);
		await cluster.pass(DOWN);
		const apart = await commitsOf(cluster, known);
		expect(apart.commits).toBeGreaterThan(0);
		expect(apart.highestModSeq).toBeGreaterThan(token);
	});
});

describe("HIGHESTMODSEQ", () => {
	it("never sinks for who goes from a fast clock to a slow one, connected or apart", async () => {
		const cluster = await withMail(["a", "b", "c"]);
		cluster.jump("a", HOUR);
		let highest = 0;
		let token = 0;
		for (const [step, node] of ["a", "b", "c", "a", "c", "b"].entries()) {
			if (step === 3) {
				cluster.split(["a"], ["b", "c"]);
				await cluster.pass(DOWN);
			}
			const reach = step < 3 || node === "a" ? node : "b";
			const uid = await setFlag(cluster, reach, step);
			const selected = await visit(cluster, node);
			expect(selected.highestModSeq, `${step} ${node}`).toBeGreaterThan(
				highest,
			);
			if (token > 0) expect(selected.changedSince(token)).toContain(uid);
			highest = selected.highestModSeq;
			token = highest;
			selected.release();
		}
	});

	it("is new at each SELECT while some member is out of reach", async () => {
		const cluster = await withMail(["a", "b", "c"]);
		cluster.split(["a"], ["b", "c"]);
		await cluster.pass(DOWN);
		let highest = 0;
		for (const node of ["b", "c", "b", "b", "c", "a", "a"]) {
			const token = await tokenAt(cluster, node);
			expect(token, node).toBeGreaterThan(highest);
			highest = token;
		}
	});

	it("STATUS tells none below what another node told", async () => {
		const cluster = await withMail(["a", "b"]);
		const selected = await visit(cluster, "a");
		for (let i = 0; i < 4; i++)
			await cluster.run(
				selected.store([selected.uids()[i] as Uid], {
					mode: "add",
					flags: ["$x"],
				}),
			);
		await cluster.settle();
		const told = selected.highestModSeq;
		const status = await cluster.run(
			cluster.account("b", "anna").status("INBOX"),
		);
		expect(status.highestModSeq).toBeGreaterThanOrEqual(told);
	});

	it("follows a token that a client names, also one of a member never heard since", async () => {
		const cluster = await withMail(["a", "b"]);
		cluster.split(["a"], ["b"]);
		await cluster.pass(DOWN);
		await setFlag(cluster, "a", 0);
		cluster.jump("a", HOUR);
		const token = await tokenAt(cluster, "a");
		const at = await visit(cluster, "b");
		const { uidValidity } = at;
		at.release();
		const selected = await visit(cluster, "b", {
			uidValidity,
			uid: 0,
			modSeq: token,
		});
		expect(selected.highestModSeq).toBeGreaterThan(token);
		// A mailbox made anew is another one: its token says nothing.
		const other = await visit(cluster, "b", {
			uidValidity: uidValidity + 1,
			uid: 0,
			modSeq: token + 1024 * 2 ** 20,
		});
		expect(other.highestModSeq).toBeLessThan(token + 1024 * 2 ** 20);
	});
});

describe("UNCHANGEDSINCE", () => {
	it("holds on every node for who knows all, and for nobody else", async () => {
		const cluster = await withMail(["a", "b", "c"]);
		const first = await visit(cluster, "a");
		const token = first.highestModSeq;
		first.release();
		const changed = await setFlag(cluster, "c", 1);
		const selected = await visit(cluster, "b");
		const uids = selected.uids().slice(0, 3);
		const modified = await cluster.run(
			selected.store(uids, { mode: "add", flags: ["$new"] }, token),
		);
		expect(modified).toEqual([changed]);
		expect(uids.map((uid) => selected.get(uid)?.flags)).toEqual([
			["$new"],
			["\\Seen"],
			["$new"],
		]);
		// Now nobody holding the first token knows them any more.
		const again = await cluster.run(
			selected.store(uids, { mode: "add", flags: ["$more"] }, token),
		);
		expect(again).toEqual(uids);
	});

	it("of two that name the same token at once, one is refused", async () => {
		const cluster = await withMail(["a", "b"]);
		const one = await visit(cluster, "a");
		const token = one.highestModSeq;
		const [uid] = one.uids() as [Uid];
		const change = { mode: "add", flags: ["$mine"] } as const;
		const both = await cluster.run(
			Promise.all([
				one.store([uid], change, token),
				one.store([uid], change, token),
			]),
		);
		expect(both.map((modified) => modified.length).sort()).toEqual([0, 1]);
	});

	it("fails for a change that is known here and not shown yet", async () => {
		const cluster = await withMail(["a", "b"]);
		const selected = await visit(cluster, "a");
		const token = selected.highestModSeq;
		const [uid] = selected.uids() as [Uid];
		// The second copy of this is under way: nobody is shown it before.
		const unsaid = selected.store([uid], { mode: "add", flags: ["$first"] });
		const modified = await cluster.run(
			selected.store([uid], { mode: "add", flags: ["$second"] }, token),
		);
		await cluster.run(unsaid);
		expect(modified).toEqual([uid]);
	});
});

describe("VANISHED", () => {
	it("apart it names only what is known dead; in touch with all, whatever is no message", async () => {
		const cluster = await withMail(["a", "b"]);
		const first = await visit(cluster, "a");
		const uids = first.uids();
		await cluster.run(first.expunge([uids[1] as Uid, uids[2] as Uid]));
		first.release();
		await cluster.settle();
		cluster.split(["a"], ["b"]);
		await cluster.pass(DOWN);
		await ok(cluster, cluster.deliver("a", "anna", "only at a"));
		const atA = await visit(cluster, "a");
		const unseenByB = atA.uids().at(-1) as Uid;
		const b = await visit(cluster, "b");
		const known = [[1, unseenByB + 5] as const];
		expect(b.vanished(known)).toEqual([[uids[1], uids[2]]]);
		b.release();
		cluster.heal();
		await cluster.settle();
		const whole = await visit(cluster, "b");
		const vanished = whole.vanished(known);
		const covers = (uid: number) =>
			vanished.some(([low, high]) => low <= uid && uid <= high);
		for (let uid = 1; uid <= unseenByB + 5; uid++)
			expect(covers(uid), `${uid}`).toBe(!whole.uids().includes(uid as Uid));
	});

	it("names what is dead whatever token the client has, also one that was told after it went", async () => {
		const cluster = await withMail(["a", "b"]);
		const first = await visit(cluster, "a");
		const { uidValidity } = first;
		const [gone] = first.uids() as [Uid];
		await cluster.run(first.expunge([gone]));
		first.release();
		for (const node of ["a", "b"]) {
			const modSeq = await tokenAt(cluster, node);
			const told = { uidValidity, uid: 0, modSeq };
			const selected = await visit(cluster, node, told);
			await cluster.run(selected.tokenNamed(modSeq));
			expect(selected.vanished(), node).toEqual([[gone, gone]]);
			selected.release();
		}
	});

	it("names a UID that was replaced, though its message lives", async () => {
		const cluster = await withMail(["a", "b"], 2);
		cluster.split(["a"], ["b"]);
		await cluster.pass(DOWN);
		for (const node of ["a", "b"]) {
			await ok(cluster, cluster.deliver(node, "anna", `at ${node}`));
			(await visit(cluster, node)).release();
		}
		const told = new Map<string, number>();
		for (const node of ["a", "b"]) {
			const selected = await visit(cluster, node);
			for (const uid of selected.uids())
				told.set(`${selected.get(uid)?.entry}`, uid);
			selected.release();
		}
		cluster.heal();
		await cluster.settle();
		cluster.split(["a"], ["b"]);
		await cluster.pass(DOWN);
		const selected = await visit(cluster, "a");
		const live = selected.uids();
		const replaced = [...told.values()].filter(
			(uid) => !live.includes(uid as Uid),
		);
		expect(replaced).toHaveLength(1);
		const [uid] = replaced as [number];
		expect(selected.vanished([[uid, uid]])).toEqual([[uid, uid]]);
		// Named singly it still acts (rule 6).
		expect(told.get(`${selected.resolve(uid as Uid)?.entry}`)).toBe(uid);
	});
});

describe("a UID that a client names", () => {
	it("raises E apart, and what is numbered afterwards is above it everywhere", async () => {
		const cluster = await withMail(["a", "b"]);
		cluster.split(["a"], ["b"]);
		await cluster.pass(DOWN);
		const b = await visit(cluster, "b");
		const named = b.uidNext + 5_000;
		await cluster.run(b.named(named));
		expect(b.uidNext).toBe(named + 1);
		await cluster.run(b.named(named + 2 ** 27));
		expect(b.uidNext, "not believed").toBe(named + 1);
		b.release();
		cluster.heal();
		await cluster.settle();
		// Both number for some account: neither may go below what b has told.
		for (const node of ["a", "b"]) {
			await ok(cluster, cluster.deliver(node, "anna", `after ${node}`));
			const selected = await visit(cluster, node);
			expect(selected.uids().at(-1)).toBeGreaterThan(named);
			selected.release();
		}
		expect(cluster.witness.renumbering.renumbered).toBe(0);
	});

	it("is not believed above all that was told, when all members are in touch", async () => {
		const cluster = await withMail(["a", "b"]);
		const selected = await visit(cluster, "a");
		const { uidNext } = selected;
		await cluster.run(selected.named(uidNext + 100));
		expect(selected.uidNext).toBe(uidNext);
	});

	it("numbers nothing anew that had not been shown on this node yet", async () => {
		const cluster = await withMail(["a", "b"]);
		const first = await visit(cluster, "a");
		const uids = first.uids();
		const { uidValidity, highestModSeq } = first;
		first.release();
		// Nobody looked at b so far.
		const selected = await visit(cluster, "b", {
			uidValidity,
			uid: uids.at(-1) as number,
			modSeq: highestModSeq,
		});
		expect(selected.uids()).toEqual(uids);
		await cluster.settle();
		expect(selected.uids()).toEqual(uids);
	});
});
