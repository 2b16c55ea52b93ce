/** The mailbox tree, changed on both sides of a split (mailbox-consistency.md, appendix). */
import { describe, expect, it } from "vitest";
import type { Account, MailboxInfo } from "../../sync/api.ts";
import type { Uid } from "../../sync/ids.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, ok, textsAt } from "./world.ts";

const DOWN = 8_000;
const BUILT_IN = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"];

/** One side, then the other, each without knowing of the other; then all are together again. */
async function apart(
	cluster: SimCluster,
	sides: Record<"a" | "b", (account: Account) => Promise<unknown>>,
): Promise<void> {
	cluster.split(["a"], ["b", "c"]);
	await cluster.pass(DOWN);
	for (const node of ["a", "b"] as const) {
		await cluster.run(sides[node](cluster.account(node, "anna")));
		await cluster.pass(50);
	}
	cluster.heal();
	await cluster.verify();
}

/** Names beside those of each account; the same on all nodes, as verify() has seen. */
const names = (cluster: SimCluster): string[] =>
	cluster
		.account("c", "anna")
		.mailboxes()
		.map(({ name }) => name)
		.filter((name) => !BUILT_IN.includes(name))
		.sort();

const find = (cluster: SimCluster, name: string): MailboxInfo | undefined =>
	cluster.account("c", "anna").find(name);

async function uidValidity(
	cluster: SimCluster,
	node: string,
	name: string,
): Promise<number> {
	const status = cluster.account(node, "anna").status(name);
	return (await cluster.run(status)).uidValidity;
}

async function made(...folders: string[]): Promise<SimCluster> {
	const cluster = await clusterOf(["a", "b", "c"]);
	for (const folder of folders)
		await cluster.run(cluster.account("a", "anna").create(folder));
	await cluster.settle();
	return cluster;
}

describe("after a split", () => {
	it("made on both sides it is one mailbox, with the mail of both and the higher UIDVALIDITY", async () => {
		const cluster = await made();
		const told: number[] = [];
		const create = (node: string) => async (account: Account) => {
			await account.create("Work");
			told.push((await account.status("Work")).uidValidity);
			await cluster.append(node, "anna", "Work", `of ${node}`);
		};
		await apart(cluster, { a: create("a"), b: create("b") });
		expect(names(cluster)).toEqual(["Work"]);
		expect((await textsAt(cluster, "c", "anna", "Work")).sort()).toEqual([
			"of a",
			"of b",
		]);
		expect(await uidValidity(cluster, "c", "Work")).toBe(Math.max(...told));
	});

	it("renamed on both sides, the later name counts, with all below it", async () => {
		const cluster = await made("Work/Old");
		await apart(cluster, {
			a: (account) => account.rename("Work", "Job"),
			b: (account) => account.rename("Work", "Business"),
		});
		expect(names(cluster)).toEqual(["Business", "Business/Old"]);
	});

	it("two that got one name are both there, the older under it", async () => {
		const cluster = await made("Work", "Play");
		const [work, play] = [find(cluster, "Work"), find(cluster, "Play")];
		await apart(cluster, {
			a: (account) => account.rename("Play", "All"),
			b: (account) => account.rename("Work", "All"),
		});
		expect(names(cluster)).toEqual(["All", "All (2)"]);
		expect(find(cluster, "All")?.id).toBe(work?.id);
		expect(find(cluster, "All (2)")?.id).toBe(play?.id);
	});

	it("renames that close a cycle: the later is void", async () => {
		const cluster = await made("X", "Y");
		await apart(cluster, {
			a: (account) => account.rename("X", "Y/X"),
			b: (account) => account.rename("Y", "X/Z"),
		});
		expect(names(cluster)).toEqual(["Y", "Y/X"]);
	});

	it("deleted and renamed, it is gone", async () => {
		const cluster = await made("Work");
		await ok(cluster, cluster.append("a", "anna", "Work", "old"));
		await cluster.settle();
		await apart(cluster, {
			a: (account) => {
				cluster.removing(find(cluster, "Work")?.id as MailboxInfo["id"]);
				return account.remove("Work");
			},
			b: (account) => account.rename("Work", "Job"),
		});
		expect(names(cluster)).toEqual([]);
	});

	it("deleted while new mail comes: it lives on with just that, under its UIDVALIDITY, and goes with it", async () => {
		const cluster = await made("Work");
		await ok(cluster, cluster.append("a", "anna", "Work", "old"));
		await cluster.settle();
		const before = await uidValidity(cluster, "a", "Work");
		await apart(cluster, {
			a: (account) => {
				cluster.removing(find(cluster, "Work")?.id as MailboxInfo["id"]);
				return account.remove("Work");
			},
			b: () => cluster.append("b", "anna", "Work", "new"),
		});
		expect(names(cluster)).toEqual(["Work"]);
		expect(await textsAt(cluster, "c", "anna", "Work")).toEqual(["new"]);
		expect(await uidValidity(cluster, "c", "Work")).toBe(before);
		const reader = await cluster.run(cluster.read("b", "anna", "Work"));
		const [message] = reader.messages();
		if (message === undefined) throw new Error("no message");
		await ok(cluster, reader.expunge(message));
		reader.close();
		await cluster.verify();
		expect(names(cluster)).toEqual([]);
	});

	it.each([
		["a", "b"],
		["b", "a"],
	] as const)(
		"deleted and made again at %s while new mail comes at %s: that is moved to where the name is",
		async (remaker, other) => {
			const cluster = await made("Work/Old");
			const remake = async (account: Account) => {
				await account.remove("Work/Old");
				await account.create("Work/Old");
				await cluster.append(remaker, "anna", "Work/Old", "in the new one");
			};
			const receive = () =>
				cluster.append(other, "anna", "Work/Old", "late mail");
			await apart(cluster, {
				[remaker]: remake,
				[other]: receive,
			} as Parameters<typeof apart>[1]);
			expect(names(cluster)).toEqual(["Work", "Work/Old"]);
			expect((await textsAt(cluster, "c", "anna", "Work/Old")).sort()).toEqual([
				"in the new one",
				"late mail",
			]);
			// Also what is found there only after the heal, by whoever numbers then.
			cluster.crash("a");
			await cluster.pass(DOWN);
			expect(await textsAt(cluster, "b", "anna", "Work/Old")).toHaveLength(2);
		},
	);

	it("made and deleted at one side, made at the other: the other's lives, as its clients know it", async () => {
		const cluster = await made();
		let told = 0;
		await apart(cluster, {
			a: async (account) => {
				await account.create("Work");
				await account.remove("Work");
			},
			b: async (account) => {
				await account.create("Work");
				told = (await account.status("Work")).uidValidity;
			},
		});
		expect(names(cluster)).toEqual(["Work"]);
		expect(await uidValidity(cluster, "a", "Work")).toBe(told);
	});

	it("a mailbox made below one that was deleted keeps its name, and that stays as long", async () => {
		const cluster = await made("Work");
		await apart(cluster, {
			a: (account) => account.remove("Work"),
			b: (account) => account.create("Work/New"),
		});
		expect(names(cluster)).toEqual(["Work", "Work/New"]);
		await cluster.run(cluster.account("a", "anna").remove("Work/New"));
		await cluster.verify();
		expect(names(cluster)).toEqual([]);
	});

	it("a name that is used again has a higher UIDVALIDITY than any before", async () => {
		const cluster = await made("Work", "Play");
		const before = await uidValidity(cluster, "a", "Work");
		await apart(cluster, {
			a: async (account) => {
				await account.remove("Work");
				await account.create("Work");
			},
			b: (account) => account.rename("Play", "Job"),
		});
		expect(await uidValidity(cluster, "b", "Work")).toBeGreaterThan(before);
		const rename = cluster.account("b", "anna").rename("Job", "Play");
		await cluster.run(rename);
		await cluster.verify();
	});

	it("subscribed on one side and unsubscribed on the other, it is subscribed", async () => {
		const cluster = await made("Work");
		await cluster.run(cluster.account("a", "anna").subscribe("Work", true));
		await cluster.settle();
		await apart(cluster, {
			a: (account) => account.subscribe("Work", false),
			b: async (account) => {
				await account.subscribe("Work", false);
				await account.subscribe("Work", true);
				await account.subscribe("Gone", true);
			},
		});
		const subscribed = cluster.account("c", "anna").subscriptions();
		expect(subscribed).toContain("Work");
		expect(subscribed).toContain("Gone");
	});

	it("what no mailbox can be called cannot be subscribed to", async () => {
		const account = (await made()).account("a", "anna");
		const names = ["a\r\nb", "a//b", "a*", "x".repeat(1_001)];
		for (const name of names)
			await expect(account.subscribe(name, true)).rejects.toThrow(
				/mailbox name/,
			);
		await account.subscribe(names[0] as string, false);
		expect(account.subscriptions()).not.toContain("a//b");
	});

	it("a mailbox with others below it is not deleted", async () => {
		const cluster = await made("Work/Old");
		await expect(
			cluster.run(cluster.account("a", "anna").remove("Work")),
		).rejects.toMatchObject({ code: "HASCHILDREN" });
		expect(names(cluster)).toEqual(["Work", "Work/Old"]);
	});

	it("INBOX and the special ones are the same everywhere, and stay", async () => {
		const cluster = await made();
		for (const name of BUILT_IN) {
			const account = cluster.account("a", "anna");
			await expect(cluster.run(account.remove(name))).rejects.toThrow(
				/cannot be deleted/,
			);
		}
		const ids = (node: string) =>
			cluster
				.account(node, "anna")
				.mailboxes()
				.map(({ id, role }) => [id, role]);
		expect(ids("b")).toEqual(ids("a"));
	});

	it("a session in a mailbox that is gone after the heal is told so", async () => {
		const cluster = await made("Work");
		const selected = await cluster.run(
			cluster.account("b", "anna").select("Work"),
		);
		let told = 0;
		selected.onChange(() => {
			told++;
		});
		await apart(cluster, {
			a: (account) => account.remove("Work"),
			b: (account) => account.status("Work"),
		});
		expect(selected.gone).toBe(true);
		expect(told).toBeGreaterThan(0);
		expect(selected.get(1 as Uid)).toBeUndefined();
	});
});
