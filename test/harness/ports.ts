/**
 * Ports that nodes of tests keep over their lives. None that a system gives to port 0 or to outgoing connections: while a
 * node is down, any program on a busy machine may be given its port, and the node cannot start again.
 */
import { createServer } from "node:net";

/** Below 32,768 (Linux) and 49,152 (others), above those of well-known services. */
const FIRST = 10_000;
const COUNT = 22_000;
/** Several processes run tests at once: each begins elsewhere. */
let next = (process.pid * 911) % COUNT;

/** A port of 127.0.0.1 on which nobody listens, and that was not given before here. */
export async function freePort(): Promise<number> {
	for (let tries = 0; tries < COUNT; tries++) {
		const port = FIRST + next;
		next = (next + 1) % COUNT;
		if (await isFree(port)) return port;
	}
	throw new Error("no port is free");
}

const isFree = (port: number): Promise<boolean> =>
	new Promise((resolve) => {
		const server = createServer();
		server.once("error", () => resolve(false));
		server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
	});
