/**
 * One agreed link and what goes with it on the same connection: heartbeats and the body stream. All of it ends
 * together, and the connection with it.
 */
import type { Duplex } from "node:stream";
import type { NodeId } from "../ids.ts";
import { LINK_OPEN_MILLISECONDS_MAX } from "../limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { toDuplex } from "./duplex.ts";
import { FramedStream } from "./framed.ts";
import { StreamLink } from "./link.ts";
import { openStream, PROTOCOL, within } from "./protocols.ts";
import { RoundTrips } from "./round-trips.ts";
import type { WireConnection, WireStream } from "./transport.ts";

const HEARTBEAT = { ping: 1, pong: 2 } as const;
const HEARTBEAT_BYTES = 8;
const CLOSE_MILLISECONDS_MAX = 500;

export interface SessionOwner {
	/** Anything arrived on this session's streams. */
	heard(): void;
	/** The body stream is open. */
	body(session: Session, stream: Duplex): void;
	/** Once: the connection is gone, or about to go. */
	ended(session: Session, reason: string): void;
}

export class Session {
	/** Agreed name of the link, hex. */
	readonly id: string;
	readonly connection: WireConnection;
	readonly link: StreamLink;
	readonly openedMilliseconds: number;
	/** Resolves when the connection is closed. */
	readonly gone: Promise<void>;
	readonly roundTrips = new RoundTrips();
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #owner: SessionOwner;
	#heartbeat: FramedStream | undefined;
	#body: Duplex | undefined;
	#ended = false;

	/** `stream` is the link's, after its handshake. */
	constructor(
		peer: NodeId,
		id: string,
		connection: WireConnection,
		stream: FramedStream,
		parts: { clock: Clock; log: Log; owner: SessionOwner },
	) {
		this.id = id;
		this.connection = connection;
		this.#clock = parts.clock;
		this.#log = parts.log;
		this.#owner = parts.owner;
		this.openedMilliseconds = parts.clock.monotonic();
		this.link = new StreamLink(peer, stream, (reason, told) =>
			this.#end(reason, told),
		);
		this.gone = new Promise((resolve) => {
			connection.addEventListener("close", resolve);
			if (connection.status !== "open") resolve();
		});
		void this.gone.then(() => this.#lost());
	}

	get ended(): boolean {
		return this.#ended;
	}

	/** The leader's part: opens what goes beside the link. */
	async open(): Promise<void> {
		try {
			this.attachHeartbeat(await this.#openStream(PROTOCOL.heartbeat));
			this.attachBody(await this.#openStream(PROTOCOL.bodies));
		} catch (error) {
			if (!this.#ended) this.link.close((error as Error).message);
		}
	}

	attachHeartbeat(stream: WireStream): void {
		if (this.#heartbeat !== undefined || this.#ended) {
			stream.abort(new Error("one heartbeat stream a link"));
			return;
		}
		const framed = new FramedStream(stream, HEARTBEAT_BYTES, () =>
			this.#owner.heard(),
		);
		this.#heartbeat = framed;
		framed.consume({
			frame: ({ kind, payload }) => {
				if (kind === HEARTBEAT.ping) framed.send(HEARTBEAT.pong, payload);
				else this.#measure(payload);
			},
			drain: () => {},
			closed: () => this.link.abort("the heartbeat ended"),
		});
		this.beat();
	}

	attachBody(stream: WireStream): void {
		if (this.#body !== undefined || this.#ended) {
			stream.abort(new Error("one body stream a link"));
			return;
		}
		this.#body = toDuplex(stream, () => this.#owner.heard());
		// Whoever takes the stream listens as well; without anybody an error must not end the process.
		this.#body.on("error", (error) =>
			this.#log.debug("body stream ended", { error: error.message }),
		);
		// It is opened with a link: without a new one no body would come from this member any more.
		this.#body.on("close", () => {
			if (!this.#ended) this.link.abort("the body stream ended");
		});
		this.#owner.body(this, this.#body);
	}

	/** Sends a heartbeat. */
	beat(): void {
		if (this.#heartbeat === undefined || this.#heartbeat.queuedBytes > 1_000)
			return;
		const payload = new Uint8Array(HEARTBEAT_BYTES);
		new DataView(payload.buffer).setFloat64(0, this.#clock.monotonic());
		this.#heartbeat.send(HEARTBEAT.ping, payload);
	}

	#measure(payload: Uint8Array): void {
		if (payload.byteLength !== HEARTBEAT_BYTES) return;
		const sent = new DataView(payload.buffer).getFloat64(0);
		const rtt = this.#clock.monotonic() - sent;
		if (rtt >= 0) this.roundTrips.add(rtt);
	}

	/**
	 * The connection is gone. Messages that arrived before are still handed over; the link closes after them, or when the
	 * next one begins.
	 */
	#lost(): void {
		if (this.#ended) return;
		this.#finish("connection lost");
		if (this.link.handlers === undefined) this.link.abort("connection lost");
	}

	/** The link closed. */
	#end(reason: string, told: boolean): void {
		if (this.#ended) return;
		this.#finish(reason);
		void this.#close(told);
	}

	#finish(reason: string): void {
		this.#ended = true;
		this.#heartbeat?.abort(new Error(reason));
		this.#body?.destroy();
		this.#owner.ended(this, reason);
	}

	/**
	 * Who was told the reason closes the connection. If we did, what it still sends would make the system reset the
	 * connection, and the reason would be lost on the way.
	 */
	async #close(told: boolean): Promise<void> {
		try {
			await within(
				this.#clock,
				CLOSE_MILLISECONDS_MAX,
				"closing takes too long",
				told ? this.gone : this.connection.close(),
			);
		} catch (error) {
			this.connection.abort(error as Error);
		}
	}

	#openStream(protocol: string): Promise<WireStream> {
		return openStream(
			this.connection,
			protocol,
			this.#clock,
			LINK_OPEN_MILLISECONDS_MAX,
		);
	}
}
