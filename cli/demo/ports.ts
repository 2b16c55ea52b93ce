/** Ports of the demo's nodes: friendly ones where they are free, else any. */
import { createServer } from "node:net";
import { LISTENER_NAMES, type ListenerName } from "../../node/status.ts";

/** Node a listens on the defaults, b and c on the same with another thousand. */
const FRIENDLY: Readonly<Partial<Record<ListenerName, number>>> = {
	smtp: 2525,
	submission: 2587,
	submissions: 2465,
	imap: 2143,
	imaps: 2993,
	http: 2080,
	p2p: 2401,
};

export type Listeners = Readonly<Record<ListenerName, string>>;

/** `listeners` as `pmnode start` takes them, for the node with this index. */
export async function friendlyListeners(index: number): Promise<Listeners> {
	const pairs = LISTENER_NAMES.map(async (name) => {
		const base = FRIENDLY[name];
		if (base === undefined) return [name, "off"] as const;
		const port = base + 1000 * index;
		return [name, `127.0.0.1:${(await isFree(port)) ? port : 0}`] as const;
	});
	return Object.fromEntries(await Promise.all(pairs)) as Listeners;
}

function isFree(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const probe = createServer();
		probe.once("error", () => resolve(false));
		probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
	});
}
