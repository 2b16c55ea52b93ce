import {
	mkdirSync,
	mkdtempSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lostText } from "../../../cli/command/wait.ts";
import { ask, askWithin } from "../../../node/control/client.ts";
import { startControl } from "../../../node/control.ts";
import { createLog } from "../../../node/log.ts";
import { realClock } from "../../../sync/real/clock.ts";
import { type FakeNode, fakeNode, STATUS } from "../fake-node.ts";

let dataDirectory: string;
let node: FakeNode;
let control: { stop(): Promise<void> };
const diary: string[] = [];

const start = () =>
	startControl({
		dataDirectory,
		node,
		clock: realClock,
		log: createLog({
			level: "debug",
			format: "json",
			stream: { write: (line) => diary.push(line) },
			clock: realClock,
		}),
		hashPassword: async (password) => `hash of ${password}`,
	});
const tell = (method: string, params: Record<string, unknown> = {}) =>
	ask({ dataDirectory, method, params });

beforeEach(async () => {
	dataDirectory = mkdtempSync(join(tmpdir(), "pmnode-control-"));
	node = fakeNode();
	control = await start();
});
afterEach(async () => {
	await control.stop();
	rmSync(dataDirectory, { recursive: true, force: true });
});

describe("the control socket", () => {
	test("is the user's own, and answers with the node's status", async () => {
		const mode = statSync(join(dataDirectory, "control.sock")).mode;
		expect(mode & 0o777).toBe(0o600);
		expect(await tell("status")).toEqual(STATUS);
	});

	test("is not there without a node", async () => {
		await control.stop();
		await expect(tell("status")).rejects.toThrow(
			`no node is running on ${dataDirectory}; start it with "pmnode start --data ${dataDirectory}"`,
		);
		control = await start();
		expect(await tell("status")).toEqual(STATUS);
	});

	test("replaces what a killed process left", async () => {
		await control.stop();
		writeFileSync(join(dataDirectory, "control.sock"), "");
		await expect(tell("status")).rejects.toThrow("no node is running");
		control = await start();
		expect(await tell("status")).toEqual(STATUS);
	});

	test("works in a folder whose path is too long for a socket", async () => {
		await control.stop();
		const top = dataDirectory;
		dataDirectory = join(top, "x".repeat(100), "y".repeat(100));
		mkdirSync(dataDirectory, { recursive: true });
		control = await start();
		expect(await tell("status")).toEqual(STATUS);
		expect(statSync(join(dataDirectory, "control.sock")).isSocket()).toBe(true);
		await control.stop();
		dataDirectory = top;
		control = await start();
	});

	test.each([
		["{}\n", "not a request"],
		["null\n", "not a request"],
		["nonsense\n", "not JSON"],
		['{"method":"fly","params":{}}\n', "does not know"],
		['{"method":"constructor","params":{}}\n', "does not know"],
		["x".repeat(1_100_000), "message too long"],
	])("survives nonsense %#", async (text, fault) => {
		const socket = connect(join(dataDirectory, "control.sock"));
		socket.on("error", () => {}); // it may close while we still write
		socket.write(text);
		let answer = "";
		for await (const chunk of socket) answer += String(chunk);
		expect(JSON.parse(answer)).toMatchObject({ usage: true });
		expect(answer).toContain(fault);
		expect(await tell("status")).toEqual(STATUS);
	});

	test("a failure inside is logged, and told in one line", async () => {
		diary.length = 0;
		node.replica.invite = () => Promise.reject(new TypeError("oops"));
		await expect(tell("invite", { ttlMilliseconds: 60_000 })).rejects.toThrow(
			"the node failed inside (oops); its log says more",
		);
		expect(diary.join("")).toContain("TypeError");
	});

	test("a node that does not answer is given up", async () => {
		node.replica.invite = () => new Promise(() => {});
		await expect(
			askWithin(50, realClock, {
				dataDirectory,
				method: "invite",
				params: { ttlMilliseconds: 60_000 },
			}),
		).rejects.toThrow("did not answer within 50 ms");
	});

	test("whoever waits hears when the node ends", async () => {
		node.show({ ...STATUS, node: { ...STATUS.node, state: "joining" } });
		const waiting = tell("wait");
		const outcome = expect(waiting).rejects.toThrow("ended before it answered");
		await tell("status"); // by then it has been asked
		await control.stop();
		await outcome;
		control = await start();
	});
});

describe("what it can be asked", () => {
	test("users", async () => {
		const anna = { address: "Anna@Example.ORG", password: "secret" };
		await expect(tell("user.add", anna)).rejects.toThrow(
			'there is no domain example.org; add it with "pmnode domain add example.org", or give --create-domain',
		);
		await tell("user.add", { ...anna, createDomain: true });
		await expect(tell("user.add", anna)).rejects.toThrow("exists already");
		expect(await tell("user.list")).toEqual(["anna@example.org"]);
		expect(await tell("domain.list")).toEqual(["example.org"]);
		const { directory } = node.replica;
		const account = directory.users()[0]?.account;
		const hash = () => account && directory.passwordHash(account);
		expect(hash()).toBe("hash of secret");
		await tell("user.passwd", { ...anna, password: "new" });
		expect(hash()).toBe("hash of new");
		await expect(
			tell("domain.remove", { domain: "example.org" }),
		).rejects.toThrow("still has users such as anna@example.org");
		await tell("user.remove", { address: "anna@example.org" });
		await expect(
			tell("user.passwd", { address: "anna@example.org", password: "x" }),
		).rejects.toThrow("there is no user anna@example.org");
		await tell("domain.remove", { domain: "example.org" });
		expect(await tell("domain.list")).toEqual([]);
	});

	test("quota", async () => {
		const address = "anna@example.org";
		const password = "secret";
		await tell("user.add", { address, password, createDomain: true });
		const held = { storageBytes: 1536, messages: 7 };
		const quota = (limits: object) =>
			tell("user.quota", { address, ...limits });
		expect(await quota({})).toEqual({
			...held,
			storageBytesMax: null,
			messagesMax: null,
		});
		expect(await quota({ storageBytesMax: 1e9 })).toMatchObject({
			storageBytesMax: 1e9,
			messagesMax: null,
		});
		expect(await quota({ messagesMax: 10 })).toMatchObject({
			storageBytesMax: 1e9,
			messagesMax: 10,
		});
		expect(await quota({ storageBytesMax: null })).toMatchObject({
			storageBytesMax: null,
			messagesMax: 10,
		});
		for (const storageBytesMax of [0, -1, 1.5, "1G", 1e300])
			await expect(quota({ storageBytesMax })).rejects.toThrow(
				"a quota is a size",
			);
		await expect(
			tell("user.quota", { address: "eve@example.org" }),
		).rejects.toThrow("there is no user eve@example.org");
		await tell("user.remove", { address });
		await tell("domain.remove", { domain: "example.org" });
	});

	test.each([
		["user.add", { address: "anna", password: "x" }, "not a mail address"],
		["user.add", { address: "a@b.c", password: "" }, "password is missing"],
		[
			"user.add",
			{ address: "a@b.c", createDomain: true, password: "x".repeat(1025) },
			"longer than 1024 bytes",
		],
		["domain.add", { domain: "a b" }, "not a domain"],
		["domain.add", {}, "domain is missing"],
		["invite", { ttlMilliseconds: 5 }, "--ttl must be from 1s"],
		["invite", { ttlMilliseconds: 1e12 }, "--ttl must be from 1s"],
		["remove", { node: 7 }, "node is missing"],
	])("%s refuses: %#", async (method, params, words) => {
		await expect(tell(method, params)).rejects.toMatchObject({
			name: "WrongUsage",
			message: expect.stringContaining(words),
		});
	});

	test("aliases", async () => {
		await tell("domain.add", { domain: "example.org" });
		const alias = { alias: "info@example.org", target: "anna@example.org" };
		await tell("alias.add", alias);
		expect(await tell("alias.list")).toEqual([alias]);
		await expect(
			tell("alias.add", { ...alias, alias: "info@other.org" }),
		).rejects.toThrow("there is no domain other.org");
		await tell("alias.remove", { alias: "info@example.org" });
		await expect(
			tell("alias.remove", { alias: "info@example.org" }),
		).rejects.toThrow("there is no alias");
	});

	test("invite and remove", async () => {
		expect(await tell("invite", { ttlMilliseconds: 3_600_000 })).toBe(
			"pmnode:link",
		);
		await tell("remove", { node: "c" });
		await expect(tell("remove", { node: "z" })).rejects.toThrow(
			"there is no node z",
		);
		expect(node.calls).toEqual(["invite 3600000", "remove c"]);
	});

	test("wait ends when the node is ready, or converged", async () => {
		const show = (state: "joining" | "ready", converged: boolean) =>
			node.show({
				...STATUS,
				node: { ...STATUS.node, state },
				cluster: { ...STATUS.cluster, converged },
			});
		show("joining", false);
		let done = "";
		const ready = tell("wait").then(() => {
			done += "ready ";
		});
		const converged = tell("wait", { converged: true }).then(() => {
			done += "converged";
		});
		await tell("status"); // both have been asked before this is answered
		show("ready", false);
		await ready;
		await tell("status"); // the other has had time to be wrong
		expect(done).toBe("ready ");
		show("ready", true);
		await converged;
		expect(done).toBe("ready converged");
	});

	test("wait ends although bodies are lost, and tells how many", async () => {
		node.show({ ...STATUS, mail: { ...STATUS.mail, lostBodies: 2 } });
		const result = await tell("wait", { converged: true });
		expect(result).toEqual({ lostBodies: 2 });
		expect(lostText(result)).toMatch(
			/^converged, but for the bodies of 2 messages.*pmnode check/,
		);
		node.show(STATUS);
		expect(lostText(await tell("wait", { converged: true }))).toBeUndefined();
		// An earlier release.
		expect(lostText(null)).toBeUndefined();
	});

	test("watch shows each change, until nobody looks", async () => {
		const quit = new AbortController();
		const seen: number[] = [];
		const watching = ask({
			dataDirectory,
			method: "watch",
			signal: quit.signal,
			onItem: (item) => {
				const { messages } = (item as typeof STATUS).mail;
				seen.push(messages);
				if (seen.length === 1)
					node.show({ ...STATUS, mail: { ...STATUS.mail, messages: 7 } });
				if (messages === 7) quit.abort(new Error("seen enough"));
			},
		});
		await expect(watching).rejects.toThrow("seen enough");
		expect(seen).toEqual([1042, 7]);
	});
});
