/** A simulated connection: two ends, each with a pipe to the other on which everything arrives in order. */
import type { NodeId } from "../ids.ts";
import type { StreamHandler, WireConnection } from "../network/transport.ts";
import { SimStream } from "./stream.ts";

/** What a connection needs of the simulated world. */
export interface Wire {
	/** Runs `arrive` at the other end after the delay of the line, in order; held back while the line is cut. */
	send(arrive: () => void): void;
	/** Forgets what is under way. */
	clear(): void;
	/** Runs it here, at this moment, after all else that is due at it. */
	endOfTurn(run: () => void): void;
}

/** What one end's process answers to. */
export interface Protocols {
	/** Its handler and how many streams at once it takes on one connection; undefined: unknown here. */
	get(
		protocol: string,
	): { handler: StreamHandler; streamsMax: number } | undefined;
}

export class SimConnection implements WireConnection {
	readonly remotePeer: NodeId;
	status = "open";
	readonly #wire: Wire;
	readonly #protocols: Protocols;
	readonly #streams = new Set<SimStream>();
	readonly #onClose = new Set<() => void>();
	#other: SimConnection | undefined;

	constructor(remotePeer: NodeId, wire: Wire, protocols: Protocols) {
		this.remotePeer = remotePeer;
		this.#wire = wire;
		this.#protocols = protocols;
	}

	/** Joins the two ends; called once, on either. */
	join(other: SimConnection): void {
		this.#other = other;
		other.#other = this;
	}

	/** Whether the other side let it in. */
	get joined(): boolean {
		return this.#other !== undefined;
	}

	addEventListener(_type: "close", run: () => void): void {
		this.#onClose.add(run);
	}

	removeEventListener(_type: "close", run: () => void): void {
		this.#onClose.delete(run);
	}

	newStream(
		protocol: string,
		{ signal }: { signal: AbortSignal },
	): Promise<SimStream> {
		return new Promise((resolve, reject) => {
			if (this.status !== "open") throw new Error("connection closed");
			const stream = this.#stream(protocol);
			const failed = (error: Error): void => {
				stream.abort(error);
				reject(error);
			};
			signal.addEventListener("abort", () => failed(signal.reason as Error));
			stream.addEventListener("close", ({ error }) =>
				reject(error ?? new Error("stream closed")),
			);
			this.#wire.send(() => {
				const accepted = this.#other?.accept(stream) ?? false;
				this.#other?.send(() => {
					if (accepted) resolve(stream);
					else failed(new Error(`unsupported protocol ${protocol}`));
				});
			});
		});
	}

	/** Runs `arrive` at the other end, after all that was sent before. */
	send(arrive: () => void): void {
		this.#wire.send(arrive);
	}

	/** The other end opened a stream. */
	accept(remote: SimStream): boolean {
		const known = this.#protocols.get(remote.protocol);
		if (known === undefined || this.status !== "open") return false;
		const count = [...this.#streams].filter(
			({ protocol }) => protocol === remote.protocol,
		).length;
		if (count >= known.streamsMax) return false;
		const stream = this.#stream(remote.protocol);
		stream.join(remote);
		void this.#handle(known.handler, stream);
		return true;
	}

	async close(): Promise<void> {
		if (this.status !== "open") return;
		this.#wire.send(() => this.#other?.end());
		this.end();
	}

	abort(error: Error): void {
		if (this.status !== "open") return;
		this.#reset();
		this.end(error);
	}

	/** The process dies: nobody here is told, the system resets the connection. */
	vanish(): void {
		if (this.status !== "open") return;
		this.#reset();
		this.status = "aborted";
		for (const stream of this.#streams) stream.vanish();
	}

	#reset(): void {
		this.#wire.clear();
		this.#wire.send(() => this.#other?.end(new Error("connection reset")));
	}

	async #handle(handler: StreamHandler, stream: SimStream): Promise<void> {
		try {
			await handler(stream, this);
		} catch (error) {
			stream.abort(error as Error);
		}
	}

	/** Closes this end. */
	end(error?: Error): void {
		if (this.status !== "open") return;
		this.status = error === undefined ? "closed" : "aborted";
		for (const stream of this.#streams)
			stream.terminate(error === undefined ? "closed" : "reset", error);
		for (const run of [...this.#onClose]) run();
	}

	#stream(protocol: string): SimStream {
		const stream = new SimStream(
			protocol,
			(arrive) => {
				if (this.status === "open") this.#wire.send(arrive);
			},
			(run) => this.#wire.endOfTurn(run),
		);
		this.#streams.add(stream);
		stream.addEventListener("close", () => this.#streams.delete(stream));
		return stream;
	}
}
