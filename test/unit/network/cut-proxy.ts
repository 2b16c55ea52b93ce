/** A TCP proxy on loopback that can stop passing bytes, silently, as a line that was cut does. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface CutProxy {
	readonly port: number;
	/** Connections are kept, nothing passes, and new ones get no answer. */
	cut(): void;
	/** New connections pass again; those that were cut stay silent, as with TCP's long waits. */
	heal(): void;
	close(): Promise<void>;
}

export async function cutProxy(targetPort: number): Promise<CutProxy> {
	const sockets = new Set<Socket>();
	let isCut = false;
	const track = (socket: Socket): Socket => {
		sockets.add(socket);
		socket.on("error", () => {});
		socket.on("close", () => sockets.delete(socket));
		return socket;
	};
	const server = createServer({ noDelay: true }, (inner) => {
		track(inner);
		if (isCut) {
			inner.pause();
			return;
		}
		const outer = track(connect({ port: targetPort, host: "127.0.0.1" }));
		outer.setNoDelay(true);
		inner.pipe(outer).pipe(inner);
		inner.on("close", () => outer.destroy());
		outer.on("close", () => inner.destroy());
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return {
		port: (server.address() as AddressInfo).port,
		cut: () => {
			isCut = true;
			for (const socket of sockets) {
				socket.unpipe();
				socket.pause();
			}
		},
		heal: () => {
			isCut = false;
		},
		close: () =>
			new Promise((resolve) => {
				for (const socket of sockets) socket.destroy();
				server.close(() => resolve());
			}),
	};
}
