/**
 * A simulated stream that behaves as libp2p's over yamux does: window, half-close, reset, `drain`, and a pause within
 * a `message` event that does not hold. Bytes travel on the pipe of its connection.
 */
import {
	type EventHandler,
	type MessageStreamEvents,
	StreamCloseEvent,
	StreamMessageEvent,
	TypedEventEmitter,
} from "@libp2p/interface";
import type { WireStream } from "../network/transport.ts";

/** Initial window of a yamux stream. */
const WINDOW_BYTES = 256 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** Runs `arrive` at the other end of the connection, in order. */
export type Transmit = (arrive: () => void) => void;

type Bytes = Parameters<WireStream["send"]>[0];

export class SimStream
	extends TypedEventEmitter<MessageStreamEvents>
	implements WireStream
{
	readonly protocol: string;
	status: WireStream["status"] = "open";
	readStatus: WireStream["readStatus"] = "readable";
	writeStatus: WireStream["writeStatus"] = "writable";
	writableNeedsDrain = false;
	readableEnded = false;
	readonly #transmit: Transmit;
	/** Runs it when all that happens at this moment has happened. */
	readonly endOfTurn: (run: () => void) => void;
	/** Read, and not said to the other end yet. */
	#readBytes = 0;
	#other: SimStream | undefined;
	#readBuffer: Uint8Array[] = [];
	#writeBuffer: Uint8Array[] = [];
	#inFlightBytes = 0;
	#remoteDone = false;
	#dispatching = false;
	#flushed: (() => void)[] = [];

	constructor(
		protocol: string,
		transmit: Transmit,
		endOfTurn: (run: () => void) => void,
	) {
		super();
		this.protocol = protocol;
		this.#transmit = transmit;
		this.endOfTurn = endOfTurn;
	}

	/** Joins the two ends; called once, on either. */
	join(other: SimStream): void {
		this.#other = other;
		other.#other = this;
	}

	get readBufferLength(): number {
		return total(this.#readBuffer);
	}

	get writeBufferLength(): number {
		return total(this.#writeBuffer);
	}

	override addEventListener<K extends keyof MessageStreamEvents>(
		type: K,
		listener: EventHandler<MessageStreamEvents[K]> | null,
		options?: boolean | AddEventListenerOptions,
	): void {
		super.addEventListener(type, listener, options);
		if (type === "message") queueMicrotask(() => this.#dispatch());
	}

	send(data: Bytes): boolean {
		if (this.writeStatus !== "writable")
			throw new Error(`cannot write to a stream that is ${this.writeStatus}`);
		const chunks = data instanceof Uint8Array ? [data] : data;
		for (const chunk of chunks) this.#writeBuffer.push(chunk.slice());
		return this.#write();
	}

	pause(): void {
		// As with libp2p: what is said within the event is undone after it.
		if (this.#dispatching) return;
		if (this.readStatus === "readable") this.readStatus = "paused";
	}

	resume(): void {
		if (this.readStatus !== "paused") return;
		this.readStatus = "readable";
		this.#dispatch();
	}

	async close(): Promise<void> {
		if (this.writeStatus !== "writable") return;
		this.writeStatus = "closing";
		if (this.#writeBuffer.length > 0)
			await new Promise<void>((resolve) => this.#flushed.push(resolve));
		if (this.status !== "open") return;
		this.writeStatus = "closed";
		this.#transmit(() => this.#other?.remoteClosed());
		this.#maybeClose();
	}

	abort(error: Error): void {
		if (this.status !== "open") return;
		this.#transmit(() => this.#other?.terminate("reset", new Error("reset")));
		this.terminate("aborted", error);
	}

	/** The other end will write no more. */
	remoteClosed(): void {
		this.#remoteDone = true;
		this.#maybeEnd();
		this.#maybeClose();
	}

	/** Ends both directions; without an error what had arrived can still be read. */
	terminate(status: "aborted" | "reset" | "closed", error?: Error): void {
		if (this.status !== "open") return;
		this.status = status;
		this.writeStatus = "closed";
		this.#remoteDone = true;
		this.#writeBuffer = [];
		if (error !== undefined) {
			this.#readBuffer = [];
			this.readStatus = "closed";
		}
		this.#settleFlushed();
		this.#maybeEnd();
		this.dispatchEvent(new StreamCloseEvent(status === "aborted", error));
	}

	/** The process dies: what is on its way here arrives nowhere, and nobody here is told. */
	vanish(): void {
		this.status = "aborted";
		this.#readBuffer = [];
	}

	#write(): boolean {
		while (this.#writeBuffer.length > 0 && this.#inFlightBytes < WINDOW_BYTES) {
			const chunk = this.#writeBuffer.shift() as Uint8Array;
			const now = chunk.subarray(0, CHUNK_BYTES);
			if (now.byteLength < chunk.byteLength)
				this.#writeBuffer.unshift(chunk.subarray(CHUNK_BYTES));
			this.#inFlightBytes += now.byteLength;
			this.#transmit(() => this.#other?.receive(now));
		}
		this.writableNeedsDrain = this.#writeBuffer.length > 0;
		return !this.writableNeedsDrain;
	}

	/** Bytes arrived. */
	receive(bytes: Uint8Array): void {
		if (this.status !== "open") return;
		this.#readBuffer.push(bytes);
		this.#dispatch();
	}

	/** The other end has read so much more. */
	credit(bytes: number): void {
		if (this.status !== "open") return;
		this.#inFlightBytes -= bytes;
		const waited = this.writableNeedsDrain;
		if (this.#write() && waited) {
			this.#settleFlushed();
			this.safeDispatchEvent("drain");
		}
	}

	#dispatch(): void {
		while (
			this.#readBuffer.length > 0 &&
			this.readStatus === "readable" &&
			this.listenerCount("message") > 0
		) {
			const bytes = this.#readBuffer.shift() as Uint8Array;
			this.#dispatching = true;
			this.dispatchEvent(new StreamMessageEvent(bytes));
			this.#dispatching = false;
			this.#creditSoon(bytes.byteLength);
		}
		this.#maybeEnd();
	}

	/** Half a window at a time, as network/window.ts has it. */
	#creditSoon(bytes: number): void {
		this.#readBytes += bytes;
		if (2 * this.#readBytes < WINDOW_BYTES) return;
		const read = this.#readBytes;
		this.#readBytes = 0;
		this.#transmit(() => this.#other?.credit(read));
	}

	#settleFlushed(): void {
		for (const resolve of this.#flushed.splice(0)) resolve();
	}

	#maybeEnd(): void {
		if (this.readableEnded || !this.#remoteDone) return;
		if (this.#readBuffer.length > 0) return;
		this.readableEnded = true;
		this.readStatus = "closed";
		this.safeDispatchEvent("end");
	}

	#maybeClose(): void {
		if (this.#remoteDone && this.writeStatus === "closed")
			this.terminate("closed");
	}
}

const total = (chunks: readonly Uint8Array[]): number =>
	chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
