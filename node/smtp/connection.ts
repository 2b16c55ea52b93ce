/**
 * One SMTP connection: smtp-server's, with what it lacks. All that leans on the inside of that package (pinned exactly)
 * stands in this file: the greeting at once instead of after 100 ms, enhanced status codes of our own, AUTH offered only
 * where a password may be said, a bound on refused commands, and knowing when a client has seen an answer.
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { SMTPServer, SMTPServerSession } from "smtp-server";
import {
	SMTPConnection,
	type SMTPConnectionOptions,
} from "smtp-server/lib/smtp-connection.js";
import type { SMTPStream } from "smtp-server/lib/smtp-stream.js";
import { SMTP_ERRORS_MAX, SMTP_REPLIES_BYTES_MAX } from "../../sync/limits.ts";
import type { ScramLogin } from "../accounts/authenticator.ts";
import type { ScramChannel } from "../accounts/scram.ts";
import { Parser } from "./parser.ts";
import type { Receiving } from "./receiving.ts";
import type { SmtpRefusal } from "./reply.ts";
import { type Ask, scramChannel, scramDialogue } from "./scram.ts";

export interface ConnectionRules {
	/** Whether AUTH may be used without TLS by a client at this address. */
	mayAuthenticateInClear(remoteIp: string): boolean;
	/** Begins SCRAM, as Authenticator.scram() does. */
	scram(
		clientFirst: string,
		channel: ScramChannel,
		remoteIp: string,
	): ScramLogin;
	/** Channel binding data of a TLS socket of this server. */
	binding(type: string, socket: TLSSocket): Uint8Array | undefined;
	/** What to answer when a command failed; also logs it where the fault is ours. */
	refusal(error: unknown): SmtpRefusal;
	/** What to answer when a login was refused. */
	loginRefusal(error: unknown): SmtpRefusal;
	/** The socket is closed. Runs once or more often. */
	closed(): void;
	/** Takes the message of the transaction that the session is in. */
	receive(session: SMTPServerSession): Receiving;
	/** The client has seen the answer to this transaction. */
	confirm(transaction: string): void;
}

type CommandHandler = (
	this: SMTPConnection,
	command: Buffer,
	callback: () => void,
) => void;

const startsWithEnhancedCode = /^[245]\.\d{1,3}\.\d{1,3} /;
const isPrintableAscii = (text: string): boolean => /^[ -~]*$/.test(text);

export class PmnodeSmtpConnection extends SMTPConnection {
	readonly #rules: ConnectionRules;
	/** AUTH is there, and asked for before mail. */
	readonly #offersLogin: boolean;
	/** Chunks that came from the client so far. */
	#chunksHeard = 0;
	/** Transactions that were answered with success, with what was heard by then. */
	#answered: { readonly transaction: string; readonly heard: number }[] = [];
	#errors = 0;
	/** The message that comes, or that waits for its answer. */
	#receiving: Receiving | undefined;
	/** A chunk is being worked on: replies to its commands wait here, to go out in one write. */
	#isGathering = false;
	#replies = "";

	constructor(
		server: SMTPServer,
		socket: Socket,
		options: SMTPConnectionOptions | null | undefined,
		rules: ConnectionRules,
	) {
		super(server, socket, options);
		this.#rules = rules;
		this.#offersLogin = this._isSupported("AUTH");
	}

	/** Greets at once; the package waits 100 ms for clients that talk too soon, and honest ones pay for it. */
	override init(): void {
		this._setListeners(() => this.connectionReady());
	}

	/** Between transactions: nothing is lost when the connection ends now. */
	get idle(): boolean {
		return !this.session.envelope?.mailFrom && !this.#receiving;
	}

	/** As in the package, but with a parser of ours. */
	override _createParser(): SMTPStream {
		const parser = new Parser((take) => {
			this.#chunksHeard++;
			return this.#repliesTogether(take);
		});
		parser.oncommand = (command, callback) =>
			this._onCommand(command, callback);
		parser.on("error", (error) =>
			this.send(421, `4.5.2 closing: ${error.message}`),
		);
		return parser;
	}

	/** Answers to commands that came in one chunk go out in one write: system calls are what this path costs most. */
	#repliesTogether<T>(take: () => T): T {
		this.#isGathering = true;
		try {
			return take();
		} finally {
			this.#isGathering = false;
			this.#sendReplies();
		}
	}

	#sendReplies(): void {
		const text = this.#replies;
		this.#replies = "";
		if (text !== "") this.#write(text);
	}

	/** Printable ASCII with its line ends. As in the package: nothing may come between the messages of a handshake. */
	#write(text: string): void {
		const socket = this._socket;
		if (!this._upgrading && !socket.destroyed && socket.readyState === "open")
			socket.write(text, "latin1");
	}

	/** What was said in clear must be out before TLS takes the socket over. */
	override upgrade(callback: () => void, secureCallback?: () => void): void {
		this.#sendReplies();
		super.upgrade(callback, secureCallback);
	}

	override close(): void {
		this.#sendReplies();
		super.close();
	}

	/** As in the package, but the content goes straight to where it is taken. */
	override handler_DATA(command: Buffer, callback: () => void): void {
		const parser = this._parser;
		if (
			!(parser instanceof Parser) ||
			this.session.envelope.rcptTo.length === 0
		) {
			super.handler_DATA(command, callback);
			return;
		}
		const receiving = this.#rules.receive(this.session);
		this.#receiving = receiving;
		parser.startContent({
			write: (content) => {
				const wait = receiving.write(content);
				if (receiving.isFlood) this.send(421, "4.3.4 message far too large");
				return wait;
			},
			// One that was closed while the last of the content was waited for has been given up.
			end: () => {
				if (!this._closed) this.#finish(receiving, parser);
			},
		});
		this.send(354, "End data with <CR><LF>.<CR><LF>");
		callback();
	}

	#finish(receiving: Receiving, parser: Parser): void {
		receiving.finish().then(
			(transaction) => {
				this.#answered.push({ transaction, heard: this.#chunksHeard });
				this.#errors = 0;
				this.#answer(250, `accepted as ${receiving.id}`, parser);
			},
			({ responseCode, message }: SmtpRefusal) =>
				this.#answer(responseCode, message, parser),
		);
	}

	/** Ends the transaction, as the package does. */
	#answer(code: number, text: string, parser: Parser): void {
		this.#receiving = undefined;
		this.send(code, text, code === 250 ? "DATA_OK" : undefined);
		this._transactionCounter++;
		this._unrecognizedCommands = 0;
		this._resetSession();
		parser.proceed();
	}

	/** Who waits for the answer to a whole message is not idle: RFC 5321 §4.5.3.2.6 lets it wait for ten minutes. */
	override _onTimeout(): void {
		const parser = this._parser;
		const isOurTurn =
			this.#receiving !== undefined &&
			parser instanceof Parser &&
			!parser.isInContent;
		if (isOurTurn && !this._closing) this._armTimeout();
		else super._onTimeout();
	}

	/**
	 * A command that came after the answer to a transaction shows that the client has seen that answer. One that was
	 * already here shows nothing: RFC 2920 §3.1 lets a client send the next MAIL along with the end of its message.
	 */
	override _onCommand(command: Buffer, callback?: () => void): void {
		if (this.#answered.length > 0) this.#confirm();
		const handler = callback && this.#handlerOf(command);
		if (handler) this.#run(handler, command, callback);
		else super._onCommand(command, callback);
	}

	/**
	 * What all mail consists of has a shorter way, where the package would have no objection to it: it looks at each command
	 * for HTTP, log lines and names of methods, which costs more than the command itself.
	 */
	#handlerOf(command: Buffer): CommandHandler | undefined {
		const isOrdinary =
			this._ready &&
			!this._upgrading &&
			!this._nextHandler &&
			!this._server._closeTimeout &&
			this.hostNameAppearsAs !== false &&
			(this.session.user !== undefined || !this.#offersLogin);
		if (!isOrdinary) return undefined;
		switch (command.toString("latin1", 0, 5).toUpperCase()) {
			case "MAIL ":
				return this.handler_MAIL;
			case "RCPT ":
				return this.handler_RCPT;
			case "DATA":
				return this.handler_DATA;
		}
		return undefined;
	}

	/** As the package does: a fault of ours is answered, and the next command is taken. */
	#run(handler: CommandHandler, command: Buffer, next: () => void): void {
		let isDone = false;
		const done = () => {
			isDone = true;
			this._handlerPending = false;
			this._whenWritable(next);
		};
		this._handlerPending = true;
		try {
			handler.call(this, command, done);
		} catch (error) {
			const refusal = this.#rules.refusal(error);
			if (isDone) return;
			this.send(refusal.responseCode, refusal.message);
			done();
		}
	}

	#confirm(): void {
		const waiting = this.#answered;
		this.#answered = waiting.filter(({ heard }) => heard === this.#chunksHeard);
		for (const { transaction, heard } of waiting)
			if (heard !== this.#chunksHeard) this.#rules.confirm(transaction);
	}

	/** Replies that bring an enhanced status code (RFC 2034) keep it; the package would put its own before it. */
	override send(
		code: number,
		data?: string | string[] | null,
		context?: string | false,
	): void {
		if (Array.isArray(data)) {
			this.#sendReplies();
			super.send(code, this.#offered(data), context);
			return;
		}
		const text = data ?? "";
		const own = startsWithEnhancedCode.test(text);
		if (code >= 400 || code === 334 || !isPrintableAscii(text)) {
			this.#sendReplies();
			super.send(code, text, own ? false : context);
			this.#countErrors(code);
			return;
		}
		const enhanced = own ? "" : this._getEnhancedStatusCode(code, context);
		this.#replies += `${[code, enhanced, text].filter(Boolean).join(" ")}\r\n`;
		if (!this.#isGathering || this.#replies.length > SMTP_REPLIES_BYTES_MAX)
			this.#sendReplies();
	}

	/** Keywords of the EHLO reply: AUTH only where it may be used (RFC 4954 §4), with SCRAM, which the package lacks. */
	#offered(lines: string[]): string[] {
		if (!this.#mayAuthenticate())
			return lines.filter((line) => !line.startsWith("AUTH "));
		const scram = this.secure
			? "SCRAM-SHA-256 SCRAM-SHA-256-PLUS"
			: "SCRAM-SHA-256";
		return lines.map((line) =>
			line.startsWith("AUTH ") ? `${line} ${scram}` : line,
		);
	}

	override handler_AUTH(command: Buffer, callback: () => void): void {
		if (!this.#mayAuthenticate()) {
			this.send(538, "5.7.11 encryption required: send STARTTLS before AUTH");
			callback();
			return;
		}
		const words = command.toString("latin1").trim().split(/\s+/);
		const mechanism = words[1]?.toUpperCase() ?? "";
		const isScram =
			mechanism === "SCRAM-SHA-256" ||
			(mechanism === "SCRAM-SHA-256-PLUS" && this.secure);
		if (isScram && words.length <= 3 && !this.session.user)
			this.#scram(mechanism, words[2], callback);
		else super.handler_AUTH(command, callback);
	}

	#scram(
		mechanism: string,
		initial: string | undefined,
		callback: () => void,
	): void {
		const rules = this.#rules;
		const socket = this._socket;
		const channel = scramChannel(mechanism, this.secure, (type) =>
			socket instanceof TLSSocket ? rules.binding(type, socket) : undefined,
		);
		// Of the line that is being answered: the package takes the next one when it is called.
		let done = callback;
		const ask: Ask = (challenge) =>
			new Promise((resolve) => {
				this._nextHandler = (line: Buffer, next: () => void) => {
					done = next;
					resolve(line.toString("latin1").trim());
				};
				this.send(334, challenge);
				done();
			});
		scramDialogue(initial, ask, (clientFirst) =>
			rules.scram(clientFirst, channel, this.remoteAddress),
		).then(
			(account) => {
				this.session.user = account;
				this.session.transmissionType = this._transmissionType();
				this.send(235, "2.7.0 authenticated");
				done();
			},
			(error: unknown) => {
				const refusal = rules.loginRefusal(error);
				this.send(refusal.responseCode, refusal.message);
				done();
			},
		);
	}

	#mayAuthenticate(): boolean {
		return (
			this.secure || this.#rules.mayAuthenticateInClear(this.remoteAddress)
		);
	}

	/** A dictionary of addresses or passwords ends here. 452, of too many recipients in one go, is no sign of that. */
	#countErrors(code: number): void {
		if (code < 400 || code === 421 || code === 452) return;
		this.#errors++;
		if (this.#errors > SMTP_ERRORS_MAX)
			this.send(421, "4.7.0 too many errors on this connection");
	}

	override _onClose(): void {
		const parser = this._parser;
		const isCutShort = parser instanceof Parser && parser.isInContent;
		super._onClose();
		if (isCutShort) this.#receiving?.abort();
		this.#rules.closed();
	}
}
