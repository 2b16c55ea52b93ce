/** `pmnode demo` as somebody who tries pmnode meets it: as a process, without a terminal. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { afterEach, expect, test } from "vitest";
import { ImapClient } from "../harness/imap-client.ts";
import { endpoint, pmnode, type Status } from "../harness/node.ts";
import { spawnOwned } from "../harness/processes.ts";
import { until, within } from "../harness/until.ts";

const isAlive = (pid: number): boolean => {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
};

let running: ChildProcess | undefined;
afterEach(() => running?.kill("SIGKILL")); // its nodes end by themselves then

test("three nodes, mail on each, a node killed and started again, and an end that leaves nothing", async () => {
	const [program = "", ...main] = pmnode;
	const demo = spawnOwned(program, [...main, "demo"], {
		stdio: ["pipe", "pipe", "ignore"],
	});
	running = demo;
	const lines: string[] = [];
	if (demo.stdout === null) throw new Error("no stdout");
	createInterface(demo.stdout).on("line", (line) => lines.push(line));
	const shown = (pattern: RegExp) =>
		until(`${pattern}`, () => lines.find((line) => pattern.test(line)), {
			timeoutMilliseconds: 60_000,
			abortedBy: () =>
				demo.exitCode === null ? undefined : new Error(lines.join("\n")),
			seen: () => lines.slice(-5).join("\n"),
		});

	await shown(/^a ready, b ready, c ready \| \d\d messages \| converged$/);
	const nodes = lines
		.filter((line) => line.startsWith("ready "))
		.map((line) => JSON.parse(line.slice(6)) as Status);
	expect(nodes.map(({ node }) => node.name)).toEqual(["a", "b", "c"]);
	const account = lines.flatMap(
		(line) => /user (\S+@\S+) +password (\S+)/.exec(line)?.slice(1) ?? [],
	);
	const [user = "", password = ""] = account;
	const counts = await Promise.all(
		nodes.map(async ({ listeners }) => {
			const client = await ImapClient.connect(endpoint(listeners.imap ?? ""));
			await client.login(user, password);
			const { MESSAGES } = await client.mailboxStatus("INBOX");
			await client.logout();
			return MESSAGES;
		}),
	);
	expect(counts[0]).toBeGreaterThan(5);
	expect(new Set(counts).size).toBe(1);

	const killed = /kill -9 (\d+)/.exec(await shown(/kill -9/))?.[1];
	process.kill(Number(killed), "SIGKILL");
	await shown(/^node b has ended by SIGKILL/);
	demo.stdin?.write("s b\n");
	const restarted = await shown(/^node b is ready again, pid \d+$/);

	// As a terminal and npm do: the same signal twice.
	demo.kill("SIGINT");
	demo.kill("SIGINT");
	const [code] = await within(
		"the end of the demo",
		20_000,
		once(demo, "exit"),
	);
	expect(code).toBe(0);
	const pids = [
		...nodes.map(({ node }) => node.pid),
		Number(/pid (\d+)/.exec(restarted)?.[1]),
	];
	expect(pids.filter(isAlive)).toEqual([]);
	const folder = /starting three nodes in (\S+)/.exec(lines.join("\n"))?.[1];
	expect(existsSync(folder ?? "/")).toBe(false);
}, 120_000);
