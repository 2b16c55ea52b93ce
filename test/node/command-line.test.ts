/** The operator's interface as OPERATOR.md has it: exit statuses, one-line errors, a node's life. On real processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pmnode, startNode, type TestNode } from "../harness/node.ts";
import {
	type RunOptions,
	removeFolder,
	run,
	temporaryFolder,
} from "../harness/processes.ts";
import { until, within } from "../harness/until.ts";

const folder = temporaryFolder("command-line");
afterAll(() => removeFolder(folder));

const [program = "", ...main] = pmnode;
const cli = (args: readonly string[], options: RunOptions = {}) =>
	run(program, [...main, ...args], options);

/** One line for people, on stderr, and nothing on stdout. */
const oneLine = (result: { stdout: string; stderr: string }) => {
	expect(result.stdout).toBe("");
	expect(result.stderr).toMatch(/^pmnode: [^\n]+\n$/);
	return result.stderr;
};

describe("without a node", () => {
	test.each([
		[["statsu"], "unknown command 'statsu' (Did you mean status?)"],
		[["status", "--foo"], "unknown option '--foo'"],
		[["status", "extra"], "too many arguments"],
		[[], "a command is missing"],
		[["user"], "a command is missing"],
		[["user", "add"], "missing required argument 'address'"],
		[["user", "add", "anna", "--password-stdin"], "not a mail address"],
		[["invite", "--ttl", "5"], "such as 500ms, 60s, 5m or 1h"],
		[["start", "--smtp", "foo"], "it must be HOST:PORT"],
		[["start", "--copies", "0"], "a number from 1 to 64"],
		[["join"], "missing required argument 'peer'"],
	])("wrong usage: pmnode %j", async (args, words) => {
		const result = await cli(args, { cwd: folder });
		expect(result.code).toBe(2);
		expect(oneLine(result)).toContain(words);
	});

	test.each([
		"status",
		"invite",
		"user list",
		"domain list",
		"alias list",
		"remove x",
		"status --watch",
	])("pmnode %s says how to start one", async (command) => {
		const result = await cli([...command.split(" "), "--data", folder]);
		expect(result.code).toBe(1);
		expect(oneLine(result)).toBe(
			`pmnode: no node is running on ${folder}; start it with "pmnode start --data ${folder}"\n`,
		);
	});

	test("wait keeps to its time limit", async () => {
		const result = await cli(["wait", "--timeout", "200ms", "--data", folder]);
		expect(result.code).toBe(1);
		oneLine(result);
	});

	test.each(["drain", "undrain", "import imap://x", "queue list", "watch"])(
		"pmnode %s is not part of this version",
		async (command) => {
			const result = await cli(command.split(" "));
			expect(result.code).toBe(1);
			expect(oneLine(result)).toContain("is not part of this version; ");
		},
	);

	test("help and version are no errors", async () => {
		const help = await cli(["--help"]);
		expect(help).toMatchObject({ code: 0, stderr: "" });
		for (const command of ["start", "join", "invite", "wait", "demo", "sim"])
			expect(help.stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
		const start = await cli(["start", "--help"]);
		expect(start).toMatchObject({ code: 0, stderr: "" });
		for (const option of [
			"--submissions",
			"--tls-cert",
			"--log-format",
			"--data",
		])
			expect(start.stdout).toContain(option);
		expect(await cli(["--version"])).toMatchObject({
			code: 0,
			stdout: "pmnode 0.1.0\n",
		});
	});

	test("an unknown key in pmnode.toml, and a folder that is a file", async () => {
		const data = join(folder, "toml");
		mkdirSync(data);
		writeFileSync(join(data, "pmnode.toml"), 'smpt = "off"\n');
		const toml = await cli(["start", "--data", data]);
		expect(toml.code).toBe(2);
		expect(oneLine(toml)).toContain('has an unknown key "smpt"');
		const file = await cli(["start", "--data", join(data, "pmnode.toml")]);
		expect(file.code).toBe(1);
		oneLine(file);
	});
});

describe("a node", () => {
	let node: TestNode;
	beforeAll(async () => {
		node = await startNode({ name: "a" });
	});
	afterAll(() => node.close());

	test("says that it is ready, with every key of the contract", async () => {
		expect(node.ready).toMatchObject({
			node: { name: "a", state: "ready", version: "0.1.0", pid: node.pid },
			cluster: { members: 1, up: 1, converged: true },
			listeners: {
				dns: "off",
				imap: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
			},
			peers: [],
			mail: { accounts: 0, messages: 0, bodiesWithTooFewCopies: 0, queue: 0 },
		});
		expect(Object.keys(node.ready.listeners)).toHaveLength(8);
		const status = await node.ok(["status", "--json"]);
		expect(JSON.parse(status)).toMatchObject({
			listeners: node.ready.listeners,
		});
		expect(await node.ok(["status"])).toContain("node     a, ready");
		await node.ok(["wait"]);
		await node.ok(["wait", "--converged", "--timeout", "10s"]);
	});

	test("keeps everything to its user", () => {
		expect(statSync(node.data).mode & 0o777).toBe(0o700);
		for (const file of ["control.sock", "identity.key", "state.db"])
			expect(statSync(join(node.data, file)).mode & 0o077).toBe(0);
	});

	test("has its directory kept by commands", async () => {
		const refused = await node.cli(
			["user", "add", "anna@example.org", "--password-stdin"],
			{ input: "x\n" },
		);
		expect(refused.code).toBe(1);
		expect(oneLine(refused)).toContain("--create-domain");
		await node.addUser("Anna@example.org", "secret");
		await node.ok(["alias", "add", "info@example.org", "anna@example.org"]);
		await node.ok(["user", "passwd", "anna@example.org", "--password-stdin"], {
			input: "new\r\n",
		});
		expect(await node.ok(["user", "list"])).toBe("anna@example.org\n");
		expect(JSON.parse(await node.ok(["user", "list", "--json"]))).toEqual([
			{ address: "anna@example.org" },
		]);
		expect(await node.ok(["domain", "list"])).toBe("example.org\n");
		expect(await node.ok(["alias", "list"])).toBe(
			"info@example.org anna@example.org\n",
		);
		const empty = await node.cli([
			"user",
			"passwd",
			"anna@example.org",
			"--password-stdin",
		]);
		expect(empty.code).toBe(2);
		expect(oneLine(empty)).toContain("the password is empty");
		const client = await node.imap("anna@example.org", "new");
		await client.close();
	});

	test("prints a join link and nothing else", async () => {
		expect(await node.ok(["invite", "--ttl", "5m"])).toMatch(/^\S+\n$/);
	});

	test("its folder and its ports are its own", async () => {
		const folder = await cli(["start", "--data", node.data]);
		expect(folder.code).toBe(1);
		expect(oneLine(folder)).toContain(
			`in use by another process (pid ${node.pid})`,
		);
		const taken = createServer().listen(0, "127.0.0.1");
		await once(taken, "listening");
		const { port } = taken.address() as { port: number };
		const second = [
			"smtp",
			"submission",
			"submissions",
			"imap",
			"imaps",
			"http",
			"p2p",
		];
		for (const listener of ["smtp", "http", "p2p"]) {
			const options = second.flatMap((name) => [
				`--${name}`,
				`127.0.0.1:${name === listener ? port : 0}`,
			]);
			const result = await cli([
				"start",
				"--data",
				join(node.data, "second"),
				"--log-level",
				"error",
				...options,
			]);
			expect(result.code).toBe(1);
			expect(oneLine(result)).toContain(String(port));
		}
		taken.close();
		// Three nodes are started one after the other.
	}, 240_000);

	test("status --watch --json goes on until it is ended", async () => {
		const watch = spawn(
			program,
			[...main, "status", "--watch", "--json", "--data", node.data],
			{ stdio: ["ignore", "pipe", "inherit"] },
		);
		const lines = createInterface(watch.stdout)[Symbol.asyncIterator]();
		for (const _ of [1, 2]) {
			const { value } = await lines.next();
			expect(JSON.parse(value ?? "")).toMatchObject({ node: { name: "a" } });
		}
		watch.kill("SIGINT");
		expect(await once(watch, "exit")).toEqual([0, null]);
	});

	test("killed with -9 it starts again on the same ports, and ends in order", async () => {
		const before = node.ready;
		await node.restart("kill9");
		expect(node.ready.listeners).toEqual(before.listeners);
		expect(node.ready.node.id).toBe(before.node.id);
		expect(await node.ok(["user", "list"])).toBe("anna@example.org\n");
		expect(await node.stop(10_000)).toBe(0);
	});

	test("two signals at once are no accident", async () => {
		await node.start();
		const { pid } = node;
		process.kill(pid, "SIGTERM");
		process.kill(pid, "SIGINT");
		expect(await node.stop()).toBe(0);
	});

	test("a signal ends it also while it starts", async () => {
		const endEarly = async (): Promise<string[]> => {
			const child = spawn(program, [...main, "start", "--data", node.data], {
				stdio: ["ignore", "pipe", "ignore"],
			});
			const said: string[] = [];
			child.stdout.on("data", (text) => said.push(String(text)));
			const ended = once(child, "exit");
			await until(
				"the node to take its folder",
				() =>
					Number(readFileSync(join(node.data, "pid"), "utf8")) === child.pid,
				{ everyMilliseconds: 5 },
			);
			child.kill("SIGTERM");
			expect(await within("its end", 10_000, ended)).toEqual([0, null]);
			return said;
		};
		// One that was ready before it was this process's turn was no longer starting.
		let said = await endEarly();
		for (let more = 0; more < 4 && said.length > 0; more++)
			said = await endEarly();
		expect(said).toEqual([]);
	});

	test("of a demo, it ends when the demo is gone", async () => {
		const listeners = Object.keys(node.ready.listeners).flatMap((name) => [
			`--${name}`,
			name === "p2p" ? "127.0.0.1:0" : "off",
		]);
		const child = spawn(
			program,
			[...main, "start", "--data", node.data, ...listeners],
			{
				env: { ...process.env, PMNODE_END_WITH_STDIN: "1" },
				stdio: ["pipe", "pipe", "ignore"],
			},
		);
		await once(createInterface(child.stdout), "line");
		child.stdin.end();
		expect(await once(child, "exit")).toEqual([0, null]);
	});
});
