/** What a client sent and nobody has read yet: lines and literals out, with a bound, back-pressure and no copies of large literals. */
import { IMAP_INPUT_BYTES_MAX } from "../../sync/limits.ts";
import { Bye, Disconnected } from "./answer.ts";

const NOTHING = Buffer.alloc(0);
const LF = 0x0a;
const CR = 0x0d;

export interface InputOptions {
	/** Stop and go on reading from the socket. */
	readonly pause: () => void;
	readonly resume: () => void;
	/** Runs before waiting for the client: it must have got all answers by then. */
	readonly beforeWait: () => void;
}

export class Input {
	#buffer: Buffer = NOTHING;
	/** Octets at the start of #buffer that hold no line feed. */
	#scanned = 0;
	#paused = false;
	/** Set: nothing more is to be had. */
	#failure: Error | undefined;
	#wake: (() => void) | undefined;
	#waits = 0;
	readonly #options: InputOptions;

	constructor(options: InputOptions) {
		this.#options = options;
	}

	/** Octets that came and were not taken. */
	get bufferedBytes(): number {
		return this.#buffer.length;
	}

	/** True while nothing can be done before the client sends more. */
	get waiting(): boolean {
		return this.#wake !== undefined;
	}

	/** How often the client had to be waited for. */
	get waits(): number {
		return this.#waits;
	}

	feed(chunk: Buffer): void {
		this.#buffer =
			this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
		if (this.#wake !== undefined) this.#wakeUp();
		else if (this.#buffer.length >= IMAP_INPUT_BYTES_MAX && !this.#paused) {
			this.#paused = true;
			this.#options.pause();
		}
	}

	/** No more will come. What came can still be taken; then, and for whoever waits now, it is Disconnected. */
	end(): void {
		this.interrupt(new Disconnected("the client has gone"));
	}

	/** Whoever waits for the client, now or later, gets `failure`. */
	interrupt(failure: Error): void {
		this.#failure ??= failure;
		this.#wakeUp();
	}

	/** Throws away what came (before STARTTLS: it may be an attacker's, RFC 3501 §6.2.1). */
	discard(): void {
		this.#buffer = NOTHING;
		this.#scanned = 0;
	}

	/** Takes all that came. */
	takeAll(): Buffer {
		const all = this.#buffer;
		this.discard();
		return all;
	}

	/** The next line without its line break (a bare LF is taken for one). Bye when it is longer than `bytesMax`. */
	async line(bytesMax: number): Promise<Buffer> {
		for (;;) {
			const line = this.takeLine(bytesMax);
			if (line !== undefined) return line;
			await this.#more();
		}
	}

	/** The same, undefined when it has not come whole. */
	takeLine(bytesMax: number): Buffer | undefined {
		const end = this.#buffer.indexOf(LF, this.#scanned);
		if ((end < 0 ? this.#buffer.length : end) > bytesMax)
			throw new Bye("Command line is too long", "TOOBIG");
		if (end < 0) {
			this.#scanned = this.#buffer.length;
			return undefined;
		}
		const length = end > 0 && this.#buffer[end - 1] === CR ? end - 1 : end;
		const line = this.#buffer.subarray(0, length);
		this.#drop(end + 1);
		return line;
	}

	/** The next octets of a literal, at least 1, at most `bytesMax`. */
	async some(bytesMax: number): Promise<Buffer> {
		while (this.#buffer.length === 0) await this.#more();
		const chunk = this.#buffer.subarray(0, bytesMax);
		this.#drop(chunk.length);
		return chunk;
	}

	/** Exactly `sizeBytes` octets; the caller bounds them. */
	async exactly(sizeBytes: number): Promise<Buffer> {
		const chunks: Buffer[] = [];
		for (let left = sizeBytes; left > 0; ) {
			const chunk = await this.some(left);
			chunks.push(chunk);
			left -= chunk.length;
		}
		return chunks.length === 1 && chunks[0] !== undefined
			? chunks[0]
			: Buffer.concat(chunks);
	}

	async skip(sizeBytes: number): Promise<void> {
		for (let left = sizeBytes; left > 0; )
			left -= (await this.some(left)).length;
	}

	#drop(count: number): void {
		this.#scanned = 0;
		this.#buffer =
			count === this.#buffer.length ? NOTHING : this.#buffer.subarray(count);
	}

	#more(): Promise<void> {
		if (this.#failure !== undefined) return Promise.reject(this.#failure);
		this.#waits++;
		this.#options.beforeWait();
		if (this.#paused) {
			this.#paused = false;
			this.#options.resume();
		}
		return new Promise<void>((resolve) => {
			this.#wake = resolve;
		});
	}

	#wakeUp(): void {
		const wake = this.#wake;
		this.#wake = undefined;
		wake?.();
	}
}
