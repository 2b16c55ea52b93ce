/** Reaching one peer at one of its addresses: the first connection wins, the other attempts are called off. */
import {
	DIAL_MILLISECONDS_MAX,
	DIAL_STAGGER_MILLISECONDS,
	PEER_ADDRESSES_MAX,
} from "../limits.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { PeerAddress } from "../ports/network.ts";
import type { DialOne, WireConnection } from "./transport.ts";

/** No address answered. `refused`: at each of them nobody listens, so the process is gone. */
export class DialFailed extends Error {
	override name = "DialFailed";
	readonly refused: boolean;
	constructor(message: string, refused: boolean) {
		super(message);
		this.refused = refused;
	}
}

const isRefused = (error: unknown): boolean =>
	(error as NodeJS.ErrnoException | undefined)?.code === "ECONNREFUSED";

interface Attempt {
	readonly controller: AbortController;
	readonly cancelTimer: Cancel;
}

/** One round of attempts at all addresses of a peer, `DIAL_STAGGER_MILLISECONDS` apart. */
export class DialRound {
	readonly #dialOne: DialOne;
	readonly #clock: Clock;
	readonly #addresses: string[];
	readonly #attempts = new Set<Attempt>();
	readonly #errors: unknown[] = [];
	#cancelNext: Cancel = () => {};
	#over = false;
	#resolve: (connection: WireConnection) => void = () => {};
	#reject: (error: DialFailed) => void = () => {};
	/** Rejects with DialFailed. */
	readonly connection: Promise<WireConnection>;

	constructor(clock: Clock, dialOne: DialOne, peer: PeerAddress) {
		this.#clock = clock;
		this.#dialOne = dialOne;
		this.#addresses = peer.multiaddrs
			.slice(0, PEER_ADDRESSES_MAX)
			.map((address) => `${address}/p2p/${peer.node}`);
		this.connection = new Promise((resolve, reject) => {
			this.#resolve = resolve;
			this.#reject = reject;
		});
		this.#next();
	}

	cancel(): void {
		this.#fail("called off");
	}

	#next(): void {
		this.#cancelNext();
		if (this.#over) return;
		const address = this.#addresses.shift();
		if (address !== undefined) {
			void this.#attempt(address);
			if (this.#addresses.length > 0)
				this.#cancelNext = this.#clock.after(DIAL_STAGGER_MILLISECONDS, () =>
					this.#next(),
				);
		} else if (this.#attempts.size === 0) {
			const last = this.#errors.at(-1) as Error | undefined;
			this.#fail(last?.message ?? "no address known");
		}
	}

	async #attempt(address: string): Promise<void> {
		const controller = new AbortController();
		const attempt = {
			controller,
			cancelTimer: this.#clock.after(DIAL_MILLISECONDS_MAX, () =>
				controller.abort(new Error(`no answer from ${address}`)),
			),
		};
		this.#attempts.add(attempt);
		try {
			const connection = await this.#dialOne(address, controller.signal);
			this.#settle(attempt);
			if (this.#over) connection.abort(new Error("another attempt won"));
			else {
				this.#end();
				this.#resolve(connection);
			}
		} catch (error) {
			this.#settle(attempt);
			this.#errors.push(error);
			this.#next();
		}
	}

	/** The signal must never fire after success: it would take the connection's socket down. */
	#settle(attempt: Attempt): void {
		attempt.cancelTimer();
		this.#attempts.delete(attempt);
	}

	#fail(reason: string): void {
		if (this.#over) return;
		const refused = this.#errors.length > 0 && this.#errors.every(isRefused);
		this.#end();
		this.#reject(new DialFailed(reason, refused));
	}

	#end(): void {
		this.#over = true;
		this.#cancelNext();
		for (const { controller, cancelTimer } of this.#attempts) {
			cancelTimer();
			controller.abort(new Error("called off"));
		}
	}
}
