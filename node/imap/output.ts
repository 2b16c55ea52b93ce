/**
 * What goes to a client. Texts are latin1 strings, one character an octet. Small writes are collected, so that the
 * answer of a command is few packets; producers ask `crowded` and wait in `room()`, so that a slow reader holds little.
 */
import type { Writable } from "node:stream";
import {
	IMAP_OUTPUT_BYTES_MAX,
	IMAP_STALL_MILLISECONDS_MAX,
} from "../../sync/limits.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import { Disconnected } from "./answer.ts";
import { turn } from "./turn.ts";

/** Collected before it is handed on, and produced before others get their turn. */
const CHUNK_BYTES = 64 * 1024;
/** Below this, copying octets into the text costs less than a write of their own. */
const COPY_BYTES_MAX = 16 * 1024;

export class Output {
	readonly #clock: Clock;
	#stream: Writable;
	#text = "";
	/** Octets produced since others last had their turn. */
	#run = 0;
	#closed = false;
	#wake: (() => void) | undefined;

	constructor(stream: Writable, clock: Clock) {
		this.#stream = stream;
		this.#clock = clock;
	}

	/** Goes on with another stream (TLS over the former one). The caller has flushed. */
	attach(stream: Writable): void {
		this.#stream = stream;
	}

	/** The stream has no more than `IMAP_OUTPUT_BYTES_MAX` waiting again. Called by whoever listens to it. */
	drained(): void {
		const wake = this.#wake;
		this.#wake = undefined;
		wake?.();
	}

	/** The client is gone: room() rejects from now on, writes go nowhere. */
	close(): void {
		this.#closed = true;
		this.#text = "";
		this.drained();
	}

	text(octets: string): void {
		this.#text += octets;
		if (this.#text.length >= CHUNK_BYTES) this.flush();
	}

	bytes(octets: Uint8Array): void {
		if (octets.length <= COPY_BYTES_MAX) {
			this.text(
				Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString(
					"latin1",
				),
			);
			return;
		}
		this.#stream.cork();
		this.flush();
		this.#write(octets);
		this.#stream.uncork();
	}

	flush(): void {
		if (this.#text === "") return;
		const text = this.#text;
		this.#text = "";
		this.#write(text);
	}

	/** Sockets take texts as they are, without a buffer being made of each. */
	#write(octets: Uint8Array | string): void {
		this.#run += octets.length;
		if (!this.#closed) this.#stream.write(octets, "latin1");
	}

	/** Time to await room() before producing more. */
	get crowded(): boolean {
		return this.#run >= CHUNK_BYTES || this.#closed;
	}

	/** Lets others have their turn, and waits until the client has read enough. Rejects with Disconnected. */
	async room(): Promise<void> {
		this.flush();
		this.#run = 0;
		if (!this.#closed && this.#stream.writableLength > IMAP_OUTPUT_BYTES_MAX)
			await this.#drain();
		else await turn();
		if (this.#closed) throw new Disconnected("the client has gone");
	}

	async #drain(): Promise<void> {
		let cancel = () => {};
		const watch = (waitingBytes: number) => {
			cancel = this.#clock.after(IMAP_STALL_MILLISECONDS_MAX, () => {
				const { writableLength } = this.#stream;
				if (writableLength < waitingBytes) watch(writableLength);
				else this.#stream.destroy();
			});
		};
		watch(this.#stream.writableLength);
		await new Promise<void>((resolve) => {
			this.#wake = resolve;
		});
		cancel();
	}
}
