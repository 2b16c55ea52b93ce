/** Names of our protocols, and how a stream of one is opened in time. */
import type { Milliseconds } from "../ids.ts";
import type { Clock } from "../ports/clock.ts";

export const PROTOCOL = {
	/** Opened by the pair's leader: hello, acknowledgement, then the link's messages. */
	link: "/pmnode/link/1",
	/** Opened by the other node of the pair, to ask the leader for a link on this connection. */
	knock: "/pmnode/knock/1",
	/** Opened by the leader once the link is agreed. */
	heartbeat: "/pmnode/heartbeat/1",
	/** Opened by the leader once the link is agreed. */
	bodies: "/pmnode/bodies/1",
	/** Opened to a node that was removed for good, which is all that it says. */
	removed: "/pmnode/removed/1",
} as const;

/** `/pmnode/<name>/1`; throws RangeError for a name that is taken or unfit. */
export function requestProtocol(name: string): string {
	if (!/^[a-z][a-z0-9-]{0,30}$/.test(name) || name in PROTOCOL)
		throw new RangeError(`not a name for a request protocol: ${name}`);
	return `/pmnode/${name}/1`;
}

/**
 * Opens a stream; rejects when the other end does not agree to the protocol in time, or when the connection closes
 * meanwhile (which libp2p does not always notice).
 */
export async function openStream<S>(
	connection: {
		newStream(protocol: string, options: { signal: AbortSignal }): Promise<S>;
		addEventListener(type: "close", run: () => void): void;
		removeEventListener(type: "close", run: () => void): void;
	},
	protocol: string,
	clock: Clock,
	timeoutMilliseconds: Milliseconds,
): Promise<S> {
	const controller = new AbortController();
	const fail = (reason: string): void =>
		controller.abort(new Error(`${protocol}: ${reason}`));
	const lost = (): void => fail("connection lost");
	const cancel = clock.after(timeoutMilliseconds, () =>
		fail("no answer in time"),
	);
	connection.addEventListener("close", lost);
	try {
		return await connection.newStream(protocol, { signal: controller.signal });
	} finally {
		connection.removeEventListener("close", lost);
		cancel();
	}
}

/** The promise, or a rejection with `reason` after the time; whatever it settles to later is passed to `late`. */
export function within<T>(
	clock: Clock,
	timeoutMilliseconds: Milliseconds,
	reason: string,
	promise: Promise<T>,
	late: (value: T) => void = () => {},
): Promise<T> {
	return new Promise((resolve, reject) => {
		let over = false;
		const cancel = clock.after(timeoutMilliseconds, () => {
			over = true;
			reject(new Error(reason));
		});
		promise.then(
			(value) => {
				cancel();
				if (over) late(value);
				else resolve(value);
			},
			(error) => {
				cancel();
				reject(error);
			},
		);
	});
}
