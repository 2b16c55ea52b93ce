/** A long line between two processes of this machine: a TCP relay that hands on each byte `oneWayMilliseconds` later. */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Endpoint } from "./node.ts";

/** Sent and not yet handed on; beyond it the sender is held back, as by a full line. */
const IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024;

export class Line {
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();
	readonly at: Endpoint;

	private constructor(server: Server, at: Endpoint, sockets: Set<Socket>) {
		this.#server = server;
		this.at = at;
		this.#sockets = sockets;
	}

	/** `to` is asked at each connection, so it may be known later than the line. */
	static async open(
		to: () => Endpoint,
		oneWayMilliseconds: number,
	): Promise<Line> {
		const sockets = new Set<Socket>();
		const server = createServer((here) => {
			const there = connect(to());
			for (const socket of [here, there]) {
				sockets.add(socket.setNoDelay(true));
				socket.once("close", () => sockets.delete(socket));
			}
			carry(here, there, oneWayMilliseconds);
			carry(there, here, oneWayMilliseconds);
		});
		await new Promise<void>((resolve, reject) => {
			server.once("error", reject).listen(0, "127.0.0.1", resolve);
		});
		const address = server.address();
		if (address === null || typeof address === "string")
			throw new Error("no port");
		return new Line(server, { host: "127.0.0.1", port: address.port }, sockets);
	}

	close(): void {
		this.#server.close();
		for (const socket of this.#sockets) socket.destroy();
	}
}

function carry(from: Socket, to: Socket, delayMilliseconds: number): void {
	let inFlightBytes = 0;
	const later = (run: () => void) => setTimeout(run, delayMilliseconds);
	from.on("data", (chunk: Buffer) => {
		inFlightBytes += chunk.length;
		if (inFlightBytes > IN_FLIGHT_BYTES_MAX) from.pause();
		later(() => {
			to.write(chunk);
			inFlightBytes -= chunk.length;
			if (inFlightBytes < IN_FLIGHT_BYTES_MAX / 2) from.resume();
		});
	});
	from.on("error", () => later(() => to.destroy()));
	from.on("end", () => later(() => to.end()));
	from.on("close", () => later(() => to.destroy()));
}
