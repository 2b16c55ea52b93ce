import type { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ClientFault, Temporary } from "../../sync/faults.ts";
import {
	GOSSIP_BYTES_MAX,
	LINK_MESSAGE_BYTES_MAX,
	LINK_QUEUE_BYTES_MAX,
	REQUEST_BYTES_MAX,
} from "../../sync/limits.ts";
import type { Link, Network, PeerState } from "../../sync/ports/network.ts";
import {
	addressOf,
	type Node,
	realWorld,
	simWorld,
	type World,
} from "./network-worlds.ts";

/** What one node sees: its links in order, what came on them, and how they ended. */
class Seen {
	readonly node: Node;
	readonly events: string[] = [];
	readonly messages: Buffer[] = [];
	readonly gossip: string[] = [];
	readonly bodies: { stream: Duplex; initiator: boolean }[] = [];
	link: Link | undefined;
	drained = 0;
	/** While set, the handler keeps its message. */
	hold: Promise<void> | undefined;

	constructor(node: Node) {
		this.node = node;
		node.onLink((link) => this.#take(link));
		node.onPublished((from, message) =>
			this.gossip.push(`${from} ${Buffer.from(message)}`),
		);
		node.onBodyStream((_peer, stream, initiator) => {
			stream.on("error", () => {});
			this.bodies.push({ stream, initiator });
		});
	}

	get open(): number {
		const count = (what: string): number =>
			this.events.filter((event) => event.startsWith(what)).length;
		return count("link") - count("closed");
	}

	#take(link: Link): void {
		this.events.push("link");
		this.link = link;
		link.handlers = {
			message: (message) => {
				this.messages.push(Buffer.from(message));
				return this.hold;
			},
			drain: () => {
				this.drained++;
			},
			closed: (reason) => {
				this.events.push(`closed ${reason}`);
				if (this.link === link) this.link = undefined;
			},
		};
	}
}

const stateOf = (node: Network, of: Network): PeerState | undefined =>
	node.peers().find((peer) => peer.node === of.self)?.state;

const know = (...nodes: readonly Seen[]): void => {
	for (const { node } of nodes)
		node.setPeers(nodes.map((seen) => addressOf(seen.node)));
};

const numbered = (count: number, bytes: number): Buffer[] =>
	Array.from({ length: count }, (_, i) => {
		const message = Buffer.alloc(bytes, i);
		message.writeUInt32BE(i);
		return message;
	});

describe.each([
	["real", realWorld],
	["simulated", simWorld],
])("network, %s", (_name, makeWorld) => {
	let world: World;
	let a: Seen;
	let b: Seen;

	const linked = async (...nodes: readonly Seen[]): Promise<void> => {
		know(...nodes);
		await world.until("all are up", () =>
			nodes.every((seen) =>
				nodes.every(
					(other) => other === seen || stateOf(seen.node, other.node) === "up",
				),
			),
		);
	};

	beforeEach(async () => {
		world = await makeWorld();
		a = new Seen(await world.open("a"));
		b = new Seen(await world.open("b"));
	});
	afterEach(() => world.close());

	test("messages arrive whole, in order, once, both ways", async () => {
		await linked(a, b);
		const small = numbered(2_000, 100);
		const large = [Buffer.alloc(LINK_MESSAGE_BYTES_MAX, 7), Buffer.alloc(0)];
		for (const message of [...small, ...large]) a.link?.send(message);
		for (const message of small) b.link?.send(message);
		await world.until("all are here", () => {
			return b.messages.length >= 2_002 && a.messages.length >= 2_000;
		});
		expect(
			Buffer.concat(b.messages).equals(Buffer.concat([...small, ...large])),
		).toBe(true);
		expect(a.messages.map((message) => message.readUInt32BE())).toEqual(
			small.map((_, i) => i),
		);
		const tooLarge = new Uint8Array(LINK_MESSAGE_BYTES_MAX + 1);
		expect(() => a.link?.send(tooLarge)).toThrow(RangeError);
	});

	test("a slow reader holds the sender back, and gets everything", async () => {
		await linked(a, b);
		let release = (): void => {};
		b.hold = new Promise((resolve) => {
			release = resolve;
		});
		const messages = numbered(200, 64 * 1024);
		let sent = 0;
		const fill = (): void => {
			while (sent < messages.length)
				if (!a.link?.send(messages[sent++] as Buffer)) return;
		};
		fill();
		await world.until("one message is being handled", () => {
			return b.messages.length === 1;
		});
		for (let drained = -1; drained !== a.drained; fill()) {
			drained = a.drained;
			await world.pass(300);
		}
		// What the transport and the reader's buffers hold, far from all of it.
		expect(sent).toBeLessThan(150);
		expect(a.link?.queuedBytes).toBeGreaterThan(0);
		expect(b.messages.length).toBe(1);
		b.hold = undefined;
		release();
		await world.until("all are here", () => {
			fill();
			return b.messages.length === messages.length;
		});
		expect(Buffer.concat(b.messages).equals(Buffer.concat(messages))).toBe(
			true,
		);
		expect(a.drained).toBeGreaterThan(0);
	});

	test("who ignores back-pressure loses the link, and gets a new one", async () => {
		await linked(a, b);
		b.hold = new Promise(() => {});
		const message = Buffer.alloc(1024 * 1024);
		const link = a.link;
		for (let i = 0; i < LINK_QUEUE_BYTES_MAX / message.byteLength + 8; i++)
			link?.send(message);
		expect(a.events).toEqual(["link", "closed the peer reads too slowly"]);
		await world.until("a new link on both", () => {
			return a.link !== undefined && b.link !== undefined && a.open === 1;
		});
		await world.until("the old one closed at b", () => b.open === 1);
		expect(b.events.map((event) => event.split(" ")[0])).toEqual([
			"link",
			"closed",
			"link",
		]);
	});

	test("both dial at once, and agree on one link and one body stream", async () => {
		await linked(a, b);
		await world.pass(1_000);
		expect([a.open, b.open]).toEqual([1, 1]);
		a.link?.send(Buffer.from("to b"));
		b.link?.send(Buffer.from("to a"));
		await world.until("each has the other's message", () => {
			return a.messages.length === 1 && b.messages.length === 1;
		});
		await world.until("body streams", () => {
			return a.bodies.length > 0 && b.bodies.length > 0;
		});
		const last = [a.bodies.at(-1), b.bodies.at(-1)];
		expect(last.filter((body) => body?.initiator).length).toBe(1);
		expect(a.bodies.filter(({ stream }) => !stream.destroyed).length).toBe(1);
	});

	test("three nodes have one link a pair", async () => {
		const c = new Seen(await world.open("c"));
		await linked(a, b, c);
		await world.pass(1_000);
		expect([a.open, b.open, c.open]).toEqual([2, 2, 2]);
	});

	test("only one side can dial, and there is a link", async () => {
		for (const [here, there] of [
			[a, b],
			[b, a],
		] as const) {
			here.node.setPeers([addressOf(there.node)]);
			there.node.setPeers([{ node: here.node.self, multiaddrs: [] }]);
			await world.until("linked", () => {
				return here.link !== undefined && there.link !== undefined;
			});
			here.node.setPeers([]);
			await world.until("cut off", () => here.open + there.open === 0);
			there.node.setPeers([]);
		}
	});

	test("who is not named gets no link, no answer and no gossip", async () => {
		b.node.setPeers([addressOf(a.node)]);
		a.node.handle("question", async () => Buffer.from("answer"));
		await expect(
			world.settle(
				b.node.request(addressOf(a.node), "question", Buffer.of(), 1_000),
			),
		).rejects.toThrow(Temporary);
		a.node.publish(Buffer.from("secret"));
		b.node.publish(Buffer.from("intrusion"));
		await world.pass(1_000);
		expect([...a.events, ...b.events, ...a.gossip, ...b.gossip]).toEqual([]);
		expect(stateOf(b.node, a.node)).not.toBe("up");
	});

	test("who is turned away as a stranger knows that, until it is let in", async () => {
		// Of a and b a leads, of b and c it is b.
		const c = new Seen(await world.open("c"));
		const seen = [a, c];
		const toB = () => seen.map(({ node }) => node.peers()[0]);
		for (const { node } of seen) node.setPeers([addressOf(b.node)]);
		await world.until(
			"both know",
			() => toB().every((peer) => peer?.turnsAway),
			10_000,
		);
		b.node.setPeers(seen.map(({ node }) => addressOf(node)));
		await world.until("both are linked", () =>
			toB().every((peer) => peer?.state === "up" && !peer.turnsAway),
		);
	});

	test("who was removed for good is told so when it comes, and gets nothing else", async () => {
		// Of a and b a leads, of b and c it is b.
		const c = new Seen(await world.open("c"));
		const heard: string[] = [];
		for (const { node } of [a, c]) {
			node.onRemoved((by) => heard.push(`${node.self} by ${by}`));
			node.setPeers([addressOf(b.node)]);
		}
		b.node.setRemoved([a.node.self, c.node.self]);
		await world.until("both know", () => new Set(heard).size === 2, 10_000);
		expect(new Set(heard)).toEqual(
			new Set([a, c].map(({ node }) => `${node.self} by ${b.node.self}`)),
		);
		// Nothing else is open to them.
		b.node.handle("question", async () => Buffer.from("answer"));
		await expect(
			world.settle(
				a.node.request(addressOf(b.node), "question", Buffer.of(), 1_000),
			),
		).rejects.toThrow(Temporary);
		expect([...a.events, ...b.events, ...c.events]).toEqual([]);
	});

	test("a stranger may ask while strangers are admitted, and nothing else", async () => {
		a.node.handle("question", async (peer, body) =>
			Buffer.from(`${peer === b.node.self} ${Buffer.from(body)}`),
		);
		const ask = (): Promise<Uint8Array> =>
			world.settle(
				b.node.request(addressOf(a.node), "question", Buffer.from("q"), 1_000),
			);
		await expect(ask()).rejects.toThrow(Temporary);
		a.node.admitStrangers(true);
		expect(Buffer.from(await ask()).toString()).toBe("true q");
		b.node.setPeers([addressOf(a.node)]);
		await world.pass(1_000);
		a.node.publish(Buffer.from("secret"));
		b.node.publish(Buffer.from("intrusion"));
		await world.pass(1_000);
		expect([...a.events, ...b.events, ...a.gossip, ...b.gossip]).toEqual([]);
		a.node.admitStrangers(false);
		await expect(ask()).rejects.toThrow(Temporary);
	});

	test("who is not named any more is cut off", async () => {
		const c = new Seen(await world.open("c"));
		await linked(a, b, c);
		a.node.setPeers([addressOf(c.node)]);
		c.node.setPeers([addressOf(a.node)]);
		await world.until("b has no link", () => b.open === 0);
		expect(a.node.peers().map(({ node }) => node)).toEqual([c.node.self]);
		expect(a.events.at(-1)).toBe("closed not a member any more");
		await world.until("c has it", () => {
			if (c.gossip.length === 0) a.node.publish(Buffer.from("without b"));
			return c.gossip.length > 0;
		});
		await world.pass(1_000);
		expect([a.open, b.open, c.open, b.gossip.length]).toEqual([1, 0, 1, 0]);
	});

	test("a reason for closing reaches the other end, after the messages before it", async () => {
		await linked(a, b);
		a.link?.send(Buffer.from("last words"));
		a.link?.close("enough\nsaid");
		expect(a.events).toEqual(["link", "closed enough said"]);
		await world.until("b knows", () => b.events.length >= 2);
		expect(b.events[1]).toBe("closed enough said");
		expect(b.messages.map(String)).toEqual(["last words"]);
		await world.until("linked anew", () => a.open === 1 && b.open === 1);
	});

	test("a node that goes is down at once, and up again when it returns", async () => {
		await linked(a, b);
		const states: (PeerState | undefined)[] = [];
		a.node.onPeers(() => states.push(stateOf(a.node, b.node)));
		await world.settle(b.node.stop());
		await world.until("down", () => stateOf(a.node, b.node) === "down", 1_500);
		expect(a.open).toBe(0);
		b = new Seen(await world.open("b"));
		know(a, b);
		await world.until("up", () => {
			return stateOf(a.node, b.node) === "up" && b.link !== undefined;
		});
		expect(states.at(-1)).toBe("up");
		expect(a.events.map((event) => event.split(" ")[0])).toEqual([
			"link",
			"closed",
			"link",
		]);
		b.link?.send(Buffer.from("back"));
		await world.until("heard", () => a.messages.length === 1);
		expect(a.node.peers()[0]?.rttMilliseconds).not.toBe(0);
	});

	test("gossip reaches all members but its author, also through others", async () => {
		const c = new Seen(await world.open("c"));
		const nowhere = ["/ip4/127.0.0.1/tcp/1"];
		a.node.setPeers([
			addressOf(b.node),
			{ node: c.node.self, multiaddrs: nowhere },
		]);
		b.node.setPeers([addressOf(a.node), addressOf(c.node)]);
		c.node.setPeers([
			{ node: a.node.self, multiaddrs: nowhere },
			addressOf(b.node),
		]);
		await world.until("b has two links", () => b.open === 2);
		await world.until("c has it", () => {
			if (c.gossip.length === 0) a.node.publish(Buffer.from("hello"));
			return c.gossip.length > 0;
		});
		expect(c.gossip[0]).toBe(`${a.node.self} hello`);
		expect(stateOf(a.node, c.node)).not.toBe("up");
		expect(b.gossip[0]).toBe(`${a.node.self} hello`);
		expect(a.gossip).toEqual([]);
		const tooLarge = new Uint8Array(GOSSIP_BYTES_MAX + 1);
		expect(() => a.node.publish(tooLarge)).toThrow(RangeError);
	});

	test("gossip of a node that is not named is not taken from one that is", async () => {
		const c = new Seen(await world.open("c"));
		a.node.setPeers([addressOf(b.node)]);
		b.node.setPeers([addressOf(a.node), addressOf(c.node)]);
		c.node.setPeers([addressOf(b.node)]);
		await world.until("b has two links", () => b.open === 2 && a.open === 1);
		await world.until("b hears c, and a hears b", () => {
			c.node.publish(Buffer.from("from c"));
			if (a.gossip.length === 0) b.node.publish(Buffer.from("from b"));
			return b.gossip.length > 0 && a.gossip.length > 0;
		});
		c.node.publish(Buffer.from("from c"));
		await world.pass(300);
		expect(a.gossip.filter((text) => text.endsWith("from c"))).toEqual([]);
	});

	test("gossip goes on after a reconnect", async () => {
		await linked(a, b);
		a.link?.close("test");
		await world.until("closed", () => b.events.length >= 2);
		await world.until("linked anew", () => a.open === 1 && b.open === 1);
		await world.until("both ways", () => {
			if (b.gossip.length === 0) a.node.publish(Buffer.from("to b"));
			if (a.gossip.length === 0) b.node.publish(Buffer.from("to a"));
			return a.gossip.length > 0 && b.gossip.length > 0;
		});
	});

	test("requests: answers, refusals, time limits", async () => {
		a.node.admitStrangers(true);
		a.node.handle("echo", async (_peer, body) => body);
		a.node.handle("refuse", async () => {
			throw new ClientFault("NOPERM", "this invite has expired");
		});
		a.node.handle("broken", async () => {
			throw new TypeError("a bug");
		});
		a.node.handle("silent", () => new Promise(() => {}));
		const ask = (name: string, body: Uint8Array): Promise<Uint8Array> =>
			world.settle(b.node.request(addressOf(a.node), name, body, 1_000));
		const question = Buffer.alloc(REQUEST_BYTES_MAX, 5);
		expect(question.equals(await ask("echo", question))).toBe(true);
		await expect(ask("refuse", question)).rejects.toMatchObject({
			name: "ClientFault",
			code: "NOPERM",
			message: "this invite has expired",
		});
		await expect(ask("broken", question)).rejects.toThrow(Temporary);
		await expect(ask("silent", question)).rejects.toThrow(Temporary);
		await expect(ask("unknown", question)).rejects.toThrow(Temporary);
		await expect(
			ask("echo", Buffer.alloc(REQUEST_BYTES_MAX + 1)),
		).rejects.toThrow(RangeError);
		const gone = { node: a.node.self, multiaddrs: ["/ip4/127.0.0.1/tcp/1"] };
		await expect(
			world.settle(b.node.request(gone, "echo", question, 1_000)),
		).rejects.toThrow(Temporary);
	});

	test("members ask over their link, which stays", async () => {
		await linked(a, b);
		a.node.handle("echo", async (_peer, body) => body);
		const answer = await world.settle(
			b.node.request(addressOf(a.node), "echo", Buffer.from("x"), 1_000),
		);
		expect(Buffer.from(answer).toString()).toBe("x");
		await world.pass(600);
		expect([a.events, b.events]).toEqual([["link"], ["link"]]);
	});

	test("body streams carry bytes both ways, hold the writer back, and come again", async () => {
		await linked(a, b);
		await world.until("both have one", () => {
			return a.bodies.length === 1 && b.bodies.length === 1;
		});
		const [here, there] = [a.bodies[0]?.stream, b.bodies[0]?.stream];
		if (here === undefined || there === undefined) throw new Error("none");
		let written = 0;
		const chunk = Buffer.alloc(64 * 1024, 3);
		while (here.write(chunk) && written < 1_000) written++;
		for (let before = -1; before !== written; ) {
			before = written;
			await world.pass(200);
			while (here.writableLength === 0 && written < 1_000) {
				here.write(chunk);
				written++;
			}
		}
		expect(written).toBeLessThan(200);
		let read = 0;
		there.on("data", (data: Buffer) => {
			read += data.byteLength;
		});
		here.end();
		await world.until("all read", () => there.readableEnded);
		expect(read % chunk.byteLength).toBe(0);
		expect(read).toBeGreaterThan(written * chunk.byteLength);
		there.write("back");
		let back = "";
		here.on("data", (data: Buffer) => {
			back += data;
		});
		await world.until("the other way too", () => back === "back");
		a.link?.close("test");
		await world.until("a new stream", () => {
			return a.bodies.length === 2 && b.bodies.length === 2;
		});
		expect(here.destroyed && there.destroyed).toBe(true);
	});

	test("a body stream that breaks takes its link along, and both come anew", async () => {
		await linked(a, b);
		await world.until("both have one", () => {
			return a.bodies.length === 1 && b.bodies.length === 1;
		});
		b.bodies[0]?.stream.destroy(new Error("what came makes no sense"));
		await world.until("a new stream", () => {
			return a.bodies.length === 2 && b.bodies.length === 2;
		});
		expect([a.open, b.open]).toEqual([1, 1]);
		expect(a.bodies[0]?.stream.destroyed).toBe(true);
	});

	test("what is registered late is told of links and streams that are there", async () => {
		const c = await world.open("c");
		c.setPeers([addressOf(a.node)]);
		a.node.setPeers([addressOf(c)]);
		await world.until("up on both", () => {
			return stateOf(c, a.node) === "up" && a.link !== undefined;
		});
		a.link?.send(Buffer.from("early"));
		await world.until("the stream is there", () => a.bodies.length === 1);
		await world.pass(200);
		const late = new Seen(c);
		await world.until("heard, and given the stream", () => {
			return late.messages.length === 1 && late.bodies.length === 1;
		});
	});
});
