import { expect, test } from "vitest";
import type { NodeId } from "../../../sync/ids.ts";
import type { Link, Network, PeerState } from "../../../sync/ports/network.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { type DelayRange, SimNetworkWorld } from "../../../sync/sim/network.ts";
import { simRandom } from "../../../sync/sim/random.ts";
import { simNodeId } from "../../contract/network-worlds.ts";

const [a, b, c] = ["a", "b", "c"].map(simNodeId) as [NodeId, NodeId, NodeId];

/** Nodes that all know each other; `events` says what happened, when and where. */
async function cluster(
	ids: readonly NodeId[],
	seed = 1,
	delayMilliseconds: DelayRange = [1, 5],
) {
	const clock = new SimClock();
	const random = simRandom(seed);
	const world = new SimNetworkWorld({ clock, random, delayMilliseconds });
	const events: string[] = [];
	const nodes = new Map<NodeId, Network>();
	const links = new Map<string, Link>();
	const peers = ids.map((node) => ({
		node,
		multiaddrs: [world.address(node)],
	}));
	const start = async (id: NodeId): Promise<void> => {
		const node = await world.open(id, {
			clock: clock.view({ skewMilliseconds: 5_000, driftPerMillion: 100 }),
		});
		nodes.set(id, node);
		node.onLink((link) => {
			const pair = `${id[8]}-${link.peer[8]}`;
			links.set(pair, link);
			const note = (what: string): void => {
				events.push(`${clock.monotonic().toFixed(3)} ${pair} ${what}`);
			};
			note("link");
			link.handlers = {
				message: (message) => note(Buffer.from(message).toString()),
				drain() {},
				closed: (reason) => {
					note(`closed: ${reason}`);
					if (links.get(pair) === link) links.delete(pair);
				},
			};
		});
		node.setPeers(peers);
	};
	for (const id of ids) await start(id);
	const state = (of: NodeId, at: NodeId): PeerState | undefined =>
		nodes
			.get(at)
			?.peers()
			.find(({ node }) => node === of)?.state;
	const allUp = (): boolean =>
		ids.every((at) => ids.every((of) => of === at || state(of, at) === "up"));
	expect(await clock.runUntil(allUp, 2_000)).toBe(true);
	return { clock, world, events, nodes, links, start, state, allUp };
}

test("a killed process is down within a second, and runs no more", async () => {
	const { clock, world, nodes, events, state, start, allUp } = await cluster([
		a,
		b,
	]);
	await clock.advance(5_000);
	world.kill(b);
	expect(await clock.runUntil(() => state(b, a) === "down", 1_000)).toBe(true);
	const before = events.filter((event) => event.includes("b-a")).length;
	nodes.get(b)?.publish(Buffer.from("from the grave"));
	await clock.advance(30_000);
	expect(events.filter((event) => event.includes("b-a")).length).toBe(before);
	await start(b);
	expect(await clock.runUntil(allUp, 4_000)).toBe(true);
});

test("a silent split of any length heals within two seconds", async () => {
	for (const lengthMilliseconds of [1_000, 4_000, 15_000, 60_000, 600_000]) {
		const { clock, world, events, state, allUp } = await cluster([a, b]);
		await clock.advance(5_000);
		world.split([a], [b]);
		await clock.advance(lengthMilliseconds);
		const expected =
			lengthMilliseconds < 1_500
				? "up"
				: lengthMilliseconds < 5_000
					? "suspect"
					: "down";
		expect([lengthMilliseconds, state(b, a)]).toEqual([
			lengthMilliseconds,
			expected,
		]);
		world.heal();
		expect(await clock.runUntil(allUp, 2_000)).toBe(true);
		if (lengthMilliseconds === 60_000)
			expect(events.join()).toContain("closed: silent for too long");
	}
});

test("a one-way cut: who hears is up, who does not is down", async () => {
	const { clock, world, state, allUp } = await cluster([a, b]);
	await clock.advance(5_000);
	world.cut(a, b);
	await clock.advance(7_000);
	expect([state(b, a), state(a, b)]).toEqual(["up", "down"]);
	world.mend(a, b);
	expect(await clock.runUntil(allUp, 2_000)).toBe(true);
});

test("a non-transitive cut: a and c cannot talk, b talks with both", async () => {
	const { clock, world, nodes, state } = await cluster([a, b, c]);
	const heard: string[] = [];
	nodes.get(c)?.onPublished((from) => heard.push(from));
	world.split([a], [c]);
	await clock.advance(10_000);
	expect([state(c, a), state(a, c)]).toEqual(["down", "down"]);
	expect([state(b, a), state(b, c), state(a, b), state(c, b)]).toEqual([
		"up",
		"up",
		"up",
		"up",
	]);
	nodes.get(a)?.publish(Buffer.from("through b"));
	await clock.advance(100);
	expect(heard).toEqual([a]);
});

test("what was sent into a short cut arrives after it, on the same link", async () => {
	const { clock, world, events, links } = await cluster([a, b]);
	await clock.advance(5_000);
	world.split([a], [b]);
	links.get("a-b")?.send(Buffer.from("held"));
	await clock.advance(400);
	expect(events.filter((event) => event.endsWith("held"))).toEqual([]);
	world.heal();
	await clock.advance(1_500);
	expect(events.filter((event) => event.endsWith("b-a held")).length).toBe(1);
	expect(events.filter((event) => event.includes("closed"))).toEqual([]);
});

test("a broken connection is replaced, the old link closing first", async () => {
	const { clock, world, events, allUp } = await cluster([a, b]);
	await clock.advance(5_000);
	world.breakConnections(a, b);
	await clock.advance(10);
	expect(await clock.runUntil(allUp, 1_000)).toBe(true);
	for (const pair of ["a-b", "b-a"])
		expect(
			events
				.filter((event) => event.includes(pair))
				.map((event) => event.split(" ")[2]?.replace(":", "")),
		).toEqual(["link", "closed", "link"]);
});

test("both dial at once on any line, and no link is made twice", async () => {
	for (let seed = 1; seed <= 40; seed++) {
		const { clock, events } = await cluster([a, b], seed, [1, 150]);
		await clock.advance(3_000);
		expect([seed, events.length]).toEqual([seed, 2]);
	}
});

test("long lines work, and the round trip shows", async () => {
	const { clock, world, nodes, allUp } = await cluster([a, b]);
	world.setDelay([200, 250], [a, b]);
	world.breakConnections(a, b);
	await clock.advance(10);
	expect(await clock.runUntil(allUp, 6_000)).toBe(true);
	await clock.advance(10_000);
	const { rttMilliseconds = 0, wayMilliseconds = 0 } =
		nodes.get(a)?.peers()[0] ?? {};
	expect(wayMilliseconds).toBeGreaterThan(400);
	expect(rttMilliseconds).toBeGreaterThan(wayMilliseconds);
	expect(rttMilliseconds).toBeLessThan(500);
});

test("the same seed gives the same run, another one another", async () => {
	const run = async (seed: number): Promise<string> => {
		const { clock, world, events, links } = await cluster([a, b, c], seed);
		for (let i = 0; i < 20; i++) {
			links.get("a-b")?.send(Buffer.from(`message ${i}`));
			if (i === 5) world.split([a], [b, c]);
			if (i === 12) world.heal();
			if (i === 15) world.kill(c);
			await clock.advance(500);
		}
		return events.join("\n");
	};
	const first = await run(7);
	expect(await run(7)).toBe(first);
	expect(await run(8)).not.toBe(first);
});
