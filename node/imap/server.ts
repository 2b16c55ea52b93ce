/**
 * The IMAP server (RFC 3501): listens, counts connections, and hands each to a session. This folder speaks IMAP with
 * clients on top of the interfaces in sync/api.ts, and keeps no mail of its own. What must never live here: knowledge of
 * how nodes agree, of SMTP, or of the clock and the disk but through ports.
 *
 * Reading order: commands.ts (the table), serve.ts (one session's loop), command/store.ts (a command), difference.ts (what
 * a client knows), parser.ts. memory.ts is the twin of an account that the tests run on.
 */
import { createServer, type Server, type Socket } from "node:net";
import {
	IMAP_COMMAND_MESSAGES_MAX,
	IMAP_COMPRESSED_MAX,
	IMAP_CONNECTIONS_MAX,
	IMAP_CONNECTIONS_PER_SOURCE_MAX,
} from "../../sync/limits.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { Authenticator } from "../accounts/authenticator.ts";
import { sourceOf } from "../accounts/source.ts";
import type { HostPort } from "../config.ts";
import type { MailBodies } from "../mime/prime.ts";
import type { MessageTexts } from "../search/types.ts";
import type { TlsSource } from "../tls/source.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { SortColumns } from "./search/columns.ts";
import { SortOrders } from "./search/orders.ts";
import { ThreadAnswers } from "./search/threads.ts";
import type { Surroundings } from "./session.ts";
import type { MessageStructures } from "./structures.ts";

export interface ImapServerOptions {
	/** Port 0 takes any free one. */
	readonly listen: HostPort;
	/** TLS from the start (imaps) instead of STARTTLS. */
	readonly implicitTls: boolean;
	readonly hostname: string;
	readonly tls: TlsSource;
	readonly authenticator: Authenticator;
	readonly bodies: MailBodies;
	readonly structures: MessageStructures;
	readonly texts: MessageTexts;
	readonly clock: Clock;
	readonly log: Log;
	/** LOGIN without TLS also from elsewhere than loopback. */
	readonly allowPlaintextAuth: boolean;
	/** Default: yes. */
	readonly allowUnauthenticate?: boolean;
	/** Default: IMAP_COMMAND_MESSAGES_MAX. */
	readonly messagesPerCommandMax?: number;
}

export interface ImapServer {
	/** Where it listens. */
	address(): HostPort;
	/** Open connections. */
	connections(): number;
	/**
	 * Listens no more; each session ends with `* BYE`, but a command that runs may come to its end within
	 * `graceMilliseconds`. Resolves when all connections are closed.
	 */
	stop(graceMilliseconds: number): Promise<void>;
}

/** Starts listening. Rejects with the system's error (EADDRINUSE, EACCES) when that is not possible. */
export async function startImapServer(
	options: ImapServerOptions,
): Promise<ImapServer> {
	const connections = new Connections(options);
	const server = createServer(
		{ allowHalfOpen: true, pauseOnConnect: false },
		(socket) => connections.accept(socket),
	);
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(options.listen.port, options.listen.host, () => {
			server.off("error", reject);
			resolve();
		});
	});
	server.on("error", (error) =>
		options.log.error("cannot accept IMAP connections", { error }),
	);
	const address = addressOf(server);
	return {
		address: () => address,
		connections: () => connections.count,
		async stop(graceMilliseconds) {
			server.close();
			await connections.stop(graceMilliseconds);
		},
	};
}

function addressOf(server: Server): HostPort {
	const address = server.address();
	if (address === null || typeof address === "string")
		throw new Error("the IMAP server does not listen");
	return { host: address.address, port: address.port };
}

class Connections {
	readonly #options: ImapServerOptions;
	readonly #ofConnections: ConnectionOptions;
	readonly #open = new Map<Socket, Connection>();
	readonly #bySource = new Map<string, number>();
	#compressed = 0;
	#stopped: (() => void) | undefined;

	constructor(options: ImapServerOptions) {
		this.#options = options;
		const surroundings: Surroundings = {
			...options,
			columns: new SortColumns(),
			orders: new SortOrders(),
			threads: new ThreadAnswers(),
			allowUnauthenticate: options.allowUnauthenticate ?? true,
			messagesPerCommandMax:
				options.messagesPerCommandMax ?? IMAP_COMMAND_MESSAGES_MAX,
		};
		this.#ofConnections = {
			surroundings,
			tls: options.tls,
			implicitTls: options.implicitTls,
			compress: () => this.#compress(),
		};
	}

	get count(): number {
		return this.#open.size;
	}

	accept(socket: Socket): void {
		const source = sourceOf(socket.remoteAddress ?? "");
		const fromSource = this.#bySource.get(source) ?? 0;
		if (
			this.#stopped !== undefined ||
			this.#open.size >= IMAP_CONNECTIONS_MAX ||
			fromSource >= IMAP_CONNECTIONS_PER_SOURCE_MAX
		) {
			this.#refuse(socket);
			return;
		}
		const connection = new Connection(socket, this.#ofConnections);
		this.#open.set(socket, connection);
		this.#bySource.set(source, fromSource + 1);
		socket.once("close", () => this.#forget(socket, source));
		void connection.run();
	}

	#compress(): (() => void) | undefined {
		if (this.#compressed >= IMAP_COMPRESSED_MAX) return undefined;
		this.#compressed++;
		return () => {
			this.#compressed--;
		};
	}

	#refuse(socket: Socket): void {
		socket.on("error", () => {});
		if (!this.#options.implicitTls)
			socket.write("* BYE [UNAVAILABLE] Too many connections\r\n");
		socket.destroySoon();
	}

	#forget(socket: Socket, source: string): void {
		this.#open.delete(socket);
		const left = (this.#bySource.get(source) ?? 1) - 1;
		if (left === 0) this.#bySource.delete(source);
		else this.#bySource.set(source, left);
		if (this.#open.size === 0) this.#stopped?.();
	}

	async stop(graceMilliseconds: number): Promise<void> {
		const stopped = new Promise<void>((resolve) => {
			this.#stopped = resolve;
		});
		if (this.#open.size === 0) return;
		for (const { session } of this.#open.values())
			session.stop("Server is shutting down");
		const cancel = this.#options.clock.after(graceMilliseconds, () => {
			for (const connection of this.#open.values()) connection.destroy();
		});
		await stopped;
		cancel();
	}
}
