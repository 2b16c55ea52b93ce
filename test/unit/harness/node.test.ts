import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { endpoint, TestNode } from "../../harness/node.ts";
import { removeFolder, temporaryFolder } from "../../harness/processes.ts";
import { until } from "../../harness/until.ts";

/** The harness against a program that plays a node. */
const folders: string[] = [];
afterEach(() => {
	for (const folder of folders.splice(0)) removeFolder(folder);
});

function actor(script: string): TestNode {
	const folder = temporaryFolder("actor");
	folders.push(folder);
	const program = join(folder, "actor.mjs");
	writeFileSync(program, script);
	return new TestNode({
		name: "actor",
		data: join(folder, "data"),
		program: [process.execPath, program],
	});
}
const alive = (pid: number): boolean => {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
};

const ready = `
process.stdout.write("ready " + JSON.stringify({ listeners: { imap: "127.0.0.1:4143", smtp: "[::1]:4025" }, arguments: process.argv.slice(2) }) + "\\n");
setInterval(() => {}, 1000);
`;

test("starts, knows the listeners, stops with the exit status, and takes the same ports again", async () => {
	const node = actor(`process.on("SIGTERM", () => process.exit(0)); ${ready}`);
	await node.start();
	expect(node.listener("imap")).toEqual({ host: "127.0.0.1", port: 4143 });
	expect(node.listener("smtp")).toEqual({ host: "::1", port: 4025 });
	const { pid } = node;
	await node.restart();
	expect(alive(pid)).toBe(false);
	const { arguments: given } = node.ready as unknown as { arguments: string[] };
	expect(given[given.indexOf("--imap") + 1]).toBe("127.0.0.1:4143");
	expect(await node.stop()).toBe(0);
	await node.close();
});

test("a node that ends before it is ready is reported with its status and what it said", async () => {
	const node = actor(
		`process.stderr.write("the port is taken\\n"); process.exitCode = 3;`,
	);
	await expect(node.start()).rejects.toThrow(
		/ended with 3[\s\S]*the port is taken/,
	);
});

test("a node that does not heed SIGTERM is reported, and killed all the same", async () => {
	const node = actor(`process.on("SIGTERM", () => {}); ${ready}`);
	await node.start();
	const { pid } = node;
	await expect(node.stop(200)).rejects.toThrow("to end after SIGTERM");
	expect(alive(pid)).toBe(false);
});

test("a frozen node can still be killed", async () => {
	const node = actor(ready);
	await node.start();
	node.freeze();
	await node.kill9();
	expect(node.exit).toEqual({ code: null, signal: "SIGKILL" });
});

test("until says what it waited for and what it saw last", async () => {
	await expect(
		until("the moon", () => Promise.reject(new Error("clouds")), {
			timeoutMilliseconds: 50,
		}),
	).rejects.toThrow("waited 50 ms for: the moon; seen last: clouds");
	let asked = 0;
	expect(await until("three", () => ++asked === 3 && asked)).toBe(3);
});

test("addresses of both families are read", () => {
	expect(endpoint("[::1]:25")).toEqual({ host: "::1", port: 25 });
});
