/** A body that a connected member has, and that hypercore cannot bring here from it: the member hands it over. */
import { createHash } from "node:crypto";
import { appendFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import Replicator, { type Peer } from "hypercore/lib/replicator.js";
import SessionState from "hypercore/lib/session-state.js";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { bodyHash, type NodeId } from "../../../sync/ids.ts";
import {
	BODY_HOPE_MILLISECONDS,
	HANDOVER_BYTES_MAX,
} from "../../../sync/limits.ts";
import { type BodyRef, BodyUnavailable } from "../../../sync/ports/bodies.ts";
import type {
	Network,
	PeerAddress,
	RequestHandler,
} from "../../../sync/ports/network.ts";
import { Handover } from "../../../sync/replication/handover.ts";
import { until } from "../../harness/until.ts";
import {
	fetchAll,
	type Member,
	Members,
	put,
	putSome,
	strand,
} from "./members.ts";
import { testLog } from "./pair.ts";

let members: Members;
let handlers: Map<NodeId, RequestHandler>;
/** Questions that were asked. */
let asked: number;
beforeEach(() => {
	members = new Members();
	handlers = new Map();
	asked = 0;
});
afterEach(() => members.end());

/** Only questions are asked here. */
function networkOf(member: Member): Network {
	const network: Pick<Network, "handle" | "request"> = {
		handle: (_, handler) => void handlers.set(member.node, handler),
		request: async ({ node }, _protocol, question) => {
			asked++;
			const handler = handlers.get(node);
			if (handler === undefined) throw new Error("unknown protocol");
			return handler(member.node, question);
		},
	};
	return network as Network;
}

const handoverOf = (
	member: Member,
	wanted: (body: BodyRef) => boolean = () => true,
) =>
	new Handover({
		network: networkOf(member),
		diary: member.log,
		bodies: member.bodies,
		isMember: (node) => node !== stranger,
		isWanted: wanted,
	});
const stranger = `12D3Koo${"x".repeat(20)}` as NodeId;
const addressOf = ({ node }: Member): PeerAddress => ({ node, multiaddrs: [] });

/** b lacks a body that c has; a is gone. */
async function stranded(text?: string): Promise<[Member, Member, BodyRef]> {
	const all = await members.three();
	const [, b, c] = all;
	const { stranded: body } = await strand(members, all, text);
	await members.connect(b, c);
	expect(await c.bodies.has(body)).toBe(true);
	return [b, c, body];
}

const handedOf = (member: Member): string[] =>
	readdirSync(join(members.directory(member.name), "handed"));

async function* chunksOf(...texts: string[]) {
	for (const text of texts) yield Buffer.from(text);
}

async function textOf({ bodies }: Member, body: BodyRef): Promise<string> {
	return Buffer.from(await bodies.read(body)).toString();
}

it("a member that jumped over the length at which this one stands cannot bring it, which is seen soon; it hands it over", async () => {
	const [b, c, body] = await stranded();
	const outcome = b.bodies.fetch(body).then(
		() => "here",
		(error) => error,
	);
	let ended: unknown;
	void outcome.then((end) => {
		ended = end;
	});
	// In steps, each of which lets real parts go on. Far below the time after which any fetch is given up.
	await until("the fetch to end", async () => {
		await members.clock.advance(BODY_HOPE_MILLISECONDS / 10);
		return ended;
	});
	expect(ended).toBeInstanceOf(BodyUnavailable);
	expect(String(ended)).toMatch(/cannot prove where it lies/);
	expect(await b.bodies.has(body)).toBe(false);

	handoverOf(c);
	expect(await handoverOf(b).take(addressOf(c), [body])).toEqual([body]);
	expect(await b.bodies.has(body)).toBe(true);
	expect(await b.bodies.verify(body)).toBe("whole");
	expect(await textOf(b, body)).toBe("stranded");
	expect(Buffer.from(await b.bodies.read(body, 2, 5)).toString()).toBe("ran");
	await b.bodies.fetch(body);
	// It is passed on in the same way, by a member that has nothing else.
	const d = await members.open("d");
	handoverOf(b);
	expect(await handoverOf(d).take(addressOf(b), [body])).toEqual([body]);
	expect(await textOf(d, body)).toBe("stranded");
});

it("who waits for it gets it as soon as it was handed over", async () => {
	const [b, c, body] = await stranded();
	const reading = textOf(b, body);
	const fetching = b.bodies.fetch(body);
	handoverOf(c);
	await handoverOf(b).take(addressOf(c), [body]);
	expect(await reading).toBe("stranded");
	await fetching;
});

it("it is there after a kill; what a killed process left of one is not", async () => {
	const [b, , body] = await stranded();
	await b.bodies.takeIn(body, chunksOf("stran", "ded"));
	await members.close(b);
	const spool = join(members.directory("b"), "spool", "1-0");
	writeFileSync(spool, "stran");
	const again = await members.open("b");
	expect(await again.bodies.has(body)).toBe(true);
	expect(await textOf(again, body)).toBe("stranded");
	expect(readdirSync(join(spool, ".."))).toEqual([]);
});

it("its file is synced before it gets its name, and its folder before anybody is told", async () => {
	const [b, , body] = await stranded();
	const probe = await open(join(members.folder.path, "probe"), "w");
	const syncing = vi.spyOn(Object.getPrototypeOf(probe), "sync");
	await probe.close();
	/** What had its name when something was synced. */
	const named: string[][] = [];
	syncing.mockImplementation(async () => {
		named.push(handedOf(b));
	});
	try {
		await b.bodies.takeIn(body, chunksOf("stranded"));
	} finally {
		syncing.mockRestore();
	}
	expect(named).toEqual([[], handedOf(b)]);
});

it("what its giver did not send to the end is not here", async () => {
	const [b, , body] = await stranded();
	const dies = async function* () {
		yield Buffer.from("stran");
		throw new BodyUnavailable("the member is gone");
	};
	await expect(b.bodies.takeIn(body, dies())).rejects.toThrow(BodyUnavailable);
	expect(await b.bodies.has(body)).toBe(false);
	expect(handedOf(b)).toEqual([]);
	expect(readdirSync(join(members.directory("b"), "spool"))).toEqual([]);
});

it("wrong bytes are refused", async () => {
	const [b, c, body] = await stranded();
	for (const wrong of ["strandeD", "strande", "stranded more", ""])
		await expect(b.bodies.takeIn(body, chunksOf(wrong))).rejects.toThrow(
			/not what its hash says/,
		);
	expect(handedOf(b)).toEqual([]);
	// Also from a member.
	handoverOf(c);
	const lie: BodyRef = {
		...body,
		hash: bodyHash(createHash("sha256").update("other").digest("hex")),
	};
	expect(await handoverOf(b).take(addressOf(c), [lie])).toEqual([]);
	expect(await b.bodies.has(lie)).toBe(false);
	expect(await b.bodies.has(body)).toBe(false);
});

it("the room comes back when it is cleared, as for any body", async () => {
	const [b, , body] = await stranded();
	const before = await b.bodies.diskBytes();
	await b.bodies.takeIn(body, chunksOf("stranded"));
	const [, start] = body.blob;
	const end = start + 1;
	expect(await b.bodies.held(body.drive)).toContainEqual({ start, end });
	expect(await b.bodies.diskBytes()).toBe(before + body.sizeBytes);
	await b.bodies.clear(body.drive, [{ start: end, end: end + 1 }]);
	expect(await b.bodies.verify(body)).toBe("whole");
	await b.bodies.clear(body.drive, [{ start, end }]);
	expect(await b.bodies.has(body)).toBe(false);
	expect(handedOf(b)).toEqual([]);
	expect(await b.bodies.diskBytes()).toBe(before);
	expect(await b.bodies.held(body.drive)).not.toContainEqual({ start, end });
});

it("one that goes while it is read is not had, rather than a fault of the disk", async () => {
	const [b, c, body] = await stranded();
	await b.bodies.takeIn(body, chunksOf("stranded"));
	const [name = ""] = handedOf(b);
	rmSync(join(members.directory("b"), "handed", name));
	await expect(b.bodies.read(body)).rejects.toThrow(BodyUnavailable);
	expect(await b.bodies.has(body)).toBe(false);
	handoverOf(c);
	await handoverOf(b).take(addressOf(c), [body]);
	expect(await textOf(b, body)).toBe("stranded");
});

it("one that was damaged on the disk is found, not served, and taken anew", async () => {
	const [b, c, body] = await stranded();
	await b.bodies.takeIn(body, chunksOf("stranded"));
	const [name = ""] = handedOf(b);
	const file = join(members.directory("b"), "handed", name);
	writeFileSync(file, "strXnded");
	expect(await b.bodies.verify(body)).toBe("damaged");
	expect(await b.bodies.has(body)).toBe(false);
	handoverOf(c);
	expect(await handoverOf(b).take(addressOf(c), [body])).toEqual([body]);
	expect(await b.bodies.verify(body)).toBe("whole");
	appendFileSync(file, "trailing bytes harm nobody");
	expect(await textOf(b, body)).toBe("stranded");
});

it("large bodies come in pieces, small ones together", async () => {
	const [a, b] = await members.three();
	const text = "0123456789".repeat(HANDOVER_BYTES_MAX / 4);
	const large = await put(a, text);
	const small: BodyRef[] = [];
	for (let i = 0; i < 20; i++) small.push(await put(a, `small ${i}`));
	handoverOf(a);
	const all = [...small.slice(0, 10), large, ...small.slice(10)];
	const taken = await handoverOf(b).take(addressOf(a), all);
	expect(taken).toEqual(all);
	expect(asked).toBe(3 + 2);
	await fetchAll(b, all);
	expect(await textOf(b, large)).toBe(text);
	expect(await textOf(b, small[19] as BodyRef)).toBe("small 19");
});

it("only members are answered; who does not know the question, or lacks the body, is no help", async () => {
	const [b, c, body] = await stranded();
	const taking = handoverOf(b);
	expect(await taking.take(addressOf(c), [body])).toEqual([]);
	handoverOf(c);
	await c.bodies.clear(body.drive, [{ start: 0, end: 100 }]);
	expect(await taking.take(addressOf(c), [body])).toEqual([]);
	const handler = handlers.get(c.node) as RequestHandler;
	await expect(handler(stranger, new Uint8Array())).rejects.toThrow(
		/only members/,
	);
	expect(handedOf(b)).toEqual([]);
});

it("nor can one that is behind bring what it has to one that is ahead; it hands it over", async () => {
	const all = await members.three();
	const [, b, c] = all;
	const { early } = await strand(members, all);
	const [body] = early.slice(4) as [BodyRef];
	await members.connect(b, c);
	let ended: unknown;
	void c.bodies.fetch(body).catch((error) => {
		ended = error;
	});
	await until("the fetch to end", async () => {
		await members.clock.advance(BODY_HOPE_MILLISECONDS / 10);
		return ended;
	});
	expect(ended).toBeInstanceOf(BodyUnavailable);
	expect(await c.bodies.isStuck(body)).toBe(true);
	handoverOf(b);
	expect(await handoverOf(c).take(addressOf(b), [body])).toEqual([body]);
	expect(await textOf(c, body)).toBe("body 4");
});

it("a reference that cannot be right keeps no other body from coming", async () => {
	const [b, c, body] = await stranded();
	handoverOf(c);
	const bad = { ...body, sizeBytes: body.sizeBytes + 1e6 };
	expect(await b.bodies.isStuck(bad)).toBe(false);
	const taking = handoverOf(b);
	expect(await taking.take(addressOf(c), [bad, body])).toEqual([body]);
});

it("what comes slowly is not asked for in another way as well", async () => {
	const [a, b] = await members.three();
	await members.connect(a, b);
	const body = await put(a, "slow");
	handoverOf(a);
	const { prototype } = Replicator.Peer;
	const under = Promise.withResolvers<void>();
	const { _handleData } = prototype;
	const arriving = vi.spyOn(prototype, "_handleData");
	arriving.mockImplementation(async function (this: Peer, data) {
		await under.promise;
		await _handleData.call(this, data);
	});
	try {
		const fetching = b.bodies.fetch(body);
		await until("b to ask a for it", () => arriving.mock.calls.length > 0);
		const taken = await handoverOf(b).take(addressOf(a), [body]);
		expect([taken.length, asked]).toEqual([0, 0]);
		under.resolve();
		await fetching;
	} finally {
		arriving.mockRestore();
	}
	expect(handedOf(b)).toEqual([]);
});

it("what nobody misses any more is not asked for", async () => {
	const [b, c, body] = await stranded();
	handoverOf(c);
	const { length } = testLog().lines;
	const taken = await handoverOf(b, () => false).take(addressOf(c), [body]);
	expect([taken.length, asked, length]).toEqual([0, 0, 0]);
});

/** As if the disk had lost what proves these blocks of its own drive. */
async function loseProofs(
	member: Member,
	bodies: readonly BodyRef[],
): Promise<void> {
	const { createWriteBatch } = SessionState.prototype;
	const losing = vi.spyOn(SessionState.prototype, "createWriteBatch");
	losing.mockImplementation(function (this: SessionState) {
		const batch = createWriteBatch.call(this);
		for (const { blob } of bodies) batch.deleteTreeNode(2 * blob[1]);
		return batch;
	});
	try {
		await put(member, "goes with the next batch");
	} finally {
		losing.mockRestore();
	}
}

it("who cannot prove much of what it has breaks no link: what can be proved comes, and the rest is handed over", async () => {
	const [a, b] = await members.three();
	const proved = await putSome(a, 100);
	const bare = await putSome(a, 100);
	await loseProofs(a, bare);
	await members.connect(a, b);
	await fetchAll(b, proved);
	const ended: unknown[] = [];
	for (const body of bare)
		void b.bodies.fetch(body).catch((error) => ended.push(error));
	await until("the fetches to end", async () => {
		await members.clock.advance(BODY_HOPE_MILLISECONDS / 10);
		return ended.length === bare.length;
	});
	handoverOf(a);
	expect(await handoverOf(b).take(addressOf(a), bare)).toEqual(bare);
	const last = bare.at(-1) as BodyRef;
	expect(await textOf(b, last)).toBe("body 99");
	for (const { log } of [a, b])
		expect(log.lines.map(({ message }) => message)).not.toContain(
			"a body stream ended",
		);
});
