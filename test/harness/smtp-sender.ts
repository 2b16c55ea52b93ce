/**
 * SMTP for load and for tests that need mail in: MAIL, RCPT and DATA in one write (RFC 2920), the message and its end in the next, replies
 * counted rather than parsed. The load driver shares the cores with what it measures, so this does as little as it can.
 */
import { connect, type Socket } from "node:net";
import type { Endpoint } from "./node.ts";

export class SmtpSender {
	readonly #socket: Socket;
	#text = "";
	#waiting: ((line: string) => void)[] = [];
	#failed: ((error: Error) => void)[] = [];
	#ended: Error | undefined;
	#lines: string[] = [];

	private constructor(socket: Socket) {
		this.#socket = socket;
		socket.setNoDelay(true);
		socket.setEncoding("latin1");
		socket.on("data", (text: string) => this.#take(text));
		socket.on("error", (error) => this.#end(error));
		socket.on("close", () => this.#end(new Error("SMTP connection closed")));
	}

	/** Resolves after EHLO. */
	static async connect({ host, port }: Endpoint): Promise<SmtpSender> {
		const sender = new SmtpSender(connect({ host, port }));
		await sender.#expect("220");
		sender.#socket.write("EHLO bench.test\r\n");
		await sender.#expect("250");
		return sender;
	}

	/** Sends one message that needs no dot-stuffing. Resolves at its 250, rejects at any other answer. */
	async send(
		sender: string,
		recipients: readonly string[],
		message: Buffer,
	): Promise<void> {
		this.#socket.write(
			`MAIL FROM:<${sender}>\r\n${recipients.map((each) => `RCPT TO:<${each}>\r\n`).join("")}DATA\r\n`,
		);
		await this.#expect("250");
		for (const _ of recipients) await this.#expect("250");
		await this.#expect("354");
		this.#socket.cork();
		this.#socket.write(message);
		this.#socket.write(message.at(-1) === 0x0a ? ".\r\n" : "\r\n.\r\n");
		this.#socket.uncork();
		await this.#expect("250");
	}

	quit(): void {
		this.#socket.end("QUIT\r\n");
		this.#socket.unref();
	}
	close(): void {
		this.#socket.destroy();
	}

	async #expect(code: string): Promise<void> {
		const line = await this.#reply();
		if (!line.startsWith(code))
			throw new Error(`SMTP: wanted ${code}, got ${line}`);
	}

	/** The last line of the next reply. */
	#reply(): Promise<string> {
		const line = this.#lines.shift();
		if (line !== undefined) return Promise.resolve(line);
		if (this.#ended) return Promise.reject(this.#ended);
		return new Promise((resolve, reject) => {
			this.#waiting.push(resolve);
			this.#failed.push(reject);
		});
	}

	#take(text: string): void {
		this.#text += text;
		for (;;) {
			const end = this.#text.indexOf("\r\n");
			if (end < 0) return;
			const line = this.#text.slice(0, end);
			this.#text = this.#text.slice(end + 2);
			if (line[3] === "-") continue;
			this.#failed.shift();
			const waiting = this.#waiting.shift();
			if (waiting) waiting(line);
			else this.#lines.push(line);
		}
	}

	#end(error: Error): void {
		if (this.#ended) return;
		this.#ended = error;
		for (const reject of this.#failed) reject(error);
		this.#failed = [];
		this.#waiting = [];
	}
}
