/**
 * Every file of a data folder cut and flipped at many offsets, with another member at hand: the node starts and becomes
 * whole, or ends with status 1 and one line; it is never ended by a signal, and never shows what was not sent.
 */
import { cpSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { driveBlocks } from "../../sync/membership/identity.ts";
import { openStore } from "../../sync/real/store.ts";
import { copiedMarks } from "../../sync/space/drive-marks.ts";
import { password, startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { planted, type TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";
import { type Damage, damage, filesOf, kindOf } from "./damaging.ts";
import { expectExactly, range, send, sendAll, settled, user } from "./mail.ts";

const MESSAGES = 60;
const OUTCOMES_MIN = 11;
const SECONDS_MAX = Number(process.env.PMNODE_DAMAGE_SECONDS ?? 100);

/** Only what cannot come from anywhere else ends a node: its key. */
const MAY_END = /identity\.key|tls/;

/** How the node ended, as far as that is not allowed after damage of this file. */
function wrongEnding(node: TestNode, file: string, said: string): string[] {
	const { code, signal } = node.exit ?? { code: null, signal: null };
	const last = said.split("\n").filter((line) => line.startsWith("pmnode: "));
	return [
		...(code === 1 ? [] : [`status ${code}, signal ${signal}, instead of 1`]),
		...(last.length === 1 ? [] : [`${last.length} last lines instead of one`]),
		...(/failed inside|a bug ends/.test(said) ? ["it ends as by a bug"] : []),
		...(MAY_END.test(file) ? [] : ["this file does not have to end it"]),
	];
}

/** Starts a node whose folder was damaged: whole in the end, or an end with one line. */
async function startDamaged(
	node: TestNode,
	file: string,
	what: string,
): Promise<"whole" | "ended"> {
	const before = node.diary.length;
	try {
		await node.start();
	} catch (error) {
		const said = node.diary.slice(before);
		expect(
			wrongEnding(node, file, said),
			`${what}\n${error}\n--- all it said:\n${said}`,
		).toEqual([]);
		return "ended";
	}
	return "whole";
}

/** All members show all that was sent, and the damaged one ends as it should when it is told to. */
async function expectWhole(
	nodes: readonly [TestNode, TestNode],
	maker: MessageMaker,
	what: string,
): Promise<void> {
	try {
		expectExactly(await settled(nodes, MESSAGES), maker, range(0, MESSAGES));
		expect(await nodes[1].stop()).toBe(0);
	} catch (error) {
		const exits = nodes.map(({ name, exit }) => `${name} ${exit?.code}`);
		const said = nodes.map((node) => node.tail()).join("\n");
		throw new Error(`${what}\n${error}\nexits: ${exits.join(", ")}\n${said}`);
	}
}

test("each file of a data folder, cut and flipped: the node becomes whole again from its peer", async () => {
	const cluster = await startCluster({ names: ["a", "b"], users: [user] });
	try {
		const maker = new MessageMaker("damaged");
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		await sendAll(a, maker, range(0, MESSAGES / 2));
		await sendAll(b, maker, range(MESSAGES / 2, MESSAGES));
		await settled(cluster.nodes, MESSAGES);
		const outcomes: string[] = [];
		const deadline = performance.now() + SECONDS_MAX * 1000;
		const rounds: [Damage, number][] = [
			["flip", 0.5],
			["cut", 0.5],
			["flip", 0],
			["cut", 0.05],
			["zero", 0.3],
			["flip", 0.9],
			["cut", 0.97],
		];
		await b.stop();
		const sound = `${b.data}.sound`;
		for (const [how, where] of rounds)
			for (const kind of new Set(filesOf(b.data).map(kindOf))) {
				// RocksDB numbers its files anew each time it is opened.
				const file = filesOf(b.data).find((name) => kindOf(name) === kind);
				// On a slow machine fewer of them fit in; some kinds of damage always do.
				const isOver =
					outcomes.length >= OUTCOMES_MIN && performance.now() > deadline;
				if (file === undefined || isOver) continue;
				const what = `${how} at ${where} of ${file}`;
				rmSync(sound, { recursive: true, force: true });
				cpSync(b.data, sound, { recursive: true });
				const { size } = statSync(join(b.data, file));
				damage(join(b.data, file), how, Math.floor(size * where));
				const outcome = await startDamaged(b, file, what);
				outcomes.push(`${outcome}: ${what}`);
				if (outcome === "ended") {
					// What an operator would do who has that file elsewhere.
					rmSync(b.data, { recursive: true });
					cpSync(sound, b.data, { recursive: true });
					continue;
				}
				await expectWhole([a, b], maker, what);
			}
		rmSync(sound, { recursive: true, force: true });
		if (process.env.PMNODE_TEST_VERBOSE) console.log(outcomes.join("\n"));
		expect(outcomes.length).toBeGreaterThanOrEqual(OUTCOMES_MIN);
		await b.start();
		const [, client] = await cluster.imap(user);
		await client?.logout();
	} finally {
		await cluster.close();
	}
}, 600_000);

test("bodies whose log was damaged are missed at the start, and are back when the members are converged", async () => {
	const cluster = await startCluster({ names: ["a", "b"], users: [user] });
	try {
		const maker = new MessageMaker("log");
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		await sendAll(a, maker, range(0, MESSAGES));
		await settled(cluster.nodes, MESSAGES);
		await b.converged();
		await b.stop();
		const log = filesOf(b.data).find((name) => /db.\d+\.log$/.test(name));
		const file = join(b.data, log as string);
		damage(file, "flip", statSync(file).size >> 1);
		await b.start();
		await b.converged();
		expect(b.diary).toMatch(/the body store was damaged/);
		expect(await b.cli(["check"]), b.tail()).toMatchObject({ code: 0 });
	} finally {
		await cluster.close();
	}
}, 300_000);

test("a file of bodies that was cut is named at the start, and what lay in it comes again, of all drives", async () => {
	const cluster = await startCluster({ names: ["a", "b"], users: [user] });
	try {
		const maker = new MessageMaker("blobs");
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		const quarter = MESSAGES / 4;
		// What it has in its log is moved into a file when it starts. In the second one lies anew what says which blocks are
		// here: without that the drive does not open, and all of it is put aside.
		for (const from of [0, 2 * quarter]) {
			await sendAll(a, maker, range(from, from + quarter));
			await sendAll(b, maker, range(from + quarter, from + 2 * quarter));
			await settled(cluster.nodes, from + 2 * quarter);
			await b.converged();
			await b.restart();
		}
		await b.stop();
		const [blob] = filesOf(b.data)
			.filter((name) => name.endsWith(".blob"))
			.sort();
		const file = join(b.data, blob as string);
		damage(file, "cut", statSync(file).size >> 1);
		await b.start();
		await b.converged();
		// Nobody has read or scrubbed any: every body against its hash.
		expect(await b.cli(["check"]), b.tail()).toMatchObject({ code: 0 });
		expect(b.diary).toMatch(/files of bodies were cut: \d+\.blob has/);
		const said = b.diary.length;
		await b.restart();
		expect(b.diary.slice(said)).not.toMatch(/files of bodies were cut/);
	} finally {
		await cluster.close();
	}
}, 300_000);

/** How many blocks the node keeps that its own drive has, and its copies of others, as a kill would leave it. */
function blocksKept(data: string): { own: number; copied: number } {
	const copy = `${data}.looked-at`;
	cpSync(data, copy, {
		recursive: true,
		filter: (name) => name === data || /state\.db/.test(name),
	});
	const store = openStore(join(copy, "state.db"));
	const marks = [...copiedMarks(store).values()];
	const own = driveBlocks(store);
	store.close();
	rmSync(copy, { recursive: true });
	return { own, copied: marks.reduce((one, other) => one + other, 0) };
}

test("an older copy of the bodies in place of the newer is named at the start, and what it lacks comes again", async () => {
	const cluster = await startCluster({ names: ["a", "b"], users: [user] });
	try {
		const maker = new MessageMaker("older");
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		const bodies = join(b.data, "bodies");
		const old = `${b.data}.old`;
		const half = MESSAGES / 2;
		// All of it is in the drive of a; b has never appended to its own.
		await sendAll(a, maker, range(0, half));
		await settled(cluster.nodes, half);
		await b.converged();
		await b.stop();
		cpSync(bodies, old, { recursive: true });
		await b.start();
		await sendAll(a, maker, range(half, MESSAGES));
		await settled(cluster.nodes, MESSAGES);
		await b.converged();
		const { own } = blocksKept(a.data);
		await until(
			"b keeps that it has all of the drive of a",
			async () => blocksKept(b.data).copied === own,
		);
		await b.stop();
		rmSync(bodies, { recursive: true });
		cpSync(old, bodies, { recursive: true });
		await b.start();
		await b.converged();
		expect(b.diary).toMatch(
			/the copy of drive \w+ has 30 blocks, and had 60.*the body store was damaged/,
		);
		// Every body against its hash.
		expect(await b.cli(["check"]), b.tail()).toMatchObject({ code: 0 });
		const said = b.diary.length;
		await b.restart();
		expect(b.diary.slice(said)).not.toMatch(/the body store was damaged/);
	} finally {
		await cluster.close();
	}
}, 300_000);

const PAGE_BYTES = 4096;

test("pages of the store garbled under a running node: it begins anew by itself, and nothing is lost or shown wrong", async () => {
	const cluster = await startCluster({
		names: ["a", "b"],
		users: [user],
		placeOf: () => ({ program: planted("plant-small-journals.ts") }),
	});
	try {
		const maker = new MessageMaker("pages");
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		const before = 1_200;
		await sendAll(a, maker, range(0, before), 16);
		await settled(cluster.nodes, before);
		await b.converged();
		// So that it has read next to nothing of its file yet.
		await b.restart();
		const { pid } = b;
		const file = join(b.data, "state.db");
		const pages = Math.floor(statSync(file).size / PAGE_BYTES);
		expect(pages).toBeGreaterThan(100);
		for (let page = 2; page < pages; page += 3)
			damage(file, "zero", page * PAGE_BYTES);
		// What it answers meanwhile may be a refusal, and nothing else than what was sent.
		const known = new Set(
			range(0, before + 40).map((number) => maker.messageId(number)),
		);
		const done = await send(b, maker, range(before, before + 40), {
			connections: 2,
		});
		const client = await b.imap(user, password).catch(() => undefined);
		const selected = await client?.ok("SELECT INBOX").catch(() => undefined);
		if (client !== undefined && selected !== undefined)
			for (const { messageId } of await client.list().catch(() => []))
				expect(known).toContain(messageId);
		client?.close();
		await until("b to say what was wrong", async () =>
			/damaged/.test(b.diary.slice(b.diary.lastIndexOf("--- "))),
		);
		const rest = range(before, before + 40).filter((n) => !done.includes(n));
		await sendAll(a, maker, rest);
		expectExactly(
			await settled(cluster.nodes, before + 40),
			maker,
			range(0, before + 40),
		);
		// In the same process: whoever started the node has nothing to do.
		expect(b.pid).toBe(pid);
		await b.converged();
		expect(await b.cli(["check"]), b.tail()).toMatchObject({ code: 0 });
	} finally {
		await cluster.close();
	}
}, 300_000);
