/**
 * The control socket: how the command line talks to a running node. It lies in the data folder (0700) with mode 0600, so
 * whoever can open it is the operator. Here lives the server; its methods are rows of node/control/methods.ts. Nothing
 * here knows what a command prints, and nothing here may be reached over a network.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { ClientFault, OperatorFault, Temporary } from "../sync/faults.ts";
import { BadId } from "../sync/ids.ts";
import {
	CONTROL_CONNECTIONS_MAX,
	CONTROL_MESSAGE_BYTES_MAX,
} from "../sync/limits.ts";
import type { Clock } from "../sync/ports/clock.ts";
import type { Log } from "../sync/ports/log.ts";
import { WrongUsage } from "./config.ts";
import { type Context, methods } from "./control/methods.ts";
import {
	type ControlReply,
	controlSocketPath,
	readLines,
} from "./control/socket.ts";
import type { RunningNode } from "./running.ts";

export interface ControlOptions {
	readonly dataDirectory: string;
	readonly node: RunningNode;
	readonly clock: Clock;
	readonly log: Log;
	/** What the directory keeps of a new password (node/accounts/credentials.ts); the command line sends the password itself. */
	readonly hashPassword: (password: string) => Promise<string>;
}

/**
 * Serves the control socket of the data folder. A socket that an earlier process left is replaced: the caller holds the
 * folder's lock (node/folder.ts). Rejects with OperatorFault when the socket cannot be made.
 */
export async function startControl(
	options: ControlOptions,
): Promise<{ stop(): Promise<void> }> {
	const connections = new Set<Socket>();
	const server = createServer((socket) => {
		connections.add(socket);
		socket.once("close", () => connections.delete(socket));
		serve(socket, options);
	});
	server.maxConnections = CONTROL_CONNECTIONS_MAX;
	const release = await listen(server, options.dataDirectory);
	server.on("error", (error) =>
		options.log.warn("control socket failed", { error }),
	);
	return {
		async stop() {
			const closed = new Promise((resolve) => server.close(resolve));
			for (const socket of connections) socket.destroySoon();
			const cancel = options.clock.after(500, () => {
				for (const socket of connections) socket.destroy();
			});
			await closed;
			cancel();
			release();
		},
	};
}

async function listen(
	server: Server,
	dataDirectory: string,
): Promise<() => void> {
	const file = join(dataDirectory, "control.sock");
	rmSync(file, { force: true });
	const at = controlSocketPath(dataDirectory);
	try {
		await new Promise<void>((resolve, reject) => {
			server.once("error", reject);
			server.listen(at.path, () => {
				server.off("error", reject);
				resolve();
			});
		});
		chmodSync(file, 0o600);
	} catch (error) {
		at.release();
		throw new OperatorFault(
			`cannot make the control socket ${file} (${(error as NodeJS.ErrnoException).code}); see that the folder lies on a local disk with room`,
		);
	}
	return at.release;
}

/** Answers the one request of a connection. Reading goes on meanwhile, so that its end is seen. */
function serve(socket: Socket, options: ControlOptions): void {
	const gone = new AbortController();
	socket.on("error", () => socket.destroy()); // the other end went away: nothing to tell
	socket.on("close", () => gone.abort());
	const send = (reply: ControlReply): void => {
		// A reader that has stopped reading (a suspended `status --watch`) must not fill our memory.
		if (socket.writableLength > CONTROL_MESSAGE_BYTES_MAX) socket.destroy();
		else if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`);
	};
	const context: Context = {
		...options,
		signal: gone.signal,
		item: (item) => send({ item }),
	};
	const answer = (reply: ControlReply) => {
		send(reply);
		socket.end();
	};
	let asked = false;
	readLines(
		socket,
		(request) => {
			if (asked) return socket.destroy();
			asked = true;
			return void run(request, context).then(answer);
		},
		(why) => answer({ fault: why, usage: true }),
	);
}

async function run(value: unknown, context: Context): Promise<ControlReply> {
	try {
		const { method, params } = requestOf(value);
		const row = methods[method];
		if (row === undefined)
			throw new WrongUsage(
				`the node does not know "${method}"; run the same version of pmnode as the node`,
			);
		return { result: (await row(context, params)) ?? null };
	} catch (error) {
		return replyOf(error, context.log);
	}
}

function requestOf(value: unknown): {
	method: string;
	params: Record<string, unknown>;
} {
	const { method, params } = (value ?? {}) as Record<string, unknown>;
	if (typeof method !== "string" || typeof params !== "object" || !params)
		throw new WrongUsage("not a request");
	return { method, params: params as Record<string, unknown> };
}

function replyOf(error: unknown, log: Log): ControlReply {
	if (error instanceof WrongUsage || error instanceof BadId)
		return { fault: error.message, usage: true };
	if (
		error instanceof OperatorFault ||
		error instanceof ClientFault ||
		error instanceof Temporary
	)
		return { fault: error.message, usage: false };
	log.error("a control command failed", { error });
	return {
		fault: `the node failed inside (${(error as Error)?.message}); its log says more`,
		usage: false,
	};
}
