/** A libp2p stream as a Node Duplex, for the body store's replication. Back-pressure holds both ways. */
import { Duplex } from "node:stream";
import { LINK_READ_BUFFER_BYTES } from "../limits.ts";
import type { WireStream } from "./transport.ts";
import { updateWindowRarely } from "./window.ts";

const noError = (error: unknown): Error =>
	error instanceof Error ? error : new Error(String(error));

type Written = (error: Error | null | undefined) => void;

class StreamDuplex extends Duplex {
	readonly #stream: WireStream;
	readonly #heard: () => void;
	#ended = false;
	#lifting: NodeJS.Immediate | undefined;

	constructor(stream: WireStream, heard: () => void) {
		super({
			readableHighWaterMark: LINK_READ_BUFFER_BYTES,
			writableHighWaterMark: LINK_READ_BUFFER_BYTES,
		});
		this.#stream = stream;
		this.#heard = heard;
		updateWindowRarely(stream);
		stream.addEventListener("message", (event) => {
			if (event.data instanceof Uint8Array) this.#take([event.data]);
			else this.#take(event.data);
		});
		stream.addEventListener("end", () => this.#end());
		stream.addEventListener("close", (event) => {
			if (event.error !== undefined) this.destroy(event.error);
			else if (stream.readBufferLength === 0) this.#end();
		});
		if (stream.readableEnded) this.#end();
	}

	#take(chunks: Iterable<Uint8Array>): void {
		this.#heard();
		if (this.#ended || this.destroyed) return;
		let more = true;
		for (const chunk of chunks) more = this.push(chunk);
		// Within the event the stream would take up reading again.
		if (!more) queueMicrotask(() => this.#hold());
	}

	#hold(): void {
		if (
			this.readableLength >= this.readableHighWaterMark &&
			this.#stream.readStatus === "readable"
		)
			this.#stream.pause();
	}

	#end(): void {
		if (this.#ended) return;
		this.#ended = true;
		this.push(null);
	}

	override _read(): void {
		if (this.#stream.readStatus === "paused") this.#stream.resume();
	}

	/**
	 * Small writes of one turn go as one: each costs an encryption and a system call of its own, on both ends. The cork is
	 * lifted once the turn is over.
	 */
	override write(chunk: unknown, done?: Written): boolean;
	override write(
		chunk: unknown,
		encoding: BufferEncoding,
		done?: Written,
	): boolean;
	override write(chunk: unknown, ...rest: unknown[]): boolean {
		if (this.#lifting === undefined && !this.writableEnded) {
			this.cork();
			this.#lifting = setImmediate(() => {
				this.#lifting = undefined;
				this.uncork();
			});
		}
		return super.write(chunk, ...(rest as [BufferEncoding, Written]));
	}

	override _writev(
		chunks: readonly { chunk: Uint8Array }[],
		done: (error?: Error) => void,
	): void {
		const bytes = Buffer.concat(chunks.map(({ chunk }) => chunk));
		this._write(bytes, "binary", done);
	}

	override _write(
		chunk: Uint8Array,
		_encoding: BufferEncoding,
		done: (error?: Error) => void,
	): void {
		try {
			if (this.#stream.send(chunk) || !this.#stream.writableNeedsDrain) done();
			else this.#onceWritable(done);
		} catch (error) {
			done(noError(error));
		}
	}

	override _final(done: (error?: Error) => void): void {
		this.#stream.close().then(
			() => done(),
			(error) => done(noError(error)),
		);
	}

	override _destroy(
		error: Error | null,
		done: (error: Error | null) => void,
	): void {
		if (this.#stream.status === "open" || this.#stream.status === "closing")
			this.#stream.abort(error ?? new Error("destroyed"));
		done(error);
	}

	/** `onDrain()` of the stream works once only, hence the events themselves. */
	#onceWritable(done: (error?: Error) => void): void {
		const stream = this.#stream;
		const finish = (error?: Error): void => {
			stream.removeEventListener("drain", drained);
			stream.removeEventListener("close", closed);
			done(error);
		};
		const drained = (): void => finish();
		const closed = (): void => finish(new Error("stream closed"));
		stream.addEventListener("drain", drained);
		stream.addEventListener("close", closed);
		if (!stream.writableNeedsDrain) finish();
		else if (stream.writeStatus === "closed") closed();
	}
}

/** `heard` runs for everything that arrives. */
export const toDuplex = (
	stream: WireStream,
	heard: () => void = () => {},
): Duplex => new StreamDuplex(stream, heard);
