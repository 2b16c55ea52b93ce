/** Stories of clusters whose nodes run neighbouring releases, as while an operator upgrades one after the other. */
import { decode, encode } from "cborg";
import { describe, expect, it } from "vitest";
import { BODIES_FORMAT } from "../../sync/ports/bodies.ts";
import type { Link } from "../../sync/ports/network.ts";
import {
	decodeFrame,
	encodeFrame,
} from "../../sync/replication/frame-codec.ts";
import {
	agreed,
	PROTOCOL,
	type ProtocolVersions,
	UnknownFrame,
} from "../../sync/replication/frames.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, deliverMany, ok, textsAt } from "./world.ts";

const { oldest, newest } = PROTOCOL;

/** b runs another release from now on. */
async function upgrade(
	cluster: SimCluster,
	protocol: ProtocolVersions,
): Promise<void> {
	await cluster.run(cluster.stop("b"));
	cluster.machine("b").options.protocol = protocol;
	await cluster.run(cluster.start("b"));
}

describe("releases", () => {
	it.each([
		["one before", { oldest: newest - 1, newest: newest - 1 }],
		["one after", { oldest: newest, newest: newest + 1 }],
	])("this one and %s work together", async (_, protocol) => {
		const cluster = await clusterOf(["a", "b"]);
		await upgrade(cluster, protocol);
		await cluster.settle();
		await deliverMany(cluster, ["a", "b"], 6);
		await cluster.verify();
		// And a third that joins by the other release.
		await cluster.run(cluster.join("c", "b"));
		await ok(cluster, cluster.deliver("c", "anna", "by c"));
		await cluster.verify();
		expect(await textsAt(cluster, "a")).toHaveLength(7);
	});

	it("pack bodies once all members read that, and then let in none that does not", async () => {
		const cluster = await clusterOf(["a", "b"]);
		const names = ["a", "b"] as const;
		const pack = () =>
			names.map((name) => cluster.machine(name).process?.bodies?.packs);
		const readsFrom = async (name: string, bodies: number | undefined) => {
			await cluster.run(cluster.stop(name));
			const { options } = cluster.machine(name);
			delete options.bodies;
			if (bodies !== undefined) options.bodies = bodies;
			await cluster.run(cluster.start(name));
			await cluster.settle();
		};
		expect(pack()).toEqual([false, false]);
		await readsFrom("a", BODIES_FORMAT);
		expect(pack()).toEqual([false, false]);
		await readsFrom("b", BODIES_FORMAT);
		expect(pack()).toEqual([true, true]);
		await expect(cluster.run(cluster.join("c", "b"))).rejects.toThrow(
			/too old for the cluster/,
		);
		// One is put back to the release before.
		await readsFrom("b", undefined);
		expect(pack()).toEqual([false, false]);
	});

	it("with no version in common keep apart and say why", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.expectedErrors.push(/run neighbouring releases on both/);
		await cluster.run(cluster.stop("b"));
		cluster.machine("b").options.protocol = {
			oldest: newest + 1,
			newest: newest + 2,
		};
		// It serves nobody, as it cannot hear what it missed.
		void cluster.start("b");
		await cluster.pass(3_000);
		expect(cluster.trace()).toContain(
			`it speaks versions ${newest + 1} to ${newest + 2}, this node ${oldest} to ${newest}`,
		);
		cluster.crash("b");
		cluster.machine("b").options.protocol = PROTOCOL;
		await cluster.run(cluster.start("b"));
		await ok(cluster, cluster.deliver("a", "anna", "together"));
		await cluster.verify();
		expect(await textsAt(cluster, "b")).toEqual(["together"]);
	});

	it("what only a newer one says is passed over; from one that should know better it is refused", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await upgrade(cluster, { oldest: newest, newest: newest + 1 });
		await cluster.settle();
		let link: Link | undefined;
		cluster.machine("b").process?.network?.onLink((opened) => {
			link = opened;
		});
		cluster.reset("a", "b");
		await cluster.until("linked again", () => link !== undefined);
		await cluster.settle();
		const before = link;
		link?.send(encode(["tomorrow", { a: 1 }]));
		await ok(cluster, cluster.deliver("b", "anna", "today"));
		await cluster.verify();
		expect(link).toBe(before);
		cluster.expectedErrors.push(/unknown frame yesterday/);
		cluster.machine("a").process?.network?.onLink((opened) => {
			link = opened;
		});
		cluster.reset("a", "b");
		await cluster.until("linked again", () => link !== before);
		await cluster.settle();
		link?.send(encode(["yesterday"]));
		await cluster.pass(1_000);
		expect(cluster.trace()).toContain("unknown frame yesterday");
		await cluster.verify();
	});

	it("agree on the newest that both speak", () => {
		const range = (low: number, high: number) => ({
			oldest: low,
			newest: high,
		});
		expect(agreed(range(2, 3), range(3, 4))).toBe(3);
		expect(agreed(range(2, 3), range(1, 2))).toBe(2);
		expect(agreed(range(2, 3), range(4, 5))).toBeUndefined();
		expect(agreed(range(4, 5), range(2, 3))).toBeUndefined();
	});

	it("may add fields to frames, and lack those of the release after", () => {
		const document = encodeFrame({
			type: "document",
			id: "cluster" as never,
			saved: new Uint8Array([1]),
			rows: [],
			dead: [[1 as never, 4 as never]],
		});
		const fields = decode(document) as unknown[];
		expect(decodeFrame(encode([...fields, "more"]))).toEqual(
			decodeFrame(document),
		);
		expect(decodeFrame(encode(fields.slice(0, 4)))).toMatchObject({ dead: [] });
		expect(() => decodeFrame(encode(["constructor"]))).toThrow(UnknownFrame);
	});
});
