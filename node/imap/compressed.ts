/**
 * The compressed layer of a connection (COMPRESS=DEFLATE, RFC 4978): a duplex of plain octets over one of deflated ones.
 * What is written is flushed at once, as a client waits for it. Memory is bounded by the zlib settings below; what comes
 * in is inflated piece by piece as it is read.
 */
import { Duplex } from "node:stream";
import { constants, createDeflateRaw, createInflateRaw } from "node:zlib";
import {
	IMAP_DEFLATE_MEMORY_LEVEL,
	IMAP_DEFLATE_WINDOW_BITS,
	IMAP_INFLATE_EXCESS_BYTES_MAX,
	IMAP_INFLATE_RATIO_MAX,
} from "../../sync/limits.ts";

/** What one read hands on. */
const PIECE_BYTES = 8 * 1024;

export class Compressed extends Duplex {
	readonly #lower: Duplex;
	readonly #broken: (why: string) => void;
	// RFC 4978 §4: raw deflate. A client may use the whole window, our side takes less.
	readonly #inflate = createInflateRaw({
		chunkSize: PIECE_BYTES,
		finishFlush: constants.Z_SYNC_FLUSH,
	});
	readonly #deflate = createDeflateRaw({
		chunkSize: PIECE_BYTES,
		windowBits: IMAP_DEFLATE_WINDOW_BITS,
		memLevel: IMAP_DEFLATE_MEMORY_LEVEL,
		// 1 is half the CPU of the default 6, for some percent more octets.
		level: 1,
	});
	#excessBytes = 0;
	/** Deflated octets that wait for the lower stream. */
	#isStuck = false;
	#unstuck: () => void = () => {};

	/**
	 * `first`: octets that were read from `lower` already. `broken`: nothing more can be read, as the other end sent no
	 * deflated data, or too much of it in too little; writing goes on.
	 */
	constructor(lower: Duplex, first: Buffer, broken: (why: string) => void) {
		super({ allowHalfOpen: true, readableHighWaterMark: PIECE_BYTES });
		this.#lower = lower;
		this.#broken = broken;
		this.#inflate.on("data", (piece: Buffer) => this.#inflated(piece));
		this.#inflate.on("end", () => this.push(null));
		// By then it has destroyed itself.
		this.#inflate.on("error", () => this.#broken("Compressed data is damaged"));
		this.#deflate.on("data", (piece: Buffer) => {
			if (!lower.write(piece)) this.#isStuck = true;
		});
		lower.on("data", (chunk: Buffer) => this.#take(chunk));
		lower.on("end", () => {
			if (this.#inflate.destroyed) this.push(null);
			else this.#inflate.end();
		});
		lower.on("drain", () => {
			this.#isStuck = false;
			this.#unstuck();
		});
		if (first.length > 0) this.#take(first);
		lower.resume();
	}

	#take(chunk: Buffer): void {
		if (this.#inflate.writableEnded || this.#inflate.destroyed) return;
		// Plain text deflates to a tenth: what comes in at the usual rates never counts up.
		const usualBytes = chunk.length * IMAP_INFLATE_RATIO_MAX;
		this.#excessBytes = Math.max(0, this.#excessBytes - usualBytes);
		if (this.#inflate.write(chunk)) return;
		this.#lower.pause();
		this.#inflate.once("drain", () => this.#lower.resume());
	}

	#inflated(piece: Buffer): void {
		this.#excessBytes += piece.length;
		if (this.#excessBytes > IMAP_INFLATE_EXCESS_BYTES_MAX)
			this.#stopReading("Too much comes out of too little compressed data");
		else if (!this.push(piece)) this.#inflate.pause();
	}

	/** What else comes is thrown away. */
	#stopReading(why: string): void {
		if (this.#inflate.destroyed) return;
		this.#inflate.destroy();
		this.#lower.resume();
		this.#broken(why);
	}

	override _read(): void {
		if (!this.#inflate.destroyed) this.#inflate.resume();
	}

	override _write(
		chunk: Buffer,
		_encoding: BufferEncoding,
		done: (error?: Error | null) => void,
	): void {
		this.#deflate.write(chunk);
		this.#flush(done);
	}

	/** Several writes of one turn are flushed once. */
	override _writev(
		chunks: { chunk: Buffer }[],
		done: (error?: Error | null) => void,
	): void {
		for (const { chunk } of chunks) this.#deflate.write(chunk);
		this.#flush(done);
	}

	#flush(done: () => void): void {
		this.#deflate.flush(constants.Z_SYNC_FLUSH, () => {
			if (this.#isStuck) this.#unstuck = done;
			else done();
		});
	}

	override _final(done: () => void): void {
		this.#lower.end(done);
	}

	override _destroy(
		error: Error | null,
		done: (error?: Error | null) => void,
	): void {
		this.#inflate.destroy();
		this.#deflate.destroy();
		done(error);
	}
}
