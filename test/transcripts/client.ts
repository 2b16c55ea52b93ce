/** A client that sends octets as they are and hands out whole responses: lines with the literals that they announce. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, TLSSocket } from "node:tls";
import {
	constants,
	createDeflateRaw,
	createInflateRaw,
	type DeflateRaw,
} from "node:zlib";
import { literalAtEnd } from "../../node/imap/parser.ts";

const PATIENCE_MILLISECONDS = 30_000;

export class RawClient {
	#socket: Socket;
	#buffer = Buffer.alloc(0);
	#ended = false;
	#wake = () => {};
	#deflate: DeflateRaw | undefined;

	private constructor(socket: Socket) {
		this.#socket = socket;
		this.#listen();
	}

	static async connect(port: number, tls = false): Promise<RawClient> {
		const socket = tls
			? connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false })
			: connect(port, "127.0.0.1");
		const client = new RawClient(socket);
		await once(socket, tls ? "secureConnect" : "connect");
		return client;
	}

	#listen(): void {
		this.#socket.on("data", (chunk: Buffer) => this.#feed(chunk));
		this.#socket.on("error", () => {});
		this.#socket.on("close", () => this.#end());
	}

	#end(): void {
		this.#ended = true;
		this.#wake();
	}

	#feed(chunk: Buffer): void {
		this.#buffer = Buffer.concat([this.#buffer, chunk]);
		this.#wake();
	}

	/** Octets as a latin1 text. */
	send(octets: string): void {
		const bytes = Buffer.from(octets, "latin1");
		if (this.#deflate === undefined) {
			this.#socket.write(bytes);
			return;
		}
		this.#deflate.write(bytes);
		this.#deflate.flush();
	}

	/** After the OK of COMPRESS DEFLATE: both ways are deflated from here on. */
	startCompression(): void {
		this.#socket.removeAllListeners("data").removeAllListeners("close");
		this.#deflate = createDeflateRaw();
		this.#deflate.pipe(this.#socket, { end: false });
		const inflate = createInflateRaw({
			finishFlush: constants.Z_SYNC_FLUSH,
		});
		this.#socket.pipe(inflate);
		inflate.on("data", (chunk: Buffer) => this.#feed(chunk));
		inflate.on("close", () => this.#end());
		this.#socket.on("close", () => inflate.end());
	}

	get socket(): Socket {
		return this.#socket;
	}

	async startTls(): Promise<void> {
		this.#socket.removeAllListeners("data");
		const secure = connectTls({
			socket: this.#socket,
			rejectUnauthorized: false,
		});
		this.#socket = secure;
		this.#listen();
		await once(secure, "secureConnect");
	}

	get isTls(): boolean {
		return this.#socket instanceof TLSSocket;
	}

	/** The next response without its final CRLF; undefined when the server has closed the connection. */
	async response(): Promise<string | undefined> {
		for (;;) {
			const end = this.#responseEnd();
			if (end !== undefined) {
				const text = this.#buffer.toString("latin1", 0, end);
				this.#buffer = this.#buffer.subarray(end + 2);
				return text;
			}
			if (this.#ended) return undefined;
			await this.#more();
		}
	}

	/** Responses up to the tagged one, which is the last. */
	async until(tag: string): Promise<string[]> {
		const responses: string[] = [];
		for (;;) {
			const response = await this.response();
			if (response === undefined)
				throw new Error(`closed before ${tag}: ${responses.slice(-3)}`);
			responses.push(response);
			if (response.startsWith(`${tag} `)) return responses;
		}
	}

	/** Sends a command line (without CRLF), and returns all that comes up to its tagged response. */
	command(line: string): Promise<string[]> {
		this.send(`${line}\r\n`);
		return this.until(line.slice(0, line.indexOf(" ")));
	}

	#responseEnd(): number | undefined {
		let at = 0;
		for (;;) {
			const end = this.#buffer.indexOf("\r\n", at);
			if (end < 0) return undefined;
			const literal = literalAtEnd(this.#buffer.subarray(at, end));
			if (literal === undefined) return end;
			at = end + 2 + literal.sizeBytes;
			if (at > this.#buffer.length) return undefined;
		}
	}

	async #more(): Promise<void> {
		await new Promise<void>((resolve, reject) => {
			const timer = setTimeout(
				() =>
					reject(
						new Error(
							`nothing more came; so far ${JSON.stringify(this.#buffer.toString("latin1").slice(0, 500))}`,
						),
					),
				PATIENCE_MILLISECONDS,
			);
			this.#wake = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}

	close(): void {
		this.#socket.destroy();
	}
}
