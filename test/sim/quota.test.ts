/** Stories of quotas and annotations: what is replicated, what is counted, and what a split does to them. */
import { expect, it } from "vitest";
import { ClientFault } from "../../sync/faults.ts";
import {
	METADATA_ENTRIES_MAX,
	METADATA_VALUE_BYTES_MAX,
} from "../../sync/limits.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, ok } from "./world.ts";

const limit = async (
	cluster: SimCluster,
	node: string,
	storageBytesMax?: number,
	messagesMax?: number,
) =>
	cluster.run(
		cluster.replica(node).directory.setQuota("anna@example.org" as never, {
			storageBytesMax,
			messagesMax,
		}),
	);
const held = (cluster: SimCluster, node: string) =>
	cluster.account(node, "anna").quota();
const deliver = (cluster: SimCluster, node: string, text: string) =>
	ok(cluster, cluster.deliver(node, "anna", text));

it("what an account holds is the same everywhere, whatever was done with it", async () => {
	const cluster = await clusterOf(["a", "b"]);
	for (const text of ["one", "two", "three"]) await deliver(cluster, "a", text);
	await deliver(cluster, "b", "two");
	const reader = await cluster.run(cluster.read("b", "anna"));
	const [one, two] = reader.messages();
	if (!one || !two) throw new Error("no mail");
	const before = held(cluster, "b");
	expect(before.messages).toBe(3 + Number(reader.messages().length === 4));
	expect(before.storageBytes).toBeGreaterThan(3 * "Received".length);
	await ok(cluster, reader.move(one, "Archive"));
	expect(held(cluster, "b")).toEqual(before);
	await ok(cluster, reader.expunge(two));
	const after = held(cluster, "b");
	expect(after.messages).toBe(before.messages - 1);
	expect(after.storageBytes).toBeLessThan(before.storageBytes);
	reader.close();
	await cluster.settle();
	expect(held(cluster, "a")).toEqual(after);
	await cluster.verify();
});

it("a full account takes no mail, no copies and no appended messages, until there is room", async () => {
	const cluster = await clusterOf(["a", "b"]);
	await deliver(cluster, "a", "one");
	const size = held(cluster, "a").storageBytes;
	await limit(cluster, "a", 2 * size);
	await cluster.settle();
	await deliver(cluster, "b", "two");
	const full = { code: "OVERQUOTA" };
	await expect(deliver(cluster, "a", "more")).rejects.toMatchObject(full);
	await expect(deliver(cluster, "b", "more")).rejects.toMatchObject(full);
	const account = cluster.account("b", "anna");
	expect(() => account.checkRoom(1, 1)).toThrow(ClientFault);
	await expect(
		ok(cluster, cluster.append("b", "anna", "INBOX", "appended")),
	).rejects.toMatchObject(full);
	const selected = await cluster.run(account.select("INBOX"));
	const [first] = selected.uids();
	if (first === undefined) throw new Error("no mail");
	await expect(
		cluster.run(selected.copy([first], "Archive")),
	).rejects.toMatchObject(full);
	await cluster.run(selected.move([first], "Archive"));
	selected.release();
	// A retry of what is here already needs no room.
	await ok(cluster, cluster.deliver("a", "anna", "two", { retry: true }));
	await limit(cluster, "b", undefined, 3);
	await deliver(cluster, "b", "three");
	await expect(deliver(cluster, "b", "four")).rejects.toMatchObject(full);
	await limit(cluster, "b");
	await deliver(cluster, "b", "four");
	await cluster.verify();
});

it("mails at the same time cannot pass the limit together", async () => {
	const cluster = await clusterOf(["a"]);
	await limit(cluster, "a", undefined, 5);
	const asked = Array.from({ length: 20 }, (_, i) =>
		cluster.deliver("a", "anna", `mail ${i}`),
	);
	const outcomes = await cluster.run(Promise.all(asked));
	expect(outcomes.filter(({ kind }) => kind === "done")).toHaveLength(5);
	expect(held(cluster, "a").messages).toBe(5);
});

it("each side of a split takes what it has room for; after the heal nothing is removed, new mail is deferred", async () => {
	const cluster = await clusterOf(["a", "b"]);
	await limit(cluster, "a", undefined, 4);
	await cluster.settle();
	cluster.split(["a"], ["b"]);
	await cluster.pass(10_000);
	for (const node of ["a", "b"])
		for (const text of ["1", "2", "3"])
			await deliver(cluster, node, `${node} ${text}`);
	cluster.heal();
	await cluster.settle();
	for (const node of ["a", "b"]) {
		expect(held(cluster, node).messages).toBe(6);
		await expect(deliver(cluster, node, "more")).rejects.toMatchObject({
			code: "OVERQUOTA",
		});
	}
	await cluster.verify();
});

it("annotations are on all nodes, survive a restart, and go with their mailbox", async () => {
	const cluster = await clusterOf(["a", "b"]);
	const at = (node: string) => cluster.account(node, "anna");
	await cluster.run(at("a").create("box"));
	await cluster.run(
		at("a").annotate("box", [
			{ name: "/private/comment", value: "caf\xe9\0\r\n" },
			{ name: "/shared/comment", value: "" },
		]),
	);
	await cluster.run(
		at("b").annotate(undefined, [{ name: "/private/x", value: "y" }]),
	);
	await cluster.settle();
	for (const node of ["a", "b"]) {
		expect([...at(node).annotations("box")].sort()).toEqual([
			["/private/comment", "caf\xe9\0\r\n"],
			["/shared/comment", ""],
		]);
		expect([...at(node).annotations(undefined)]).toEqual([["/private/x", "y"]]);
	}
	await cluster.run(
		at("b").annotate("box", [{ name: "/shared/comment", value: undefined }]),
	);
	await cluster.run(at("b").rename("box", "fox"));
	await cluster.settle();
	cluster.crash("a");
	await cluster.run(cluster.start("a"));
	await cluster.settle();
	expect([...at("a").annotations("fox").keys()]).toEqual(["/private/comment"]);
	await cluster.run(at("a").remove("fox"));
	await cluster.run(at("a").create("fox"));
	expect(at("a").annotations("fox").size).toBe(0);
	expect(() => at("a").annotations("box")).toThrow(ClientFault);
	await cluster.verify();
});

it("annotations are bounded, and all changes of one command are made or none", async () => {
	const cluster = await clusterOf(["a"]);
	const account = cluster.account("a", "anna");
	const annotate = (...changes: [string, string | undefined][]) =>
		cluster.run(
			account.annotate(
				"INBOX",
				changes.map(([name, value]) => ({ name, value })),
			),
		);
	const long = "x".repeat(METADATA_VALUE_BYTES_MAX);
	await annotate(["/private/a", long]);
	await expect(
		annotate(["/private/b", "1"], ["/private/a", `${long}x`]),
	).rejects.toMatchObject({ code: "TOOBIG" });
	expect([...account.annotations("INBOX").keys()]).toEqual(["/private/a"]);
	for (const name of ["/private", "/private/", "/private//x", "/other/x", "x"])
		await expect(annotate([name, "1"])).rejects.toMatchObject({
			code: "CANNOT",
		});
	const many = Array.from(
		{ length: METADATA_ENTRIES_MAX - 1 },
		(_, i): [string, string] => [`/private/n${i}`, "1"],
	);
	await annotate(...many);
	await expect(annotate(["/private/one-more", "1"])).rejects.toMatchObject({
		code: "LIMIT",
	});
	await annotate(["/private/a", undefined], ["/private/one-more", "1"]);
	// Not the number alone: the bytes of all of them together.
	const large = many
		.slice(0, 33)
		.map(([name]): [string, string] => [name, long.slice(32)]);
	await expect(annotate(...large)).rejects.toMatchObject({ code: "LIMIT" });
});

it("annotations of deleted mailboxes leave their room to others", async () => {
	const cluster = await clusterOf(["a"]);
	const account = cluster.account("a", "anna");
	const all = Array.from({ length: METADATA_ENTRIES_MAX }, (_, i) => ({
		name: `/private/n${i}`,
		value: "1",
	}));
	await cluster.run(account.create("box"));
	await cluster.run(account.annotate("box", all));
	await cluster.run(account.remove("box"));
	await cluster.run(account.annotate("INBOX", all));
	expect(account.annotations("INBOX").size).toBe(METADATA_ENTRIES_MAX);
});
