/** Real body stores on loopback, connected as the network would connect them. */
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { NodeId } from "../../../sync/ids.ts";
import type { StreamSource } from "../../../sync/network/streams.ts";
import type { Log, LogFields } from "../../../sync/ports/log.ts";

type OnStream = (peer: NodeId, stream: Duplex, initiator: boolean) => void;

/** Hands out streams when told to. */
export class TestStreams implements StreamSource {
	readonly #listeners = new Set<OnStream>();

	onBodyStream(run: OnStream): () => void {
		this.#listeners.add(run);
		return () => this.#listeners.delete(run);
	}

	give(peer: NodeId, stream: Duplex, initiator: boolean): void {
		for (const run of this.#listeners) run(peer, stream, initiator);
	}
}

export interface End {
	readonly node: NodeId;
	readonly streams: TestStreams;
}

/** Connects two ends by a socket on loopback; returns what cuts them again. */
export async function connectStreams(a: End, b: End): Promise<() => void> {
	const server = createServer();
	await new Promise<void>((resolve) =>
		server.listen(0, "127.0.0.1", () => resolve()),
	);
	const accepted = new Promise<Socket>((resolve) =>
		server.once("connection", resolve),
	);
	const { port } = server.address() as AddressInfo;
	const dialled = connect({ port, host: "127.0.0.1" });
	const sockets = [dialled, await accepted];
	server.close();
	for (const socket of sockets) {
		socket.setNoDelay(true);
		socket.on("error", () => {});
	}
	a.streams.give(b.node, sockets[0] as Socket, true);
	b.streams.give(a.node, sockets[1] as Socket, false);
	return () => {
		for (const socket of sockets) socket.destroy();
	};
}

/** A log that keeps what it was told. */
export function testLog(): Log & {
	readonly lines: { level: string; message: string; fields?: LogFields }[];
} {
	const lines: { level: string; message: string; fields?: LogFields }[] = [];
	const level = (name: string) => (message: string, fields?: LogFields) =>
		void lines.push({ level: name, message, ...(fields && { fields }) });
	const log = {
		lines,
		debug: level("debug"),
		info: level("info"),
		warn: level("warn"),
		error: level("error"),
		child: () => log,
	};
	return log;
}

/** A folder that is removed by the returned function. */
export function temporaryFolder(): { path: string; remove: () => void } {
	const path = mkdtempSync(join(tmpdir(), "pmnode-bodies-"));
	return {
		path,
		remove: () => rmSync(path, { recursive: true, force: true }),
	};
}
