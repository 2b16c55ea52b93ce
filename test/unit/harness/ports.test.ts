import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { expect, it } from "vitest";
import { freePort } from "../../harness/ports.ts";

const RANGE_FILE = "/proc/sys/net/ipv4/ip_local_port_range";

it("ports of nodes are none that the system gives to others while a node is down", async () => {
	const first = existsSync(RANGE_FILE)
		? Number(readFileSync(RANGE_FILE, "utf8").split(/\s/)[0])
		: 49_152;
	const ports = new Set<number>();
	for (let i = 0; i < 100; i++) ports.add(await freePort());
	expect(ports.size).toBe(100);
	expect(Math.max(...ports)).toBeLessThan(first);
	expect(Math.min(...ports)).toBeGreaterThan(1_024);
});

it("one on which somebody listens is passed over", async () => {
	const taken = (await freePort()) + 1;
	const server = createServer();
	await new Promise<void>((resolve) =>
		server.listen(taken, "127.0.0.1", () => resolve()),
	);
	expect(await freePort()).not.toBe(taken);
	await new Promise((resolve) => server.close(resolve));
});
