/** The Link of the port on a framed stream: messages, and a last frame that says why it is closed. */

import type { NodeId } from "../ids.ts";
import {
	CLOSE_REASON_BYTES_MAX,
	LINK_MESSAGE_BYTES_MAX,
	LINK_QUEUE_BYTES_MAX,
} from "../limits.ts";
import type { Link, LinkHandlers } from "../ports/network.ts";
import type { FramedStream } from "./framed.ts";
import type { Frame } from "./frames.ts";
import { BadFrame } from "./frames.ts";

export const KIND = { hello: 1, ack: 2, message: 3, close: 4 } as const;

/** One line of at most CLOSE_REASON_BYTES_MAX bytes. */
export const oneLine = (reason: string): string =>
	Buffer.from(reason.replace(/\s+/g, " "))
		.subarray(0, CLOSE_REASON_BYTES_MAX)
		.toString();

export class StreamLink implements Link {
	readonly peer: NodeId;
	readonly #stream: FramedStream;
	readonly #onClosed: (reason: string, told: boolean) => void;
	#handlers: LinkHandlers | undefined;
	#closed = false;

	/** `onClosed` runs once, after the owner's `closed`; `told`: the reason is on its way to the other end. */
	constructor(
		peer: NodeId,
		stream: FramedStream,
		onClosed: (reason: string, told: boolean) => void,
	) {
		this.peer = peer;
		this.#stream = stream;
		this.#onClosed = onClosed;
	}

	get queuedBytes(): number {
		return this.#stream.queuedBytes;
	}

	get handlers(): LinkHandlers | undefined {
		return this.#handlers;
	}

	/** Messages are read from now on; until then they wait at the sender. */
	set handlers(handlers: LinkHandlers | undefined) {
		const first = this.#handlers === undefined;
		this.#handlers = handlers;
		if (!first || handlers === undefined || this.#closed) return;
		this.#stream.consume({
			frame: (frame) => this.#frame(frame),
			drain: () => this.#handlers?.drain(),
			closed: (error) =>
				this.#end(error?.message ?? "closed by the other end", false),
		});
	}

	send(message: Uint8Array): boolean {
		if (message.byteLength > LINK_MESSAGE_BYTES_MAX)
			throw new RangeError(
				`a link message of ${message.byteLength} bytes, at most ${LINK_MESSAGE_BYTES_MAX} are allowed`,
			);
		if (this.#closed) return false;
		if (this.queuedBytes + message.byteLength > LINK_QUEUE_BYTES_MAX) {
			this.abort("the peer reads too slowly");
			return false;
		}
		return this.#stream.send(KIND.message, message);
	}

	close(reason: string): void {
		if (this.#closed) return;
		this.#stream.send(KIND.close, Buffer.from(oneLine(reason)));
		this.#end(oneLine(reason), true);
	}

	/** Closes without telling the other end, because it cannot be told or does not matter any more. */
	abort(reason: string): void {
		this.#end(reason, false);
	}

	#frame(frame: Frame): void | Promise<void> {
		if (frame.kind === KIND.message)
			return this.#handlers?.message(frame.payload);
		if (frame.kind === KIND.close)
			return this.#end(oneLine(Buffer.from(frame.payload).toString()), false);
		throw new BadFrame(`a frame of unknown kind ${frame.kind}`);
	}

	#end(reason: string, told: boolean): void {
		if (this.#closed) return;
		this.#closed = true;
		// A stream that cannot be ended in order ends with its connection.
		if (told) this.#stream.end().catch(() => {});
		try {
			this.#handlers?.closed(reason);
		} finally {
			this.#onClosed(reason, told);
		}
	}
}
