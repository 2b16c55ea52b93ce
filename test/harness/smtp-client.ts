/**
 * A raw SMTP client for tests: says exactly what it is told, in the chunks it is told, and hands back replies. It knows
 * no policy, so that a test can also say what no decent client would.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

export interface SmtpReply {
	readonly code: number;
	/** Text of each line, without the code; enhanced status codes are part of it. */
	readonly lines: readonly string[];
	/** The last line with its code, e.g. `250 2.0.0 OK`. */
	readonly text: string;
}

export interface SmtpAddress {
	readonly host: string;
	readonly port: number;
	/** TLS from the start. */
	readonly tls?: boolean;
	/** Source address, e.g. 127.0.0.2. */
	readonly localAddress?: string;
}

/** The server closed the connection before the reply came. */
export class SmtpClosed extends Error {
	override name = "SmtpClosed";
}

interface Waiting {
	resolve(reply: SmtpReply): void;
	reject(error: Error): void;
}

export class SmtpClient {
	#socket: Socket | TLSSocket;
	#buffer = "";
	#lines: string[] = [];
	readonly #replies: SmtpReply[] = [];
	readonly #waiting: Waiting[] = [];
	#isClosed = false;
	/** Resolves when the connection is closed, by whichever side. */
	closed: Promise<void>;

	private constructor(socket: Socket | TLSSocket) {
		this.#socket = socket;
		this.closed = this.#listen(socket);
	}

	/** Connects, without waiting for the greeting: that is the first reply(). */
	static async connect(to: SmtpAddress): Promise<SmtpClient> {
		const { host, port, localAddress } = to;
		const options = localAddress
			? { host, port, localAddress }
			: { host, port };
		const socket = to.tls
			? connectTls({ ...options, rejectUnauthorized: false })
			: connectTcp(options);
		socket.setNoDelay(true);
		const client = new SmtpClient(socket);
		await new Promise<void>((resolve, reject) => {
			socket.once(to.tls ? "secureConnect" : "connect", resolve);
			socket.once("error", reject);
			socket.once("close", () => reject(new SmtpClosed("while connecting")));
		});
		return client;
	}

	/** Connects, reads the greeting and says EHLO. */
	static async greeted(to: SmtpAddress): Promise<SmtpClient> {
		const client = await SmtpClient.connect(to);
		await client.reply();
		await client.command("EHLO client.test");
		return client;
	}

	/** The next reply, also one that came before it was asked for. Rejects with SmtpClosed. */
	reply(): Promise<SmtpReply> {
		const reply = this.#replies.shift();
		if (reply) return Promise.resolve(reply);
		if (this.#isClosed)
			return Promise.reject(new SmtpClosed("no more replies"));
		return new Promise((resolve, reject) =>
			this.#waiting.push({ resolve, reject }),
		);
	}

	/** Sends one line and waits for its reply. */
	command(line: string): Promise<SmtpReply> {
		void this.raw(`${line}\r\n`);
		return this.reply();
	}

	/** Sends all lines in one write and waits for as many replies. */
	pipeline(lines: readonly string[]): Promise<SmtpReply[]> {
		void this.raw(lines.map((line) => `${line}\r\n`).join(""));
		return Promise.all(lines.map(() => this.reply()));
	}

	/** Sends bytes as they are (text as UTF-8). Resolves when they were handed to the system. */
	raw(bytes: string | Uint8Array): Promise<void> {
		return new Promise((resolve) => {
			this.#socket.write(bytes, () => resolve());
		});
	}

	/** Says STARTTLS, and after a 220 changes to TLS. */
	async startTls(): Promise<SmtpReply> {
		const reply = await this.command("STARTTLS");
		if (reply.code !== 220) return reply;
		const plain = this.#socket;
		plain.removeAllListeners("data");
		const secure = connectTls({ socket: plain, rejectUnauthorized: false });
		this.#socket = secure;
		this.closed = this.#listen(secure);
		await new Promise<void>((resolve, reject) => {
			secure.once("secureConnect", resolve);
			secure.once("error", reject);
		});
		return reply;
	}

	/** DER of the server's certificate, once TLS is on. */
	peerCertificate(): Buffer | undefined {
		return "getPeerCertificate" in this.#socket
			? this.#socket.getPeerCertificate().raw
			: undefined;
	}

	/** Data of the channel binding type tls-exporter (RFC 9266). */
	exportKeyingMaterial(): Buffer {
		if (!("exportKeyingMaterial" in this.#socket)) throw new Error("no TLS");
		return this.#socket.exportKeyingMaterial(
			32,
			"EXPORTER-Channel-Binding",
			Buffer.alloc(0),
		);
	}

	/** AUTH PLAIN with initial response. */
	authPlain(user: string, password: string): Promise<SmtpReply> {
		const token = Buffer.from(`\0${user}\0${password}`).toString("base64");
		return this.command(`AUTH PLAIN ${token}`);
	}

	/** MAIL and RCPT in one write, then DATA; stops at the first refusal. The last reply is the one that counts. */
	async send(message: {
		readonly from: string;
		readonly to: readonly string[];
		/** Lines end in CRLF; dots are stuffed here. */
		readonly content: string | Uint8Array;
	}): Promise<SmtpReply> {
		const envelope = await this.pipeline([
			`MAIL FROM:<${message.from}>`,
			...message.to.map((address) => `RCPT TO:<${address}>`),
		]);
		const refused = envelope.find(({ code }) => code !== 250);
		if (refused) return refused;
		const go = await this.command("DATA");
		if (go.code !== 354) return go;
		return this.content(message.content);
	}

	/** What comes after the 354: content, stuffed, and the end. */
	content(content: string | Uint8Array): Promise<SmtpReply> {
		void this.raw(dotStuffed(content));
		return this.reply();
	}

	/** QUIT; resolves when the server has closed. */
	async quit(): Promise<void> {
		await this.command("QUIT");
		this.#socket.end();
		await this.closed;
	}

	/** Cuts the connection without a word. */
	destroy(): void {
		this.#socket.destroy();
	}

	#listen(socket: Socket | TLSSocket): Promise<void> {
		socket.on("data", (chunk: Buffer) => this.#hear(chunk.toString("utf8")));
		// A reset is followed by "close", which is what tests look at.
		socket.on("error", () => {});
		return new Promise((resolve) =>
			socket.once("close", () => {
				if (this.#socket === socket) this.#ended();
				resolve();
			}),
		);
	}

	#hear(text: string): void {
		this.#buffer += text;
		for (;;) {
			const end = this.#buffer.indexOf("\r\n");
			if (end === -1) return;
			const line = this.#buffer.slice(0, end);
			this.#buffer = this.#buffer.slice(end + 2);
			this.#lines.push(line.slice(4));
			if (line[3] !== "-")
				this.#replied({
					code: Number(line.slice(0, 3)),
					lines: this.#lines.splice(0),
					text: line,
				});
		}
	}

	#replied(reply: SmtpReply): void {
		const waiting = this.#waiting.shift();
		if (waiting) waiting.resolve(reply);
		else this.#replies.push(reply);
	}

	#ended(): void {
		this.#isClosed = true;
		for (const { reject } of this.#waiting.splice(0))
			reject(new SmtpClosed("the server closed the connection"));
	}
}

/** Content as it goes over the wire after DATA (RFC 5321 §4.5.2), with the end of data. */
export function dotStuffed(content: string | Uint8Array): Buffer {
	const text = Buffer.from(content).toString("latin1");
	const stuffed = text.replace(/(^|\r\n)\./g, "$1..");
	const end = stuffed === "" || stuffed.endsWith("\r\n") ? "" : "\r\n";
	return Buffer.from(`${stuffed}${end}.\r\n`, "latin1");
}
