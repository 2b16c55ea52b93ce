/**
 * Runs on a host of hosts.ts: listens on a Unix socket, reads a port number and a newline, and connects what follows to
 * that port on the host's loopback. Ends when its standard input does, so it never outlives who started it.
 */
import { connect, createServer, type Socket } from "node:net";

function relay(client: Socket): void {
	let head = Buffer.alloc(0);
	const read = (chunk: Buffer) => {
		head = Buffer.concat([head, chunk]);
		const end = head.indexOf("\n");
		if (end < 0) return;
		client.off("data", read);
		const port = Number(head.toString("latin1", 0, end));
		const server = connect({ host: "127.0.0.1", port });
		server.setNoDelay(true);
		if (head.length > end + 1) server.write(head.subarray(end + 1));
		client.pipe(server).pipe(client);
		const close = () => {
			client.destroy();
			server.destroy();
		};
		for (const socket of [client, server])
			socket.on("error", close).on("close", close);
	};
	client.on("data", read);
	client.on("error", () => client.destroy());
}

createServer(relay).listen(process.argv[2], () =>
	process.stdout.write("ready\n"),
);
process.stdin.resume().on("end", () => process.exit(0));
