/** A member sends changes that are well formed and put nonsense into documents: named, refused, and nobody suffers. */
import { describe, expect, it } from "vitest";
import { FlatDocument } from "../../sync/documents/flat.ts";
import { accountDocument, bucketsOf } from "../../sync/documents/shapes.ts";
import {
	type DocumentId,
	documentId,
	origin,
	type Sequence,
} from "../../sync/ids.ts";
import { chainHash, encodeRecord } from "../../sync/log/record.ts";
import type { Link } from "../../sync/ports/network.ts";
import { encodeFrame } from "../../sync/replication/frame-codec.ts";
import { vectorOf } from "../../sync/sim/checkers.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, deliverMany, textsAt } from "./world.ts";

const ENTRY = "e".repeat(22);

/** A record of a life that nobody knows, as it travels. */
function forged(
	number: number,
	document: DocumentId,
	key: string,
	set: string | number | boolean,
	author = origin(number.toString(16).padStart(16, "f")),
	at = 1,
): Uint8Array {
	const made = FlatDocument.create(bucketsOf(document), author);
	const change = made.change([{ key, set }]);
	made.free();
	if (change === undefined) throw new Error("no change");
	const record = encodeRecord({
		origin: author,
		sequence: at as Sequence,
		had: new Map(),
		document,
		keys: [key],
		change,
		madeMilliseconds: 1,
	});
	return Buffer.concat([Buffer.from(chainHash("", record), "hex"), record]);
}

async function linkFrom(
	cluster: SimCluster,
	node: string,
	to = "a",
): Promise<Link> {
	let link: Link | undefined;
	cluster.machine(node).process?.network?.onLink((opened) => {
		if (opened.peer === cluster.machine(to).id) link = opened;
	});
	cluster.reset(node, to);
	await cluster.until("linked again", () => link !== undefined);
	await cluster.settle();
	return link as Link;
}

describe("changes that put nonsense", () => {
	it("are refused and named, each; mail goes on, and all nodes stay alike", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a", "b"], 3);
		const account = cluster.account("a", "anna");
		const { id } = await cluster.run(account.select("INBOX"));
		const segment = documentId(`segment:${id}:0`);
		const anna = accountDocument(account.id);
		const cluster0 = documentId("cluster");
		const bad: [DocumentId, string, string | number | boolean][] = [
			[segment, `e:${ENTRY}`, "no JSON"],
			[segment, `e:${ENTRY}`, "{}"],
			[segment, `e:${ENTRY}`, "[]"],
			[segment, `e:${ENTRY}`, '["",-1,null,[1],"",{},7]'],
			[segment, `e:short`, "[]"],
			[segment, `u:${ENTRY}:x`, "tag"],
			[segment, `u:${ENTRY}:99999999999`, "tag"],
			[segment, `u:${ENTRY}:-1`, true],
			[segment, `f:${ENTRY}:\\seen`, 7],
			[anna, `n:${id}`, "no JSON"],
			[anna, `n:${id}`, "{}"],
			[anna, `v:${id}:0`, true],
			[anna, `v:${id}:NaN`, true],
			[cluster0, "m:node", "[]"],
			[cluster0, "s:ffffffffffffffff", "null"],
			[documentId("account:short"), "p:password", "x"],
			[documentId(`segment:${id}`), `e:${ENTRY}`, "[]"],
		];
		cluster.expectedErrors.push(/refused a change/);
		const link = await linkFrom(cluster, "b");
		const seen = (): number =>
			cluster.trace(5_000).match(/error a: refused a change/g)?.length ?? 0;
		for (const [i, one] of bad.entries()) {
			link.send(
				encodeFrame({ type: "records", framed: [forged(i + 1, ...one)] }),
			);
			await cluster.pass(20);
			expect(seen(), String(one)).toBe(i + 1);
		}
		await deliverMany(cluster, ["a", "b"], 3, "after");
		expect(await textsAt(cluster, "a")).toHaveLength(6);
		await cluster.verify();
	});

	it("are named at the node that made them, once, with who refuses them and why, until they are taken", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["b"], 1);
		await cluster.settle();
		cluster.expectedErrors.push(/refused a change/, /refuses a change/);
		const link = await linkFrom(cluster, "b");
		const { origin: author } = cluster.replica("b").report();
		const head = vectorOf(cluster.machine("b").disk).get(author) ?? 0;
		const bad = forged(
			0,
			documentId("cluster"),
			"s:x",
			"null",
			author,
			head + 1,
		);
		const told = () =>
			cluster.trace(5_000).match(/error b: a member refuses a change/g)?.length;
		const refuses = () => cluster.replica("b").report().peers[0]?.refuses;
		for (let i = 0; i < 3; i++) {
			link.send(encodeFrame({ type: "records", framed: [bad] }));
			await cluster.pass(20);
			expect(refuses()).toBe(
				`change ${head + 1}: it puts something else there than belongs there: s:x`,
			);
		}
		expect(told()).toBe(1);
		expect(cluster.replica("a").report().peers[0]?.refuses).toBeUndefined();
		await deliverMany(cluster, ["b"], 1, "after");
		await cluster.settle();
		expect(refuses()).toBeUndefined();
		await cluster.verify();
	});

	it("are named at the node that made them also where it has no link to who refuses them", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a"], 1);
		await cluster.settle();
		cluster.expectedErrors.push(/refused a change/, /refuses a change/);
		const link = await linkFrom(cluster, "b", "c");
		cluster.cut("a", "c");
		const peers = () => cluster.replica("a").report().peers;
		await cluster.until("a misses c", () =>
			peers().some(({ name, state }) => name === "c" && state === "down"),
		);
		const { origin: author } = cluster.replica("a").report();
		const head = vectorOf(cluster.machine("a").disk).get(author) ?? 0;
		const document = documentId("cluster");
		const bad = forged(0, document, "s:x", "null", author, head + 1);
		link.send(encodeFrame({ type: "records", framed: [bad] }));
		const refuses = () =>
			peers().map(({ name, refuses }) => [name, refuses] as const);
		await cluster.pass(50);
		expect(refuses()).toEqual([
			["b", undefined],
			[
				"c",
				`change ${head + 1}: it puts something else there than belongs there: s:x`,
			],
		]);
		// By way of b, as ever.
		await deliverMany(cluster, ["a"], 1, "after");
		await cluster.until("c takes what a makes", () =>
			refuses().every(([, reason]) => reason === undefined),
		);
		expect(peers().find(({ name }) => name === "c")?.state).toBe("down");
		cluster.heal();
		await cluster.verify();
	});

	it("are named at the node that made them along a chain of members, of which only neighbours are linked", async () => {
		const cluster = await clusterOf(["a", "b", "c", "d"]);
		await deliverMany(cluster, ["a"], 1);
		await cluster.settle();
		cluster.expectedErrors.push(/refused a change/, /refuses a change/);
		const link = await linkFrom(cluster, "c", "d");
		for (const [one, other] of ["ac", "ad", "bd"].map((pair) => [...pair]))
			cluster.cut(one as string, other as string);
		const peers = () => cluster.replica("a").report().peers;
		const isDown = (name: string) =>
			peers().some((peer) => peer.name === name && peer.state === "down");
		await cluster.until("a misses c and d", () => isDown("c") && isDown("d"));
		const { origin: author } = cluster.replica("a").report();
		const head = vectorOf(cluster.machine("a").disk).get(author) ?? 0;
		const document = documentId("cluster");
		const bad = forged(0, document, "s:x", "null", author, head + 1);
		link.send(encodeFrame({ type: "records", framed: [bad] }));
		const refuses = () =>
			peers().map(({ name, refuses }) => [name, refuses] as const);
		await cluster.pass(100);
		const why = "it puts something else there than belongs there: s:x";
		expect(refuses()).toEqual([
			["b", undefined],
			["c", undefined],
			["d", `change ${head + 1}: ${why}`],
		]);
		await deliverMany(cluster, ["a"], 1, "after");
		await cluster.until("d takes what a makes", () =>
			refuses().every(([, reason]) => reason === undefined),
		);
		expect(isDown("d")).toBe(true);
		cluster.heal();
		await cluster.verify();
	});

	it("of kinds that a newer release may know are left alone", async () => {
		const cluster = await clusterOf(["a", "b"]);
		const link = await linkFrom(cluster, "b");
		const account = cluster.account("a", "anna");
		for (const [i, [document, key]] of (
			[
				[documentId("cluster"), "y:thing"],
				[accountDocument(account.id), "y:thing:detail"],
				[documentId("newkind:thing"), "e:thing"],
			] as const
		).entries())
			link.send(
				encodeFrame({
					type: "records",
					framed: [forged(i + 1, document, key, "whatever")],
				}),
			);
		await deliverMany(cluster, ["a", "b"], 2);
		await cluster.verify();
		expect(cluster.trace(500)).not.toContain("refused");
	});
});
