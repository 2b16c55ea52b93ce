/** Mailboxes whose UIDs are used up (rule I5): another UIDVALIDITY, higher and the same everywhere, and nothing is lost. */
import { describe, expect, it } from "vitest";
import { type MailboxId, UID_GIVEN_MAX, type Uid } from "../../sync/ids.ts";
import { STORE_BATCH_COUNT } from "../../sync/limits.ts";
import { type BoxRow, boxKey } from "../../sync/mailbox/rows.ts";
import type { BodyRef } from "../../sync/ports/bodies.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, deliverMany, ok, textsAt } from "./world.ts";

/** So many UIDs, at the most, are left in anna's INBOX on every node. */
async function nearlyUsedUp(
	names: readonly string[],
	left: number,
): Promise<{ cluster: SimCluster; id: MailboxId; uidValidity: number }> {
	const cluster = await clusterOf(names);
	await deliverMany(cluster, names, 3, "before");
	await cluster.settle();
	const { id, uidValidity } = await cluster.run(
		cluster.account(names[0] as string, "anna").select("INBOX"),
	);
	for (const name of names) await cluster.run(cluster.stop(name));
	for (const name of names) {
		const { disk } = cluster.machine(name);
		const box = JSON.parse(disk.get(boxKey(id)) as string) as BoxRow;
		const heardE = UID_GIVEN_MAX - left;
		disk.commit([[boxKey(id), JSON.stringify({ ...box, heardE })]]);
	}
	await Promise.all(names.map((name) => cluster.run(cluster.start(name))));
	await cluster.settle();
	return { cluster, id, uidValidity };
}

const stateAt = async (cluster: SimCluster, node: string) => {
	const reader = await cluster.run(cluster.read(node, "anna"));
	const { mailbox } = reader;
	const state = {
		id: mailbox.id,
		uidValidity: mailbox.uidValidity,
		shown: reader.messages().map(({ uid, flags }) => [uid, ...flags]),
	};
	reader.close();
	return state;
};

describe("UIDs that are used up", () => {
	it("the mailbox begins anew with a higher UIDVALIDITY, the same on all nodes, with all messages and flags", async () => {
		const names = ["a", "b", "c"];
		const { cluster, id, uidValidity } = await nearlyUsedUp(names, 3);
		const list = () =>
			cluster
				.account("c", "anna")
				.mailboxes()
				.map(({ name, role, subscribed }) => [name, role, subscribed]);
		const before = list();
		const open = await cluster.run(cluster.read("b", "anna"));
		await ok(cluster, open.flag(open.messages()[1] as never, "\\Flagged"));
		await deliverMany(cluster, names, 10, "after");
		await cluster.settle();
		expect(open.mailbox.gone).toBe(true);
		open.close();
		const [first, ...others] = await Promise.all(
			names.map((name) => stateAt(cluster, name)),
		);
		for (const other of others) expect(other).toEqual(first);
		expect(first?.id).not.toBe(id);
		expect(first?.uidValidity).toBeGreaterThan(uidValidity);
		expect(first?.shown).toHaveLength(13);
		expect(
			first?.shown.filter(([, ...flags]) => flags.length > 0),
		).toHaveLength(1);
		for (const [uid] of first?.shown ?? [])
			expect(uid).toBeLessThan(UID_GIVEN_MAX / 2);
		const account = cluster.account("c", "anna");
		await expect(cluster.run(account.remove("INBOX"))).rejects.toThrow(
			"INBOX cannot be deleted",
		);
		expect(list()).toEqual(before);
		await cluster.verify();
	});

	it("on both sides of a split they are used up apart: one mailbox in the end, with what came on either", async () => {
		const names = ["a", "b", "c"];
		const { cluster, uidValidity } = await nearlyUsedUp(names, 3);
		cluster.split(["a"], ["b", "c"]);
		await cluster.pass(10_000);
		await deliverMany(cluster, ["a"], 6, "left");
		await deliverMany(cluster, ["b", "c"], 6, "right");
		const [left, right] = [
			await stateAt(cluster, "a"),
			await stateAt(cluster, "b"),
		];
		expect(left.id).toBe(right.id);
		expect(left.uidValidity).not.toBe(right.uidValidity);
		cluster.heal();
		await cluster.settle();
		for (const name of names) {
			const state = await stateAt(cluster, name);
			expect(state.uidValidity).toBe(
				Math.max(left.uidValidity, right.uidValidity),
			);
			expect(state.uidValidity).toBeGreaterThan(uidValidity);
			expect(await textsAt(cluster, name)).toHaveLength(15);
		}
		await cluster.verify();
	});

	it("what was numbered in the old one by who has not heard is moved over", async () => {
		const names = ["a", "b"];
		// Of those that are left all are b's.
		const { cluster, id } = await nearlyUsedUp(names, 400);
		cluster.split(["a"], ["b"]);
		await cluster.pass(10_000);
		await deliverMany(cluster, ["b"], 2, "old");
		expect((await stateAt(cluster, "b")).id).toBe(id);
		await deliverMany(cluster, ["a"], 5, "new");
		expect((await stateAt(cluster, "a")).id).not.toBe(id);
		cluster.heal();
		await cluster.settle();
		const texts = await textsAt(cluster, "b");
		expect(texts).toContain("old 2");
		expect(texts).toHaveLength(10);
		await cluster.verify();
	});

	it("more than one batch moves is moved in several", async () => {
		const { cluster } = await nearlyUsedUp(["a"], 400);
		const reader = await cluster.run(cluster.read("a", "anna"));
		const uid = reader.messages()[0]?.uid as Uid;
		const body = reader.mailbox.get(uid)?.body as BodyRef;
		reader.close();
		const many = Array.from({ length: STORE_BATCH_COUNT + 50 }, () => ({
			body,
			flags: ["$many"],
		}));
		await cluster.run(cluster.account("a", "anna").append("INBOX", many));
		await cluster.settle();
		const { shown } = await stateAt(cluster, "a");
		expect(shown).toHaveLength(many.length + 3);
	});
});
