/**
 * A libp2p stream as whole messages with back-pressure that holds, both ways. Knows the traps of the stream: `send`
 * has no bound of its own, small writes are slow, `pause()` within a `message` event is undone, `end` never comes
 * while paused.
 */
import type { StreamMessageEvent } from "@libp2p/interface";
import {
	LINK_HIGH_WATER_BYTES,
	LINK_READ_BUFFER_BYTES,
	LINK_WRITE_BYTES,
} from "../limits.ts";
import { type Frame, FrameReader, frameHeader } from "./frames.ts";
import type { WireStream } from "./transport.ts";
import { updateWindowRarely } from "./window.ts";

export interface FrameConsumer {
	/** One at a time; the next waits while the promise is pending. A rejection closes the stream with its error. */
	frame(frame: Frame): void | Promise<void>;
	/** What was queued has gone down, after send() returned false. */
	drain(): void;
	/** Once, at the end; undefined when the other end closed in order, after all its frames. */
	closed(error: Error | undefined): void;
}

export class FramedStream {
	readonly #stream: WireStream;
	readonly #reader: FrameReader;
	readonly #heard: () => void;
	#inbox: Frame[] = [];
	#inboxBytes = 0;
	#outbox: Uint8Array[] = [];
	#outboxBytes = 0;
	/** Cancels the flush at the end of this turn. */
	#flushing: (() => void) | undefined;
	#drainWanted = false;
	#consumer: FrameConsumer | undefined;
	#pumping = false;
	/** The other end is done; `closed` follows when the inbox is empty. */
	#ended = false;
	#closed = false;
	#error: Error | undefined;

	/** `heard` runs for everything that arrives, before it is looked at. */
	constructor(
		stream: WireStream,
		payloadBytesMax: number,
		heard: () => void = () => {},
	) {
		this.#stream = stream;
		updateWindowRarely(stream);
		this.#reader = new FrameReader(payloadBytesMax);
		this.#heard = heard;
		stream.addEventListener("message", (event) => this.#received(event));
		stream.addEventListener("drain", () => this.#flush());
		stream.addEventListener("end", () => this.#end());
		stream.addEventListener("close", (event) => {
			if (event.error !== undefined) this.#finish(event.error);
			else if (stream.readBufferLength === 0) this.#end();
		});
		if (stream.status !== "open") this.#finish(new Error("stream closed"));
	}

	/** Bytes taken by send() that the transport has not. */
	get queuedBytes(): number {
		return this.#outboxBytes + this.#stream.writeBufferLength;
	}

	get closed(): boolean {
		return this.#closed;
	}

	/** Takes the frame; false when the caller should wait for `drain`, or when the stream is closed. */
	send(kind: number, payload: Uint8Array): boolean {
		if (this.#closed) return false;
		const header = frameHeader(kind, payload.byteLength);
		this.#outbox.push(header, payload);
		this.#outboxBytes += header.byteLength + payload.byteLength;
		this.#flushing ??= this.#atEndOfTurn(() => this.#flush());
		if (this.queuedBytes < LINK_HIGH_WATER_BYTES) return true;
		this.#drainWanted = true;
		return false;
	}

	/** From now on frames go there, those that have already come first. */
	consume(consumer: FrameConsumer): void {
		this.#consumer = consumer;
		if (this.#closed) queueMicrotask(() => consumer.closed(this.#error));
		else this.#pump();
	}

	/** The next frame, for handshakes. Rejects when the stream ends before. */
	next(): Promise<Frame> {
		return new Promise((resolve, reject) => {
			this.consume({
				frame: (frame) => {
					this.#consumer = undefined;
					resolve(frame);
				},
				drain: () => {},
				closed: (error) =>
					reject(error ?? new Error("closed by the other end")),
			});
		});
	}

	/** Sends what is queued, then closes this end. The other end's frames still come. */
	async end(): Promise<void> {
		this.#flush();
		while (this.#outboxBytes > 0 && !this.#closed)
			await this.#event("drain").then(() => this.#flush());
		await this.#stream.close();
	}

	/** Ends both directions at once; what is queued is lost. The consumer is told. */
	abort(error: Error): void {
		if (this.#stream.status === "open" || this.#stream.status === "closing")
			this.#stream.abort(error);
		this.#finish(error);
	}

	#received(event: StreamMessageEvent): void {
		this.#heard();
		try {
			if (event.data instanceof Uint8Array) this.#reader.push(event.data);
			else for (const chunk of event.data) this.#reader.push(chunk);
			for (;;) {
				const frame = this.#reader.next();
				if (frame === undefined) break;
				this.#inbox.push(frame);
				this.#inboxBytes += frame.payload.byteLength;
			}
		} catch (error) {
			this.abort(error as Error);
			return;
		}
		this.#pump();
		// Within the event the stream would take up reading again.
		if (this.#inboxBytes > LINK_READ_BUFFER_BYTES)
			queueMicrotask(() => this.#hold());
	}

	#hold(): void {
		if (
			this.#inboxBytes > LINK_READ_BUFFER_BYTES &&
			this.#stream.readStatus === "readable"
		)
			this.#stream.pause();
	}

	#pump(): void {
		if (!this.#pumping) void this.#deliver();
	}

	async #deliver(): Promise<void> {
		this.#pumping = true;
		try {
			while (this.#inbox.length > 0 && this.#consumer && !this.#closed) {
				const frame = this.#inbox.shift() as Frame;
				this.#inboxBytes -= frame.payload.byteLength;
				const done = this.#consumer.frame(frame);
				if (done !== undefined) await done;
				if (
					this.#inboxBytes <= LINK_READ_BUFFER_BYTES / 2 &&
					this.#stream.readStatus === "paused"
				)
					this.#stream.resume();
			}
		} catch (error) {
			this.abort(error as Error);
		} finally {
			this.#pumping = false;
		}
		if (this.#ended && this.#inbox.length === 0) this.#finish(undefined);
	}

	/** What is sent within one turn goes out together. */
	#atEndOfTurn(run: () => void): () => void {
		const { endOfTurn } = this.#stream;
		if (endOfTurn === undefined) {
			const immediate = setImmediate(run);
			return () => clearImmediate(immediate);
		}
		let due: (() => void) | undefined = run;
		endOfTurn(() => due?.());
		return () => {
			due = undefined;
		};
	}

	#flush(): void {
		this.#flushing?.();
		this.#flushing = undefined;
		try {
			while (
				this.#outbox.length > 0 &&
				!this.#closed &&
				!this.#stream.writableNeedsDrain
			)
				this.#stream.send(this.#batch());
		} catch (error) {
			this.abort(error as Error);
			return;
		}
		if (this.#drainWanted && this.queuedBytes < LINK_HIGH_WATER_BYTES / 2) {
			this.#drainWanted = false;
			this.#consumer?.drain();
		}
	}

	/** Queued frames as one write of about LINK_WRITE_BYTES. */
	#batch(): Uint8Array {
		let bytes = 0;
		let count = 0;
		while (count < this.#outbox.length && bytes < LINK_WRITE_BYTES)
			bytes += (this.#outbox[count++] as Uint8Array).byteLength;
		this.#outboxBytes -= bytes;
		return Buffer.concat(this.#outbox.splice(0, count), bytes);
	}

	#end(): void {
		this.#ended = true;
		if (this.#inbox.length === 0 && !this.#pumping) this.#finish(undefined);
	}

	#finish(error: Error | undefined): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#error = error;
		this.#inbox = [];
		this.#inboxBytes = 0;
		this.#outbox = [];
		this.#outboxBytes = 0;
		this.#flushing?.();
		this.#flushing = undefined;
		this.#consumer?.closed(error);
	}

	#event(name: "drain"): Promise<void> {
		return new Promise((resolve) => {
			const done = (): void => {
				this.#stream.removeEventListener(name, done);
				this.#stream.removeEventListener("close", done);
				resolve();
			};
			this.#stream.addEventListener(name, done);
			this.#stream.addEventListener("close", done);
		});
	}
}
