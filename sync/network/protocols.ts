/** Names of our protocols, and how a stream of one is opened in time. */
import type { Milliseconds } from "../ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { WireConnection, WireStream } from "./transport.ts";

export const PROTOCOL = {
	/** Opened by the pair's leader: hello, acknowledgement, then the link's messages. */
	link: "/pmnode/link/1",
	/** Opened by the other node of the pair, to ask the leader for a link on this connection. */
	knock: "/pmnode/knock/1",
	/** Opened by the leader once the link is agreed. */
	heartbeat: "/pmnode/heartbeat/1",
	/** Opened by the leader once the link is agreed. */
	bodies: "/pmnode/bodies/1",
} as const;

/** `/pmnode/<name>/1`; throws RangeError for a name that is taken or unfit. */
export function requestProtocol(name: string): string {
	if (!/^[a-z][a-z0-9-]{0,30}$/.test(name) || name in PROTOCOL)
		throw new RangeError(`not a name for a request protocol: ${name}`);
	return `/pmnode/${name}/1`;
}

/** Opens a stream; rejects when the other end does not agree to the protocol in time. */
export async function openStream(
	connection: WireConnection,
	protocol: string,
	clock: Clock,
	timeoutMilliseconds: Milliseconds,
): Promise<WireStream> {
	const controller = new AbortController();
	const cancel = clock.after(timeoutMilliseconds, () =>
		controller.abort(new Error(`${protocol}: no answer in time`)),
	);
	try {
		return await connection.newStream(protocol, { signal: controller.signal });
	} finally {
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
