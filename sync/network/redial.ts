/** Dialling one peer over and over while it is wanted, with bounded back-off. */
import {
	DIAL_ROUNDS_MAX,
	REDIAL_MILLISECONDS_MAX,
	REDIAL_MILLISECONDS_MIN,
} from "../limits.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { PeerAddress } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import { DialFailed, DialRound } from "./dial.ts";
import type { DialOne, WireConnection } from "./transport.ts";

export interface RedialEvents {
	connected(connection: WireConnection): void;
	/** Nobody listens at any address: the process is gone. */
	refused(): void;
}

export class Redial {
	readonly #clock: Clock;
	readonly #random: Random;
	readonly #dialOne: DialOne;
	readonly #events: RedialEvents;
	readonly #firstMilliseconds: number;
	readonly #rounds = new Set<DialRound>();
	address: PeerAddress;
	#delayMilliseconds: number;
	#cancelTimer: Cancel | undefined;

	/** `firstMilliseconds`: how long even the first attempt waits. */
	constructor(
		parts: { clock: Clock; random: Random; dialOne: DialOne },
		address: PeerAddress,
		firstMilliseconds: number,
		events: RedialEvents,
	) {
		this.#firstMilliseconds = firstMilliseconds;
		this.#delayMilliseconds = firstMilliseconds;
		this.#clock = parts.clock;
		this.#random = parts.random;
		this.#dialOne = parts.dialOne;
		this.address = address;
		this.#events = events;
	}

	/** Dials from now on. Rounds overlap: after a silent cut a new attempt gets through long before an old one does. */
	start(): void {
		if (this.#cancelTimer === undefined) this.#schedule();
	}

	stop(): void {
		this.#cancelTimer?.();
		this.#cancelTimer = undefined;
		for (const round of this.#rounds) round.cancel();
	}

	/** The next attempt comes without back-off. Called after success that lasted, and when the address changed. */
	reset(): void {
		this.#delayMilliseconds = this.#firstMilliseconds;
	}

	#schedule(): void {
		const delay = this.#delayMilliseconds;
		this.#delayMilliseconds = Math.min(
			REDIAL_MILLISECONDS_MAX,
			Math.max(REDIAL_MILLISECONDS_MIN, 2 * delay),
		);
		const [draw = 0] = this.#random.bytes(1);
		const jitter = 0.5 + draw / 512;
		this.#cancelTimer = this.#clock.after(delay * jitter, () => {
			this.#schedule();
			// The oldest waits for TCP's longest pause; the new one begins with its shortest.
			const [oldest] = this.#rounds;
			if (this.#rounds.size >= DIAL_ROUNDS_MAX) oldest?.cancel();
			void this.#round();
		});
	}

	async #round(): Promise<void> {
		const round = new DialRound(this.#clock, this.#dialOne, this.address);
		this.#rounds.add(round);
		try {
			this.#events.connected(await round.connection);
		} catch (error) {
			if (!(error instanceof DialFailed)) throw error;
			if (error.refused) this.#events.refused();
		} finally {
			this.#rounds.delete(round);
		}
	}
}
