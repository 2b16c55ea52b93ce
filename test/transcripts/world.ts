/** An IMAP server on memory twins, for transcripts and tests of the protocol. */

import { createSecureContext } from "node:tls";
import { generate } from "selfsigned";
import { deriveScram } from "../../node/accounts/scram.ts";
import { MemoryAccount } from "../../node/imap/memory.ts";
import {
	MemoryBodies,
	ParsedStructures,
	ReadTexts,
} from "../../node/imap/memory-bodies.ts";
import { MemoryAuthenticator } from "../../node/imap/memory-logins.ts";
import { type ImapServer, startImapServer } from "../../node/imap/server.ts";
import type { TlsSource } from "../../node/tls/source.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import { realClock } from "../../sync/real/clock.ts";
import { realRandom } from "../../sync/real/random.ts";

/** Collects errors; everything else is dropped. */
export class ErrorLog implements Log {
	readonly errors: string[] = [];
	debug() {}
	info() {}
	warn() {}
	error(message: string, fields?: Readonly<Record<string, unknown>>) {
		const error = fields?.error;
		this.errors.push(
			`${message}: ${error instanceof Error ? error.stack : String(error)}`,
		);
	}
	child() {
		return this;
	}
}

export interface World {
	readonly server: ImapServer;
	readonly account: MemoryAccount;
	readonly other: MemoryAccount;
	readonly bodies: MemoryBodies;
	readonly authenticator: MemoryAuthenticator;
	readonly log: ErrorLog;
	/** Puts a message with this text into INBOX (or another mailbox). */
	deliver(text: string, mailbox?: string, flags?: string[]): void;
	stop(): Promise<void>;
}

export interface WorldOptions {
	readonly clock?: Clock;
	readonly implicitTls?: boolean;
	readonly host?: string;
	readonly messagesPerCommandMax?: number;
	readonly allowUnauthenticate?: boolean;
}

let scramOfSecret: ReturnType<typeof deriveScram> | undefined;
let certificate: Promise<{ cert: string; private: string }> | undefined;

async function memoryTls(): Promise<TlsSource> {
	certificate ??= generate([{ name: "commonName", value: "imap.test" }], {
		keyType: "ec",
	});
	const { cert, private: key } = await certificate;
	const context = createSecureContext({ cert, key });
	return {
		secureContext: () => context,
		pem: () => ({ cert, key }),
		onReload: () => () => {},
		close: () => {},
	};
}

/** Users `ann@example.org` and `bob@example.org`, password `secret`. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
	const clock = options.clock ?? realClock;
	const bodies = new MemoryBodies();
	const authenticator = new MemoryAuthenticator(realRandom);
	const account = new MemoryAccount("ann@example.org", clock);
	const other = new MemoryAccount("bob@example.org", clock);
	scramOfSecret ??= deriveScram("secret", realRandom);
	const keys = await scramOfSecret;
	authenticator.add("ann@example.org", "secret", account, keys);
	authenticator.add("bob@example.org", "secret", other);
	const log = new ErrorLog();
	const server = await startImapServer({
		listen: { host: options.host ?? "127.0.0.1", port: 0 },
		implicitTls: options.implicitTls ?? false,
		hostname: "imap.test",
		tls: await memoryTls(),
		authenticator,
		bodies,
		structures: new ParsedStructures(bodies),
		texts: new ReadTexts(bodies),
		clock,
		log,
		allowPlaintextAuth: false,
		...(options.messagesPerCommandMax === undefined
			? {}
			: { messagesPerCommandMax: options.messagesPerCommandMax }),
		...(options.allowUnauthenticate === undefined
			? {}
			: { allowUnauthenticate: options.allowUnauthenticate }),
	});
	return {
		server,
		account,
		other,
		bodies,
		authenticator,
		log,
		deliver(text, mailbox = "INBOX", flags = []) {
			const body = bodies.put(Buffer.from(text));
			account.mailbox(mailbox).add({
				body,
				flags,
				internalDateMilliseconds: Date.UTC(2026, 0, 2, 3, 4, 5),
			});
		},
		stop: () => server.stop(1_000),
	};
}
