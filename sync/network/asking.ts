/** Questions of this node to others: over the link where there is one, else over a connection that is made for it. */
import { Temporary } from "../faults.ts";
import type { Milliseconds } from "../ids.ts";
import { REQUEST_BYTES_MAX } from "../limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { PeerAddress } from "../ports/network.ts";
import { DialRound } from "./dial.ts";
import { requestProtocol, within } from "./protocols.ts";
import { ask } from "./requests.ts";
import type { Transport, WireConnection } from "./transport.ts";

export interface AskingOptions {
	readonly clock: Clock;
	readonly dialOne: Transport["dialOne"];
	/** The connection of the link to that node. */
	readonly linked: (to: PeerAddress) => WireConnection | undefined;
	/** Whether the connection serves for more than a question. */
	readonly isKept: (to: PeerAddress, connection: WireConnection) => boolean;
}

export class Asking {
	readonly #options: AskingOptions;
	readonly #connections = new Set<WireConnection>();

	constructor(options: AskingOptions) {
		this.#options = options;
	}

	/** Whether an answer is waited for on this connection. */
	uses(connection: WireConnection): boolean {
		return this.#connections.has(connection);
	}

	/** As Network.request(). */
	async request(
		to: PeerAddress,
		protocol: string,
		body: Uint8Array,
		timeoutMilliseconds: Milliseconds,
	): Promise<Uint8Array> {
		if (body.byteLength > REQUEST_BYTES_MAX)
			throw new RangeError(
				`a question of ${body.byteLength} bytes, at most ${REQUEST_BYTES_MAX} are allowed`,
			);
		const name = requestProtocol(protocol);
		const { clock, linked, isKept } = this.#options;
		const start = clock.monotonic();
		const connection =
			linked(to) ?? (await this.#dial(to, timeoutMilliseconds));
		const left = timeoutMilliseconds - (clock.monotonic() - start);
		this.#connections.add(connection);
		try {
			return await ask(connection, name, body, clock, left);
		} finally {
			this.#connections.delete(connection);
			if (!isKept(to, connection)) connection.abort(new Error("answered"));
		}
	}

	async #dial(
		to: PeerAddress,
		timeoutMilliseconds: Milliseconds,
	): Promise<WireConnection> {
		const { clock, dialOne } = this.#options;
		const round = new DialRound(clock, dialOne, to);
		try {
			return await within(
				clock,
				timeoutMilliseconds,
				"no answer in time",
				round.connection,
			);
		} catch (error) {
			round.cancel();
			const reason = (error as Error).message.split("\n")[0];
			throw new Temporary(`cannot reach ${to.node}: ${reason}`);
		}
	}
}
