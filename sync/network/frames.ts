/**
 * Whole messages on a byte stream: 4 bytes of length (big-endian, of what follows), 1 byte of kind, payload. Bounded by
 * the reader; nothing here knows what the kinds mean.
 */
export interface Frame {
	readonly kind: number;
	readonly payload: Uint8Array;
}

const HEADER_BYTES = 5;

/** The other end does not keep to the framing, or sends more than it may. */
export class BadFrame extends Error {
	override name = "BadFrame";
}

/** Header of a frame; the payload follows as it is. */
export function frameHeader(kind: number, payloadBytes: number): Uint8Array {
	const header = new Uint8Array(HEADER_BYTES);
	new DataView(header.buffer).setUint32(0, payloadBytes + 1);
	header[4] = kind;
	return header;
}

/** Cuts what arrives into frames. Holds at most one incomplete frame, as far as it has come. */
export class FrameReader {
	readonly #payloadBytesMax: number;
	#chunks: Uint8Array[] = [];
	#bytes = 0;

	constructor(payloadBytesMax: number) {
		this.#payloadBytesMax = payloadBytesMax;
	}

	/** Takes a chunk; throws BadFrame when a frame is announced that is empty or too large. */
	push(chunk: Uint8Array): void {
		this.#chunks.push(chunk);
		this.#bytes += chunk.byteLength;
	}

	/** The next whole frame, with a payload of its own memory; undefined until more has come. */
	next(): Frame | undefined {
		if (this.#bytes < HEADER_BYTES) return undefined;
		const header = this.#peek(HEADER_BYTES);
		const length = new DataView(
			header.buffer,
			header.byteOffset,
			HEADER_BYTES,
		).getUint32(0);
		if (length < 1 || length - 1 > this.#payloadBytesMax)
			throw new BadFrame(
				`a message of ${length - 1} bytes, at most ${this.#payloadBytesMax} are allowed`,
			);
		if (this.#bytes < length + 4) return undefined;
		const kind = header[4] as number;
		this.#take(HEADER_BYTES);
		return { kind, payload: this.#take(length - 1) };
	}

	#peek(length: number): Uint8Array {
		const first = this.#chunks[0];
		if (first !== undefined && first.byteLength >= length) return first;
		const joined = Buffer.concat(this.#chunks);
		this.#chunks = [joined];
		return joined;
	}

	#take(length: number): Uint8Array {
		const taken = new Uint8Array(length);
		let filled = 0;
		let used = 0;
		while (filled < length) {
			const chunk = this.#chunks[used] as Uint8Array;
			const part = chunk.subarray(0, length - filled);
			taken.set(part, filled);
			filled += part.byteLength;
			if (part.byteLength < chunk.byteLength)
				this.#chunks[used] = chunk.subarray(part.byteLength);
			else used++;
		}
		this.#chunks.splice(0, used);
		this.#bytes -= length;
		return taken;
	}
}
