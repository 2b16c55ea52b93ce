/** One client's connection: bytes between socket and session, TLS on the way, and how long a client may be silent. */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import {
	IMAP_IDLE_MILLISECONDS_MAX,
	IMAP_LOGIN_MILLISECONDS_MAX,
} from "../../sync/limits.ts";
import type { Cancel } from "../../sync/ports/clock.ts";
import { channelBinding } from "../accounts/channel.ts";
import { isLoopback } from "../accounts/source.ts";
import type { TlsSource } from "../tls/source.ts";
import { Bye, Disconnected } from "./answer.ts";
import { Compressed } from "./compressed.ts";
import { Input } from "./input.ts";
import { Output } from "./output.ts";
import { serve } from "./serve.ts";
import { Session, type Surroundings, type Transport } from "./session.ts";

/** What the client has not read of the last answers by then is lost. */
const LINGER_MILLISECONDS = 10_000;
const KEEPALIVE_MILLISECONDS = 120_000;
/** How soon a session that was found busy is looked at again. */
const BUSY_MILLISECONDS = 10_000;

export interface ConnectionOptions {
	readonly surroundings: Surroundings;
	readonly tls: TlsSource;
	readonly implicitTls: boolean;
	/** Takes a place for a compressed connection; undefined: none is free. */
	readonly compress: () => (() => void) | undefined;
}

export class Connection implements Transport {
	readonly remoteIp: string;
	readonly isLoopback: boolean;
	readonly session: Session;
	readonly #options: ConnectionOptions;
	readonly #socket: Socket;
	#stream: Duplex;
	#secure: TLSSocket | undefined;
	/** The certificate of the handshake, as PEM. */
	#certificate = "";
	/** In a TLS handshake. */
	#isUpgrading = false;
	#compressed: Compressed | undefined;
	#leaveCompressed: (() => void) | undefined;
	#lastInput: number;
	/** Since when the client has to log in. */
	#loginSince: number;
	#cancelWatch: Cancel = () => {};
	/** Leaves the stream to whoever takes it over. */
	#detach: () => void = () => {};
	#isFinished = false;

	constructor(socket: Socket, options: ConnectionOptions) {
		const { clock } = options.surroundings;
		this.#options = options;
		this.#socket = socket;
		this.#stream = socket;
		this.#lastInput = clock.monotonic();
		this.#loginSince = this.#lastInput;
		this.remoteIp = socket.remoteAddress ?? "";
		this.isLoopback = isLoopback(this.remoteIp);
		const output = new Output(socket, clock);
		const input = new Input({
			pause: () => this.#stream.pause(),
			resume: () => this.#stream.resume(),
			beforeWait: () => output.flush(),
		});
		this.session = new Session(options.surroundings, this, input, output);
		// An answer must not wait for the acknowledgement of the one before it.
		socket.setNoDelay(true);
		socket.setKeepAlive(true, KEEPALIVE_MILLISECONDS);
		socket.once("close", () => this.#closed());
		socket.on("error", (error) => this.#failed(error));
	}

	/** Serves the client; resolves when the session is over. Never rejects. */
	async run(): Promise<void> {
		const { clock } = this.#options.surroundings;
		this.#watch(IMAP_LOGIN_MILLISECONDS_MAX);
		try {
			if (this.#options.implicitTls) await this.startTls();
			else this.#attach(this.#socket);
			await serve(this.session);
		} catch (error) {
			// Only the handshake of implicit TLS ends here.
			this.#failed(error);
		}
		this.#isFinished = true;
		this.#cancelWatch();
		if (this.#socket.destroyed) return;
		this.#stream.resume();
		this.#stream.end();
		this.#cancelWatch = clock.after(LINGER_MILLISECONDS, () =>
			this.#socket.destroy(),
		);
	}

	isSecure(): boolean {
		return this.#secure !== undefined;
	}

	channelBinding(type: string): Uint8Array | undefined {
		return (
			this.#secure && channelBinding(type, this.#secure, this.#certificate)
		);
	}

	async startTls(): Promise<void> {
		const { output } = this.session;
		const socket = this.#socket;
		output.flush();
		this.#detach();
		this.#certificate = this.#options.tls.pem().cert;
		const secure = new TLSSocket(socket, {
			isServer: true,
			secureContext: this.#options.tls.secureContext(),
		});
		secure.on("error", (error) => this.#failed(error));
		this.#isUpgrading = true;
		await handshake(secure, socket);
		this.#isUpgrading = false;
		this.#secure = secure;
		this.#attach(secure);
		output.attach(secure);
	}

	isCompressed(): boolean {
		return this.#compressed !== undefined;
	}

	mayCompress(): boolean {
		this.#leaveCompressed ??= this.#options.compress();
		return this.#leaveCompressed !== undefined;
	}

	startCompression(): void {
		const { input, output } = this.session;
		output.flush();
		this.#detach();
		const compressed = new Compressed(this.#stream, input.takeAll(), (why) =>
			input.interrupt(new Bye(why)),
		);
		compressed.on("close", () => this.#socket.destroy());
		this.#compressed = compressed;
		this.#attach(compressed);
		output.attach(compressed);
	}

	/** Ends the connection at once. */
	destroy(): void {
		this.#socket.destroy();
	}

	#attach(stream: Duplex): void {
		const { input, output } = this.session;
		const { clock } = this.#options.surroundings;
		const data = (chunk: Buffer) => {
			if (this.#isFinished) return;
			this.#lastInput = clock.monotonic();
			input.feed(chunk);
		};
		const end = () => input.end();
		const drain = () => output.drained();
		this.#stream = stream;
		stream.on("data", data).on("end", end).on("drain", drain);
		this.#detach = () => {
			stream.off("data", data).off("end", end).off("drain", drain);
		};
	}

	#closed(): void {
		this.session.input.end();
		this.session.output.close();
		this.#compressed?.destroy();
		this.#leaveCompressed?.();
		this.#cancelWatch();
	}

	#failed(error: unknown): void {
		this.session.log.debug("IMAP connection failed", { error });
		this.#socket.destroy();
	}

	loggedOut(): void {
		this.#loginSince = this.#options.surroundings.clock.monotonic();
		this.#cancelWatch();
		this.#watch(IMAP_LOGIN_MILLISECONDS_MAX);
	}

	/** One timer a connection, set anew only when it runs: commands cost no timers. */
	#watch(delayMilliseconds: number): void {
		const { clock } = this.#options.surroundings;
		this.#cancelWatch = clock.after(delayMilliseconds, () => {
			if (this.#isUpgrading) this.destroy();
			else if (this.session.input.waiting) this.#watchSilence();
			else this.#watch(BUSY_MILLISECONDS);
		});
	}

	#watchSilence(): void {
		const { input, account } = this.session;
		const { clock } = this.#options.surroundings;
		if (account === undefined) {
			const passed = clock.monotonic() - this.#loginSince;
			if (passed < IMAP_LOGIN_MILLISECONDS_MAX)
				this.#watch(IMAP_LOGIN_MILLISECONDS_MAX - passed);
			else input.interrupt(new Bye("Too slow to log in"));
			return;
		}
		const silentMilliseconds = clock.monotonic() - this.#lastInput;
		const left = IMAP_IDLE_MILLISECONDS_MAX - silentMilliseconds;
		if (left > 0) this.#watch(left);
		else input.interrupt(new Bye("Silent for too long"));
	}
}

/** Rejects with Disconnected. Leaves nothing behind that would stay in memory with the connection. */
async function handshake(secure: TLSSocket, socket: Socket): Promise<void> {
	const { promise, resolve, reject } = Promise.withResolvers<void>();
	const gone = () => reject(new Disconnected("the client has gone"));
	secure.once("secure", resolve).once("end", gone);
	socket.once("close", gone);
	try {
		// It closed its half in the clear: there will be no handshake.
		if (socket.readableEnded) gone();
		await promise;
	} finally {
		secure.off("secure", resolve).off("end", gone);
		socket.off("close", gone);
	}
}
