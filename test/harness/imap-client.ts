/** A small raw IMAP client for tests and the load driver: says what it is told and keeps what comes back, judging nothing. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type Line, LineCutter, toLine } from "./imap-lines.ts";
import { within } from "./until.ts";

export type { Line };

export interface Reply {
	readonly status: "OK" | "NO" | "BAD";
	/** What follows the status, with its response code, e.g. `[READ-WRITE] done`. */
	readonly text: string;
	readonly untagged: readonly Line[];
}
export interface Target {
	readonly host: string;
	readonly port: number;
	/** TLS from the start; certificates are not verified. */
	readonly tls?: boolean;
}
export interface Selected {
	readonly exists: number;
	readonly uidValidity: number;
	readonly uidNext: number;
}
export interface Fetched {
	readonly uid: number;
	/** Sorted, without \Recent. */
	readonly flags: readonly string[];
	readonly messageId: string;
}
export interface Idling {
	/** The next untagged line from now on for which `accept` is true. */
	next(
		accept: (line: Line) => boolean,
		timeoutMilliseconds?: number,
	): Promise<Line>;
	done(): Promise<void>;
}

/** Strings go as they are, bytes as literals. */
export type Part = string | Uint8Array;
export const quoted = (text: string): string =>
	`"${text.replace(/[\\"]/g, "\\$&")}"`;

const REPLY_MILLISECONDS = 60_000;

interface Pending {
	readonly tag: string;
	readonly collect: boolean;
	readonly untagged: Line[];
	readonly resolve: (reply: Reply) => void;
	readonly reject: (error: Error) => void;
}

export class ImapClient {
	readonly greeting: Promise<string>;
	/** Untagged lines of the last command, counted also when they were not collected. */
	untaggedCount = 0;
	/** Bytes received so far. */
	receivedBytes = 0;
	readonly #socket: Socket;
	#sent = 0;
	#pending: Pending | undefined;
	#continuation: ((text: string) => void) | undefined;
	#greet: ((text: string) => void) | undefined;
	#ended: Error | undefined;
	readonly #onUntagged = new Set<(line: Line) => void>();
	readonly #onEnd = new Set<(error: Error) => void>();

	private constructor(socket: Socket) {
		this.#socket = socket;
		socket.setNoDelay(true);
		this.greeting = new Promise((resolve, reject) => {
			this.#greet = resolve;
			this.#onEnd.add(reject);
		});
		this.greeting.catch(() => {});
		const cutter = new LineCutter((line, literals) =>
			this.#take(line, literals),
		);
		socket.on("data", (chunk: Buffer) => {
			this.receivedBytes += chunk.length;
			cutter.push(chunk);
		});
		socket.on("error", (error) => this.#end(error));
		socket.on("close", () => this.#end(new Error("IMAP connection closed")));
	}

	/** Resolves when the greeting came. */
	static async connect(target: Target): Promise<ImapClient> {
		const { host, port } = target;
		const client = new ImapClient(
			target.tls
				? connectTls({ host, port, rejectUnauthorized: false })
				: connectTcp({ host, port }),
		);
		await within(
			`the IMAP greeting of ${host}:${port}`,
			REPLY_MILLISECONDS,
			client.greeting,
		);
		return client;
	}

	get closed(): boolean {
		return this.#ended !== undefined;
	}

	/** Runs for each untagged line, also outside commands. Returns what takes it off again. */
	onUntagged(run: (line: Line) => void): () => void {
		this.#onUntagged.add(run);
		return () => this.#onUntagged.delete(run);
	}

	/**
	 * Sends one command (parts that are bytes go as synchronising literals) and resolves to its tagged reply, whatever
	 * the status. With `collect: false` untagged lines are only counted.
	 */
	command(
		parts: Part | readonly Part[],
		options: { collect?: boolean; timeoutMilliseconds?: number } = {},
	): Promise<Reply> {
		const list = Array.isArray(parts)
			? (parts as readonly Part[])
			: [parts as Part];
		const what = typeof list[0] === "string" ? list[0].slice(0, 60) : "bytes";
		return within(
			`the reply to ${what}`,
			options.timeoutMilliseconds ?? REPLY_MILLISECONDS,
			this.#command(list, options.collect ?? true),
		);
	}

	/** As command(), but rejects unless the status is OK. */
	async ok(
		parts: Part | readonly Part[],
		options: { collect?: boolean; timeoutMilliseconds?: number } = {},
	): Promise<Reply> {
		const reply = await this.command(parts, options);
		if (reply.status !== "OK")
			throw new Error(
				`${String(parts).slice(0, 80)} → ${reply.status} ${reply.text}`,
			);
		return reply;
	}

	/** Bytes exactly as they are, for what command() would not send. */
	raw(bytes: string | Uint8Array): void {
		this.#socket.write(bytes);
	}

	async login(user: string, password: string): Promise<void> {
		await this.ok(`LOGIN ${quoted(user)} ${quoted(password)}`);
	}

	async select(mailbox: string, verb = "SELECT"): Promise<Selected> {
		const { untagged } = await this.ok(`${verb} ${quoted(mailbox)}`);
		const number = (pattern: RegExp) =>
			Number(
				untagged.map((line) => pattern.exec(line.text)?.[1]).find(Boolean),
			);
		return {
			exists: number(/^(\d+) EXISTS$/i),
			uidValidity: number(/\[UIDVALIDITY (\d+)\]/i),
			uidNext: number(/\[UIDNEXT (\d+)\]/i),
		};
	}

	/** Numbers of STATUS by their names in upper case. */
	async mailboxStatus(
		mailbox: string,
		items = "MESSAGES UIDNEXT UIDVALIDITY UNSEEN",
	): Promise<Record<string, number>> {
		const { untagged } = await this.ok(`STATUS ${quoted(mailbox)} (${items})`);
		const line = untagged.find((each) => /^STATUS /i.test(each.text));
		const list = /\(([^()]*)\)$/.exec(line?.text ?? "")?.[1] ?? "";
		return Object.fromEntries(
			[...list.matchAll(/(\S+) (\d+)/g)].map((pair) => [
				(pair[1] ?? "").toUpperCase(),
				Number(pair[2]),
			]),
		);
	}

	async append(
		mailbox: string,
		message: Uint8Array,
		flags = "",
		internalDate = "",
	): Promise<Reply> {
		const date = internalDate ? ` ${quoted(internalDate)}` : "";
		return await this.ok([
			`APPEND ${quoted(mailbox)} (${flags})${date} `,
			message,
		]);
	}

	/** UID, flags and Message-ID of every message of the selected mailbox, by UID. With `arrived`, those whose bodies are not at this node yet are left out instead of being a fault. */
	async list(options: { arrived?: boolean } = {}): Promise<Fetched[]> {
		const command =
			"UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])";
		const { status, text, untagged } = await this.command(command);
		const unarrived = status === "NO" && text.includes("[UNAVAILABLE]");
		if (status !== "OK" && !(options.arrived && unarrived))
			throw new Error(`${command} → ${status} ${text}`);
		return untagged
			.filter((line) => /^\d+ FETCH /i.test(line.text) && line.literals[0])
			.map((line) => ({
				uid: Number(/UID (\d+)/i.exec(line.text)?.[1]),
				flags: (/FLAGS \(([^)]*)\)/i.exec(line.text)?.[1] ?? "")
					.split(" ")
					.filter((flag) => flag && flag !== "\\Recent")
					.sort(),
				messageId:
					/<[^>]*>/.exec(line.literals[0]?.toString("latin1") ?? "")?.[0] ?? "",
			}))
			.sort((a, b) => a.uid - b.uid);
	}

	/** The whole message, byte for byte, without setting \Seen. */
	async body(uid: number): Promise<Buffer> {
		const { untagged } = await this.ok(`UID FETCH ${uid} (BODY.PEEK[])`);
		const bytes = untagged.find((line) => line.literals.length > 0)
			?.literals[0];
		if (!bytes) throw new Error(`no body for UID ${uid}`);
		return bytes;
	}

	/** Sends IDLE and resolves when the server has agreed (RFC 2177). */
	async idle(): Promise<Idling> {
		const agreed = new Promise<string>((resolve) => {
			this.#continuation = resolve;
		});
		const reply = this.#command(["IDLE"], false);
		reply.catch(() => {});
		await within(
			"+ after IDLE",
			REPLY_MILLISECONDS,
			Promise.race([agreed, reply]),
		);
		return {
			next: (accept, timeoutMilliseconds = REPLY_MILLISECONDS) =>
				this.nextUntagged(accept, timeoutMilliseconds),
			done: async () => {
				this.raw("DONE\r\n");
				await within("the end of IDLE", REPLY_MILLISECONDS, reply);
			},
		};
	}

	/** The next untagged line from now on for which `accept` is true. */
	nextUntagged(
		accept: (line: Line) => boolean,
		timeoutMilliseconds = REPLY_MILLISECONDS,
	): Promise<Line> {
		let off = () => {};
		const found = new Promise<Line>((resolve, reject) => {
			const run = (line: Line) => accept(line) && resolve(line);
			this.#onUntagged.add(run);
			this.#onEnd.add(reject);
			off = () => {
				this.#onUntagged.delete(run);
				this.#onEnd.delete(reject);
			};
			if (this.#ended) reject(this.#ended);
		});
		return within("an untagged line", timeoutMilliseconds, found).finally(off);
	}

	/** Says LOGOUT, if the connection still lives, and closes it. */
	async logout(): Promise<void> {
		if (!this.closed) await this.command("LOGOUT").catch(() => undefined);
		this.close();
	}
	close(): void {
		this.#socket.destroy();
	}

	async #command(parts: readonly Part[], collect: boolean): Promise<Reply> {
		if (this.#ended) throw this.#ended;
		if (this.#pending) throw new Error("one command at a time");
		this.#sent += 1;
		const tag = `A${this.#sent}`;
		this.untaggedCount = 0;
		const reply = new Promise<Reply>((resolve, reject) => {
			this.#pending = { tag, collect, untagged: [], resolve, reject };
		});
		reply.catch(() => {});
		let line = `${tag} `;
		for (const part of parts) {
			if (typeof part === "string") {
				line += part;
				continue;
			}
			const agreed = new Promise<string>((resolve) => {
				this.#continuation = resolve;
			});
			this.raw(`${line}{${part.length}}\r\n`);
			const first = await Promise.race([agreed, reply]);
			if (typeof first !== "string") return first;
			this.raw(part);
			line = "";
		}
		this.raw(Buffer.from(`${line}\r\n`));
		return await reply;
	}

	#take(data: Buffer, literals: readonly [number, number][]): void {
		if (data[0] === 0x2a) this.#untagged(data, literals);
		else if (data[0] === 0x2b) {
			const run = this.#continuation;
			this.#continuation = undefined;
			run?.(data.toString("latin1", 2));
		} else this.#tagged(data.toString("utf8"));
	}

	#untagged(data: Buffer, literals: readonly [number, number][]): void {
		this.untaggedCount += 1;
		const collect = this.#pending?.collect ?? false;
		if (!collect && this.#onUntagged.size === 0 && !this.#greet) return;
		const line = toLine(data, literals, 2);
		if (this.#greet) {
			this.#greet(line.text);
			this.#greet = undefined;
		} else if (collect) this.#pending?.untagged.push(line);
		for (const run of [...this.#onUntagged]) run(line);
	}

	#tagged(line: string): void {
		const [, tag, status, text] =
			/^(\S+) (OK|NO|BAD) ?(.*)$/is.exec(line) ?? [];
		const pending = this.#pending;
		if (!pending || tag !== pending.tag) return;
		this.#pending = undefined;
		pending.resolve({
			status: (status ?? "").toUpperCase() as Reply["status"],
			text: text ?? "",
			untagged: pending.untagged,
		});
	}

	#end(error: Error): void {
		if (this.#ended) return;
		this.#ended = error;
		this.#pending?.reject(error);
		this.#pending = undefined;
		for (const run of [...this.#onEnd]) run(error);
	}
}
