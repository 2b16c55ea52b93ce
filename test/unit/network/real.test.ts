import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OperatorFault } from "../../../sync/faults.ts";
import {
	DIAL_MILLISECONDS_MAX,
	INBOUND_PENDING_PER_SOURCE_MAX,
} from "../../../sync/limits.ts";
import { portOf } from "../../../sync/network/addresses.ts";
import { GOSSIP_TOPIC } from "../../../sync/network/gossip.ts";
import { openNetwork } from "../../../sync/network/network.ts";
import { PROTOCOL } from "../../../sync/network/protocols.ts";
import type { Link, Network, PeerState } from "../../../sync/ports/network.ts";
import { realClock } from "../../../sync/real/clock.ts";
import {
	addressOf,
	type Node,
	quiet,
	realWorld,
	type World,
} from "../../contract/network-worlds.ts";
import { cutProxy } from "./cut-proxy.ts";

let directory: string;
let world: World;
const nodes: Node[] = [];

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "pmnode-network-"));
	world = await realWorld();
});
afterEach(async () => {
	await Promise.all(nodes.splice(0).map((node) => node.stop()));
	await world.close();
	await rm(directory, { recursive: true });
});

const open = async (
	name: string,
	options: { port?: number; announce?: string[]; host?: string } = {},
): Promise<Node> => {
	const node = await openNetwork({
		identity: { file: join(directory, `${name}.key`) },
		listen: { host: options.host ?? "127.0.0.1", port: options.port ?? 0 },
		announce: options.announce ?? [],
		clock: realClock,
		log: quiet,
	});
	nodes.push(node);
	return node;
};

const stateOf = (node: Network, of: Network): PeerState | undefined =>
	node.peers().find((peer) => peer.node === of.self)?.state;

const take = (node: Node): { links: Link[]; closed: string[] } => {
	const seen = { links: [] as Link[], closed: [] as string[] };
	node.onLink((link) => {
		seen.links.push(link);
		link.handlers = {
			message() {},
			drain() {},
			closed: (reason) => seen.closed.push(reason),
		};
	});
	return seen;
};

test("the identity is made once, for its user only", async () => {
	const first = await open("a");
	const file = join(directory, "a.key");
	expect((await stat(file)).mode & 0o777).toBe(0o600);
	const key = await readFile(file);
	await first.stop();
	const second = await open("a");
	expect(second.self).toBe(first.self);
	expect(key.equals(await readFile(file))).toBe(true);
});

test("a file that is no key is an operator's fault, and stays as it is", async () => {
	await writeFile(join(directory, "bad.key"), "not a key");
	await expect(open("bad")).rejects.toThrow(OperatorFault);
	expect(await readFile(join(directory, "bad.key"), "utf8")).toBe("not a key");
});

test("a port that is taken is named", async () => {
	const taken = createServer();
	await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
	const { port } = taken.address() as { port: number };
	await expect(open("a", { port })).rejects.toThrow(
		new RegExp(`port ${port} of 127.0.0.1 is taken`),
	);
	await expect(open("a", { port })).rejects.toThrow(OperatorFault);
	await new Promise((resolve) => taken.close(resolve));
});

test("announced addresses are multiaddrs or H:P, and port 0 is the one listened on", async () => {
	const a = await open("a", {
		announce: [
			"mail.example.org:0",
			"[2001:db8::1]:24",
			"/ip4/192.0.2.1/tcp/5",
		],
	});
	const own = await open("b");
	expect(own.addresses()).toEqual([
		expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/),
	]);
	const [first, ...others] = a.addresses();
	expect(first).toMatch(/^\/dns\/mail\.example\.org\/tcp\/[1-9]\d*$/);
	expect(others).toEqual(["/ip6/2001:db8::1/tcp/24", "/ip4/192.0.2.1/tcp/5"]);
	for (const bad of [
		"host",
		"host:99999",
		"/ip4/1.2.3.4",
		"a b:1",
		"/nonsense",
	])
		await expect(open("c", { announce: [bad] })).rejects.toThrow(OperatorFault);
});

test("of several addresses the one that works is found soon", async () => {
	const a = await open("a");
	const b = await open("b");
	const silent = createServer();
	await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
	const { port } = silent.address() as { port: number };
	a.setPeers([
		{
			node: b.self,
			multiaddrs: [
				"/ip4/127.0.0.1/tcp/1",
				`/ip4/127.0.0.1/tcp/${port}`,
				...b.addresses(),
			],
		},
	]);
	b.setPeers([{ node: a.self, multiaddrs: [] }]);
	// Before the attempts at the others are given up.
	await world.until(
		"up",
		() => stateOf(a, b) === "up",
		DIAL_MILLISECONDS_MAX - 500,
	);
	silent.close();
});

test("a silent cut makes suspect, then down, and heals at once on a new connection", async () => {
	const a = await open("a");
	const b = await open("b");
	const proxy = await cutProxy(portOf(b.addresses()[0] ?? ""));
	const [atA, atB] = [take(a), take(b)];
	a.setPeers([
		{ node: b.self, multiaddrs: [`/ip4/127.0.0.1/tcp/${proxy.port}`] },
	]);
	b.setPeers([{ node: a.self, multiaddrs: [] }]);
	await world.until("heartbeats go both ways", () =>
		[a, b].every((node) => node.peers()[0]?.rttMilliseconds !== undefined),
	);
	const states: (PeerState | undefined)[] = [];
	a.onPeers(() => states.push(stateOf(a, b)));
	proxy.cut();
	const cutAt = realClock.monotonic();
	await world.until("suspect", () => stateOf(a, b) === "suspect");
	expect(realClock.monotonic() - cutAt).toBeGreaterThan(900);
	await world.until("down", () => stateOf(a, b) === "down");
	await world.until("down there", () => stateOf(b, a) === "down");
	expect([atA.closed, atB.closed]).toEqual([[], []]);
	proxy.heal();
	const healedAt = realClock.monotonic();
	await world.until("up again", () => {
		return stateOf(a, b) === "up" && stateOf(b, a) === "up";
	});
	// What was dialled into the cut is not waited for.
	expect(realClock.monotonic() - healedAt).toBeLessThan(DIAL_MILLISECONDS_MAX);
	expect(states).toEqual(["suspect", "down", "up"]);
	expect([atA.closed.length, atB.closed.length]).toEqual([1, 1]);
	await proxy.close();
});

test("a stalled process does not take the others for dead", async () => {
	const a = await open("a");
	const b = await open("b");
	a.setPeers([addressOf(b)]);
	b.setPeers([addressOf(a)]);
	await world.until(
		"up",
		() => stateOf(a, b) === "up" && stateOf(b, a) === "up",
	);
	const states: (PeerState | undefined)[] = [];
	a.onPeers(() => states.push(stateOf(a, b)));
	b.onPeers(() => states.push(stateOf(b, a)));
	Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
	await world.pass(700);
	expect(states).toEqual([]);
});

test("stop is quick, also with a peer that does not answer", async () => {
	const a = await open("a");
	const b = await open("b");
	const proxy = await cutProxy(portOf(b.addresses()[0] ?? ""));
	a.setPeers([
		{ node: b.self, multiaddrs: [`/ip4/127.0.0.1/tcp/${proxy.port}`] },
	]);
	const dialled = realClock.monotonic();
	b.setPeers([{ node: a.self, multiaddrs: [] }]);
	await world.until("up on both", () => {
		return stateOf(b, a) === "up" && stateOf(a, b) === "up";
	});
	// What a machine takes for some messages between the two.
	const upMilliseconds = realClock.monotonic() - dialled;
	proxy.cut();
	const start = realClock.monotonic();
	await Promise.all([a.stop(), b.stop()]);
	expect(realClock.monotonic() - start).toBeLessThan(1_000 + upMilliseconds);
	await a.stop();
	await proxy.close();
});

/** Somebody with libp2p of their own, who speaks all that members speak. */
async function outsider() {
	return createLibp2p({
		addresses: { listen: [] },
		transports: [tcp()],
		connectionEncrypters: [noise()],
		streamMuxers: [yamux()],
		services: { identify: identify(), gossip: gossipsub() },
	});
}

test("an outsider's connection is closed, and while strangers are admitted it brings nothing", async () => {
	const [a, b] = [await open("a"), await open("b")];
	a.setPeers([addressOf(b)]);
	b.setPeers([addressOf(a)]);
	await world.until(
		"up",
		() => stateOf(a, b) === "up" && stateOf(b, a) === "up",
	);
	const heard: string[] = [];
	for (const node of [a, b])
		node.onPublished((_from, message) =>
			heard.push(Buffer.from(message).toString()),
		);
	const stranger = await outsider();
	const overheard: string[] = [];
	stranger.services.gossip.addEventListener("message", ({ detail }) =>
		overheard.push(Buffer.from(detail.data).toString()),
	);
	stranger.services.gossip.subscribe(GOSSIP_TOPIC);
	const address = multiaddr(`${a.addresses()[0]}/p2p/${a.self}`);
	const dial = () => stranger.dial(address, { force: true });
	const refused = await dial().catch(() => undefined);
	await world.until(
		"closed",
		() => refused === undefined || refused.status !== "open",
	);
	a.admitStrangers(true);
	const connection = await dial();
	await world.until("both hear", () => {
		a.publish(Buffer.from("secret"));
		b.publish(Buffer.from("secret"));
		return heard.length > 2;
	});
	await world.pass(1_500);
	for (const node of [a, b]) node.publish(Buffer.from("secret"));
	await stranger.services.gossip
		.publish(GOSSIP_TOPIC, Buffer.from("intrusion"))
		.catch(() => {});
	await world.pass(500);
	expect(connection.status).toBe("open");
	expect(overheard).toEqual([]);
	expect(heard).not.toContain("intrusion");
	await connection.newStream(PROTOCOL.link).catch(() => {});
	await world.until("closed for trying", () => connection.status !== "open");
	await stranger.stop();
});

test("silent sockets of one source do not pile up", async () => {
	const a = await open("a");
	const port = portOf(a.addresses()[0] ?? "");
	const sockets: Socket[] = [];
	let closed = 0;
	for (let i = 0; i < INBOUND_PENDING_PER_SOURCE_MAX + 10; i++) {
		const socket = connect({ port, host: "127.0.0.1" });
		socket.on("error", () => {});
		socket.on("close", () => closed++);
		sockets.push(socket);
	}
	await world.until("the surplus is closed", () => closed >= 10);
	expect(closed).toBe(10);
	for (const socket of sockets) socket.destroy();
	const b = await open("b");
	a.setPeers([{ node: b.self, multiaddrs: [] }]);
	b.setPeers([addressOf(a)]);
	await world.until("a member gets in after them", () => {
		return stateOf(a, b) === "up";
	});
});
