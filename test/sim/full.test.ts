/** Reading on a node whose disk is full: what it tells cannot be written down, and no client may lose by it. */
import { expect, it } from "vitest";
import type { SelectedMailbox } from "../../sync/api.ts";
import {
	clockCounter,
	counterOf,
	STAMPS_PER_SECOND,
	slotOf,
	UNKEPT_SLOT,
} from "../../sync/mailbox/slots.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, deliverMany, ok, textsAt } from "./world.ts";

const DOWN = 8_000;

/** Three messages everywhere; then b is cut off and its disk is full, and a fourth is shown at a only. */
async function withFullDisk(): Promise<{ cluster: SimCluster; token: number }> {
	const cluster = await clusterOf(["a", "b"]);
	cluster.expectedErrors.push(/could not write a batch.*disk is full/);
	await deliverMany(cluster, ["a", "b"], 3);
	await cluster.settle();
	for (const node of ["a", "b"]) (await visit(cluster, node)).release();
	cluster.setFull("b", true);
	cluster.split(["a"], ["b"]);
	await cluster.pass(DOWN);
	await ok(cluster, cluster.deliver("a", "anna", "the fourth"));
	const selected = await visit(cluster, "a");
	expect(selected.uids()).toHaveLength(4);
	selected.release();
	return { cluster, token: selected.highestModSeq };
}

const visit = (cluster: SimCluster, node: string): Promise<SelectedMailbox> =>
	cluster.run(cluster.account(node, "anna").select("INBOX"));

it("reading goes on under a token that is above all told, and that is worth nothing anywhere", async () => {
	const { cluster, token } = await withFullDisk();
	const atFull = await visit(cluster, "b");
	expect(atFull.uids()).toHaveLength(3);
	const told = atFull.highestModSeq;
	expect(told).toBeGreaterThan(token);
	expect(slotOf(told)).toBe(UNKEPT_SLOT);
	// A client that keeps the highest names it: in this session, too.
	await cluster.run(atFull.tokenNamed(told));
	expect(atFull.highestModSeq).toBe(told);
	cluster.heal();
	for (const node of ["a", "b"]) {
		if (node === "a") await cluster.pass(DOWN);
		else {
			cluster.setFull("b", false);
			await cluster.settle();
		}
		const later = await visit(cluster, node);
		expect(later.highestModSeq).toBeGreaterThan(told);
		expect(slotOf(later.highestModSeq)).not.toBe(UNKEPT_SLOT);
		expect(later.changedSince(told)).toHaveLength(4);
		later.release();
	}
	expect(atFull.uids()).toHaveLength(4);
	expect(atFull.highestModSeq).toBeGreaterThan(told);
	await cluster.settle();
});

it("a token that is named in a session at a full disk is below what is told from then on", async () => {
	const { cluster, token } = await withFullDisk();
	const selected = await visit(cluster, "b");
	const ahead = token + 2 ** 30;
	await cluster.run(selected.tokenNamed(ahead));
	expect(selected.highestModSeq).toBeGreaterThan(ahead);
	const { highestModSeq } = await cluster.run(
		cluster.account("b", "anna").status("INBOX"),
	);
	expect(highestModSeq).toBeGreaterThan(ahead);
	cluster.setFull("b", false);
	const { uidNext } = selected;
	await cluster.run(selected.named(uidNext + 9));
	expect(selected.uidNext).toBeGreaterThan(uidNext);
	expect(selected.highestModSeq).toBeGreaterThan(ahead);
	selected.release();
});

it("alone, too, HIGHESTMODSEQ does not sink when the disk has room again", async () => {
	const cluster = await clusterOf(["a"]);
	cluster.expectedErrors.push(/could not write a batch.*disk is full/);
	await deliverMany(cluster, ["a"], 3);
	const { uidValidity, highestModSeq } = await visit(cluster, "a");
	cluster.setFull("a", true);
	const told = { uidValidity, uid: 0, modSeq: highestModSeq + 2 ** 40 };
	const atFull = await cluster.run(
		cluster.account("a", "anna").select("INBOX", told),
	);
	const toldFull = atFull.highestModSeq;
	expect(toldFull).toBeGreaterThan(highestModSeq);
	atFull.release();
	cluster.setFull("a", false);
	const later = await visit(cluster, "a");
	expect(later.highestModSeq).toBeGreaterThan(toldFull);
	expect(slotOf(later.highestModSeq)).not.toBe(UNKEPT_SLOT);
});

it("many visits at a full disk do not drive the stamps away from the clock", async () => {
	const { cluster } = await withFullDisk();
	const ahead = async (): Promise<number> =>
		counterOf((await visit(cluster, "b")).highestModSeq) -
		clockCounter(cluster.clock.now());
	const first = await ahead();
	for (let i = 0; i < 100; i++) (await visit(cluster, "b")).release();
	expect((await ahead()) - first).toBeLessThan(STAMPS_PER_SECOND);
});

it("a member whose disk is full holds up no mail at the others, and has it all when there is room", async () => {
	const cluster = await clusterOf(["a", "b"]);
	cluster.expectedErrors.push(/could not write a batch.*disk is full/);
	await deliverMany(cluster, ["a", "b"], 2);
	await cluster.settle();
	cluster.setFull("b", true);
	for (const text of ["first", "second", "third"]) {
		const asked = cluster.clock.monotonic();
		await ok(cluster, cluster.deliver("a", "anna", text));
		// The first finds it out.
		const waited = cluster.clock.monotonic() - asked;
		expect(waited).toBeLessThan(text === "first" ? 3_000 : 500);
	}
	const { bodiesWithTooFewCopies } = cluster.replica("a").report();
	expect(bodiesWithTooFewCopies).toBe(3);
	expect((await cluster.deliver("b", "anna", "refused")).kind).toBe("refused");
	expect(await textsAt(cluster, "a")).toHaveLength(5);
	cluster.setFull("b", false);
	await cluster.settle();
	expect(await textsAt(cluster, "b")).toHaveLength(5);
	expect(cluster.replica("a").report().bodiesWithTooFewCopies).toBe(0);
	// It is waited for again.
	await ok(cluster, cluster.deliver("a", "anna", "last"));
	expect(cluster.replica("a").report().bodiesWithTooFewCopies).toBe(0);
	await cluster.settle();
});

it("a mailbox with messages that was never shown here is not told as empty", async () => {
	const cluster = await clusterOf(["a", "b"]);
	cluster.expectedErrors.push(/could not write a batch.*disk is full/);
	await deliverMany(cluster, ["a"], 3);
	(await visit(cluster, "a")).release();
	await cluster.settle();
	cluster.setFull("b", true);
	const account = cluster.account("b", "anna");
	const noRoom = /no room on the server's disk/;
	await expect(cluster.run(account.select("INBOX"))).rejects.toThrow(noRoom);
	await expect(cluster.run(account.status("INBOX"))).rejects.toThrow(noRoom);
	// That one has none.
	expect((await cluster.run(account.select("Sent"))).uids()).toHaveLength(0);
	cluster.setFull("b", false);
	expect((await visit(cluster, "b")).uids()).toHaveLength(3);
	await cluster.settle();
});

it("a full disk is logged once a minute, and when there is room again", async () => {
	const cluster = await clusterOf(["a"]);
	cluster.expectedErrors.push(/could not write a batch.*disk is full/);
	cluster.setFull("a", true);
	const account = cluster.account("a", "anna");
	const store = () => cluster.run(account.subscribe("Elsewhere", true));
	const logged = (text: string) => cluster.trace().split(text).length - 1;
	const failed = "could not write a batch";
	for (let i = 0; i < 20; i++) await expect(store()).rejects.toThrow("full");
	expect(logged(failed)).toBe(1);
	await cluster.pass(61_000);
	await expect(store()).rejects.toThrow("full");
	expect(logged(failed)).toBe(2);
	cluster.setFull("a", false);
	await store();
	expect(logged("room on the disk again")).toBe(1);
});
