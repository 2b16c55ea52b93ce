/** Each kind of damage is planted in the store of a node that runs, found by check, and healed by --repair. */
import { describe, expect, it } from "vitest";
import type { BoxRow, EntryRow } from "../../../sync/mailbox/rows.ts";
import { decodeFacts } from "../../../sync/mailbox/rows.ts";
import { textsAt } from "../../sim/world.ts";
import { check, Disk, foundAndMended, mailCluster } from "./world.ts";

describe("check", () => {
	it("finds nothing wrong on sound nodes, and says how far it is", async () => {
		const cluster = await mailCluster(["a", "b", "c"]);
		for (const node of ["a", "b", "c"]) {
			const { problems, lines, notes, events } = await check(cluster, node);
			expect({ problems, lines, notes }).toEqual({
				problems: 0,
				lines: [],
				notes: [],
			});
			const stages = events.flatMap((event) =>
				event.kind === "progress" && event.done === event.total
					? [event.stage]
					: [],
			);
			expect(stages).toEqual(expect.arrayContaining(["log", "documents"]));
		}
	});

	it("finds nothing wrong while mail comes and goes", async () => {
		const cluster = await mailCluster();
		const checking = check(cluster, "a");
		for (let i = 0; i < 40; i++)
			void cluster.deliver("b", "anna", `meanwhile ${i}`);
		expect((await checking).lines).toEqual([]);
	});

	it("says what cannot have its copies while a member is down, and that this is no damage", async () => {
		const cluster = await mailCluster();
		cluster.crash("b");
		await cluster.pass(8_000);
		// At once: one change brings them all, and each message counts.
		const taken = [0, 1, 2].map((i) =>
			cluster.deliver("a", "anna", `alone ${i}`),
		);
		await cluster.run(Promise.all(taken));
		expect(cluster.replica("a").report().bodiesWithTooFewCopies).toBe(3);
		const { lines, notes } = await check(cluster, "a");
		expect(lines).toEqual([]);
		expect(notes.join("\n")).toMatch(/3 messages have fewer copies/);
		expect(notes.join("\n")).toMatch(/b is down: its documents were not/);
	});

	it("takes nothing for lost that is still on its way over a slow line", async () => {
		const cluster = await mailCluster();
		cluster.slow("a", "b", [200, 400]);
		for (let i = 0; i < 30; i++) {
			void cluster.deliver("a", "anna", `slow a ${i}`);
			void cluster.deliver("b", "anna", `slow b ${i}`);
			await cluster.pass(20);
			if (i % 10 === 5)
				for (const node of ["a", "b"])
					expect(
						(await check(cluster, node)).lines.filter((line) =>
							line.includes("lacks changes"),
						),
					).toEqual([]);
		}
		await cluster.settle();
		expect((await check(cluster, "a")).lines).toEqual([]);
	});

	it("ends when who asked has gone", async () => {
		const cluster = await mailCluster();
		const gone = new AbortController();
		gone.abort(new Error("gone"));
		await expect(
			cluster.run(
				cluster
					.replica("a")
					.check({ repair: false, tell: () => {}, signal: gone.signal }),
			),
		).rejects.toThrow("gone");
	});
});

describe("rows", () => {
	it("a flag that is in the document only", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		const [, second] = disk.shown();
		disk.alter<EntryRow>(second?.key as string, (row) => {
			row.g = {};
		});
		await foundAndMended(cluster, "a", /does not say its flags/);
	});

	it("a message that counts as expunged and is not", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		disk.alter<EntryRow>(disk.shown()[0]?.key as string, (row) => {
			row.x = true;
		});
		await foundAndMended(cluster, "a", /does not say that it lives/);
		expect(await textsAt(cluster, "a")).toEqual(await textsAt(cluster, "b"));
	});

	it("a message whose row is lost", async () => {
		const cluster = await mailCluster();
		const before = await textsAt(cluster, "a");
		const disk = new Disk(cluster, "a");
		disk.put(disk.shown()[2]?.key as string, undefined);
		await foundAndMended(cluster, "a", /it has no row/);
		expect((await textsAt(cluster, "a")).sort()).toEqual(before.sort());
		await cluster.verify();
	});

	it("a claim that is in the document only", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		disk.alter<EntryRow>(disk.shown()[3]?.key as string, (row) => {
			row.u = [];
		});
		await foundAndMended(cluster, "a", /does not say its UIDs/);
	});

	it("a message whose body nothing would keep from being cleared", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		const entry = disk.shown()[1]?.entry as string;
		const use = disk.keys("use/").find((key) => key.endsWith(entry));
		disk.put(use as string, undefined);
		await foundAndMended(cluster, "a", /nothing keeps its body from/);
		expect(disk.get(use as string)).toBeDefined();
	});

	it("messages whose document is lost as a whole", async () => {
		const cluster = await mailCluster();
		const before = await textsAt(cluster, "a");
		const disk = new Disk(cluster, "a");
		const id = `segment:${disk.shown()[0]?.mailbox}:0`;
		cluster.crash("a");
		disk.put(`docs/${id}`, undefined);
		disk.put(`snap/${id}`, undefined);
		await cluster.run(cluster.start("a"));
		cluster.expectedErrors.push(/lacked changes/);
		await foundAndMended(cluster, "a", /it is in no document/);
		expect(await textsAt(cluster, "a")).toEqual(before);
		await cluster.verify();
	});

	it("a message that is in no document, goes back into its own", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		const [first] = disk.shown();
		if (first === undefined) throw new Error("no mail");
		const stray = `ent/${first.mailbox}/${"x".repeat(22)}`;
		const { v, o, ...rest } = first.row;
		disk.put(stray, JSON.stringify({ ...rest, u: [], o: {} }));
		await foundAndMended(cluster, "a", /it is in no document/);
		expect(await textsAt(cluster, "b")).toHaveLength(11);
	});
});

describe("mailboxes", () => {
	for (const [name, words] of [
		["live", /counts .* messages that live/],
		["shown", /counts .* messages shown/],
		["unseen", /counts .* unseen messages/],
		["deleted", /counts .* deleted messages/],
		["sizeBytes", /counts .* bytes/],
	] as const)
		it(`a wrong count: ${name}`, async () => {
			const cluster = await mailCluster();
			const disk = new Disk(cluster, "a");
			const [first] = disk.shown();
			disk.alter<BoxRow>(`box/${first?.mailbox}`, (box) => {
				box[name] += 3;
			});
			await foundAndMended(cluster, "a", words);
		});

	for (const [name, words] of [
		["E", /highest UID told is .* below/],
		["H", /HIGHESTMODSEQ is .* below/],
		["heardUid", /highest UID claimed is .* below/],
	] as const)
		it(`too low: ${name}`, async () => {
			const cluster = await mailCluster();
			const disk = new Disk(cluster, "a");
			const [first] = disk.shown();
			disk.alter<BoxRow>(`box/${first?.mailbox}`, (box) => {
				box[name] = 1;
			});
			await foundAndMended(cluster, "a", words);
		});

	it("two messages shown under one UID", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		const [first, second] = disk.shown();
		disk.alter<EntryRow>(second?.key as string, (row) => {
			if (row.v && first?.row.v) row.v = { ...row.v, u: first.row.v.u };
		});
		await foundAndMended(cluster, "a", /shown under UID \d+, as message/);
	});

	it("a message shown under a UID that nobody claimed for it", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		const [first] = disk.shown();
		disk.alter<EntryRow>(first?.key as string, (row) => {
			if (row.v) row.v = { ...row.v, u: 999_999 as never };
		});
		await foundAndMended(cluster, "a", /which nobody claimed for it/);
	});

	it("a message that clients would never be shown", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		disk.alter<EntryRow>(disk.shown()[4]?.key as string, (row) => {
			delete row.v;
		});
		await foundAndMended(cluster, "a", /clients are not shown it/);
		await cluster.verify();
	});
});

describe("log and documents", () => {
	it("a change that is missing in the log comes from a peer", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		const fourth = disk
			.keys(`log/${cluster.replica("a").report().origin}/`)
			.at(-4);
		const before = disk.get(fourth as string);
		disk.put(fourth as string, undefined);
		await foundAndMended(
			cluster,
			"a",
			/change \d+ of origin .* is not in the log/,
		);
		expect(disk.get(fourth as string)?.slice(-40)).toEqual(before?.slice(-40));
	});

	it("a change that is garbled in the log", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		const { origin } = cluster.replica("a").report();
		const key = disk.keys(`log/${origin}/`)[6] as string;
		const row = Uint8Array.from(disk.get(key) as Uint8Array);
		row[row.length - 30] = (row.at(-30) as number) ^ 0x10;
		disk.put(key, row);
		await foundAndMended(cluster, "a", /change 7 of origin .* (chain|read)/);
	});

	it("without a peer the log begins after the damage, and nothing is lost", async () => {
		const cluster = await mailCluster(["a"]);
		const before = await textsAt(cluster, "a");
		const disk = new Disk(cluster, "a");
		disk.put(
			disk.keys(`log/${cluster.replica("a").report().origin}/`)[9] as string,
			undefined,
		);
		await foundAndMended(
			cluster,
			"a",
			/change 10 of origin .* is not in the log/,
		);
		cluster.crash("a");
		await cluster.run(cluster.start("a"));
		expect(await textsAt(cluster, "a")).toEqual(before);
		expect((await check(cluster, "a")).lines).toEqual([]);
	});

	it("a head that names another change", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		const origin = cluster.replica("b").report().origin;
		const key = `head/${origin}`;
		const [sequence] = JSON.parse(disk.get(key) as string) as [number];
		disk.put(key, JSON.stringify([sequence, "0".repeat(32)]));
		const { lines } = await check(cluster, "a");
		expect(lines.join()).toMatch(/is not the one that the head names/);
	});

	it("a document that does not open is put together from memory, log or peer", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		const id = disk
			.keys("docs/segment:")
			.map((key) => key.slice("docs/".length))[0] as string;
		disk.put(`snap/${id}`, Buffer.alloc(100, 7));
		await foundAndMended(cluster, "a", /document segment:.* cannot be opened/);
		disk.put(`snap/${id}`, Buffer.alloc(100, 7));
		cluster.expectedErrors.push(/./);
		cluster.crash("a");
		await cluster.run(cluster.start("a"));
		const { lines } = await check(cluster, "a");
		expect(lines.join("\n")).toMatch(/document segment:.* cannot be opened/);
		// Once it was met, without anybody asking for it.
		await cluster.settle();
		expect((await check(cluster, "a")).lines).toEqual([]);
	});

	for (const [victim, other] of [
		["a", "b"],
		["b", "a"],
	] as const)
		it(`a document that lacks what the log of ${victim} says it has, seen from a`, async () => {
			const cluster = await mailCluster();
			const before = await textsAt(cluster, "a");
			const disk = new Disk(cluster, victim);
			// As if the changes since the start had never reached the document.
			const id = disk
				.keys("docs/segment:")
				.map((key) => key.slice("docs/".length))
				.find((one) =>
					one.includes(new Disk(cluster, "a").shown()[0]?.mailbox as string),
				) as string;
			disk.put(`docs/${id}`, "");
			cluster.expectedErrors.push(/lacked changes/);
			cluster.crash(victim);
			await cluster.run(cluster.start(victim));
			await cluster.settle();
			await foundAndMended(
				cluster,
				"a",
				victim === "a"
					? /lacks changes here that b has/
					: /lacks changes at b that are here/,
			);
			expect(await textsAt(cluster, victim)).toEqual(before);
			expect(await textsAt(cluster, other)).toEqual(before);
			await cluster.verify();
		});
});

describe("bodies", () => {
	for (const how of ["damaged", "lost"] as const)
		it(`a body that is ${how} comes from a peer`, async () => {
			const cluster = await mailCluster();
			const disk = new Disk(cluster, "a");
			for (const { row } of disk.shown().slice(0, 3)) {
				const { body } = decodeFacts(row.f as string);
				cluster.bodies.damage(cluster.machine("a").id, body, how);
			}
			await foundAndMended(
				cluster,
				"a",
				how === "lost" ? /is not here/ : /is damaged here/,
			);
			expect(await textsAt(cluster, "a")).toHaveLength(10);
		});

	it("a body that nobody has is named, and the rest is mended", async () => {
		const cluster = await mailCluster();
		const disk = new Disk(cluster, "a");
		const [first, second] = disk.shown();
		const lost = decodeFacts(first?.row.f as string).body;
		for (const node of ["a", "b"])
			cluster.bodies.damage(cluster.machine(node).id, lost, "lost");
		const damaged = decodeFacts(second?.row.f as string).body;
		cluster.bodies.damage(cluster.machine("a").id, damaged, "damaged");
		const { problems, mended, lines } = await check(cluster, "a", true);
		expect({ problems, mended }).toEqual({ problems: 1, mended: 1 });
		expect(lines).toHaveLength(2);
		expect(lines.filter((line) => line.startsWith("wrong"))).toHaveLength(1);
	});
});
