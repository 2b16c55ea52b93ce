/**
 * SMTP in: mail from other hosts (MX) and from users (submission). This file puts the parts together: smtp-server parses
 * and answers (connection.ts), policy.ts decides, gate.ts counts, ../intake.ts takes the message. Nothing here touches
 * a mailbox, and no decision waits for DNS: a host that is cut off from the world still takes mail.
 */
import type { AddressInfo, Socket } from "node:net";
import {
	SMTPServer,
	type SMTPServerAddress,
	type SMTPServerAuthentication,
	type SMTPServerSession,
} from "smtp-server";
import type { SMTPConnectionOptions } from "smtp-server/lib/smtp-connection.js";
import type { Account } from "../../sync/api.ts";
import { OperatorFault } from "../../sync/faults.ts";
import {
	MESSAGE_BYTES_MAX,
	RECIPIENTS_MAX,
	SMTP_ERRORS_MAX,
	SMTP_IDLE_MILLISECONDS_MAX,
	SMTP_LINE_BYTES_MAX,
} from "../../sync/limits.ts";
import type { Cancel, Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { Authenticator } from "../accounts/authenticator.ts";
import { channelBinding } from "../accounts/channel.ts";
import { isLoopback } from "../accounts/source.ts";
import type { HostPort } from "../config.ts";
import type { Intake } from "../intake.ts";
import type { TlsSource } from "../tls/source.ts";
import { login, loginRefusal } from "./auth.ts";
import { PmnodeSmtpConnection } from "./connection.ts";
import { ConnectionGate } from "./gate.ts";
import {
	checkRoom,
	checkSender,
	type PolicyDirectory,
	recipientAccounts,
	type SmtpKind,
} from "./policy.ts";
import { type AcceptedRecipient, Receiving } from "./receiving.ts";
import { refusalFor, SmtpRefusal } from "./reply.ts";

export interface SmtpServerOptions {
	readonly kind: SmtpKind;
	readonly listen: HostPort;
	readonly hostname: string;
	readonly tls: TlsSource;
	readonly intake: Intake;
	readonly authenticator: Authenticator;
	readonly directory: PolicyDirectory;
	readonly clock: Clock;
	readonly log: Log;
	/** AUTH without TLS also from outside loopback. */
	readonly allowPlaintextAuth: boolean;
}

export interface SmtpServer {
	/** Where it listens, with the real port. */
	address(): HostPort;
	/** Open connections. */
	connections(): number;
	/**
	 * Takes no more connections, says 421 to those between transactions, lets the others finish for
	 * `graceMilliseconds`, then cuts them. Mail that was not acknowledged by then is sent again by its sender.
	 */
	stop(graceMilliseconds: number): Promise<void>;
}

/** Starts a listener. Rejects with OperatorFault when the address cannot be had. */
export async function startSmtpServer(
	options: SmtpServerOptions,
): Promise<SmtpServer> {
	const server = new Listener(options);
	await server.start();
	return {
		address: () => server.address(),
		connections: () => server.size,
		stop: (graceMilliseconds) => server.stop(graceMilliseconds),
	};
}

type Done = (error?: Error | null) => void;

class Listener extends SMTPServer {
	readonly #options: SmtpServerOptions;
	readonly #gate = new ConnectionGate();
	/** Gives back the place of a connection that has not reached SMTP yet. */
	readonly #places = new WeakMap<Socket, () => void>();
	readonly #stopWatchingTls: () => void;

	constructor(options: SmtpServerOptions) {
		super(packageOptions(options));
		this.#options = options;
		this.#stopWatchingTls = options.tls.onReload(() =>
			this.updateSecureContext(options.tls.pem()),
		);
		// Of single connections: resets, failed handshakes. The package has closed them already.
		this.on("error", (error) =>
			options.log.debug("an SMTP connection failed", { error: error.message }),
		);
	}

	get size(): number {
		return this.#gate.size;
	}

	start(): Promise<void> {
		const { host, port } = this.#options.listen;
		return new Promise((resolve, reject) => {
			const failed = (error: NodeJS.ErrnoException) =>
				reject(cannotListen(this.#options, error));
			this.server.once("error", failed);
			this.listen(port, host, () => {
				this.server.off("error", failed);
				resolve();
			});
		});
	}

	address(): HostPort {
		const { address, port } = this.server.address() as AddressInfo;
		return { host: address, port };
	}

	// ---- connections

	/** Before anything else, also before a TLS handshake: is there a place? */
	override _acceptSocket(socket: Socket, handshake: boolean) {
		const leave = this.#gate.enter(socket.remoteAddress ?? "");
		if (leave === undefined) {
			socket.on("error", () => socket.destroy());
			// Nothing can be said before a handshake.
			if (handshake) socket.destroy();
			else
				socket.end(
					`421 ${this.#options.hostname} too many connections from your address; try again later\r\n`,
					() => socket.destroy(),
				);
			return false;
		}
		this.#places.set(socket, leave);
		socket.once("close", leave);
		return super._acceptSocket(socket, handshake);
	}

	override connect(
		socket: Socket,
		socketOptions?: SMTPConnectionOptions | null,
	): void {
		const { intake, allowPlaintextAuth, authenticator, tls, log } =
			this.#options;
		const connection = new PmnodeSmtpConnection(this, socket, socketOptions, {
			mayAuthenticateInClear: (remoteIp) =>
				allowPlaintextAuth || isLoopback(remoteIp),
			scram: (clientFirst, channel, remoteIp) =>
				authenticator.scram(clientFirst, channel, remoteIp),
			binding: (type, secure) => channelBinding(type, secure, tls.pem().cert),
			refusal: (error) => refusalFor(error, log),
			loginRefusal: (error) => loginRefusal(error, log),
			// STARTTLS takes all listeners off the first socket, so its "close" alone is not enough.
			closed: () => this.#places.get(socket)?.(),
			receive: (session) => new Receiving(intake, session, log),
			confirm: (transaction) => intake.confirm(transaction),
		});
		this.connections.add(connection);
		connection.on("error", (error: Error) => this._onError(error));
		connection.on("connect", (info) => this._onClientConnect(info));
		connection.init();
	}

	/** A TLS socket made on top of one that is destroyed already brings Node down (SIGSEGV); stop() can get there. */
	override _upgrade(
		socket: Socket,
		callback: Parameters<SMTPServer["_upgrade"]>[1],
	): void {
		if (socket.destroyed) callback(new Error("closed before the handshake"));
		else super._upgrade(socket, callback);
	}

	async stop(graceMilliseconds: number): Promise<void> {
		this.#stopWatchingTls();
		// From now on the package answers each command with 421; the cut is ours, below.
		this.options.closeTimeout = graceMilliseconds + 60_000;
		const closed = new Promise<void>((resolve) => this.close(resolve));
		for (const connection of this.connections)
			if (connection instanceof PmnodeSmtpConnection && connection.idle)
				connection.send(421, "4.3.2 shutting down; try again");
		let cancel: Cancel = () => {};
		const cut = new Promise<void>((resolve) => {
			cancel = this.#options.clock.after(graceMilliseconds, () => {
				// Node dies of a socket that is destroyed under a handshake; this one ends by itself.
				for (const connection of this.connections)
					if (!connection._upgrading) connection._socket.destroy();
				resolve();
			});
		});
		await Promise.race([closed, cut]);
		cancel();
	}

	// ---- commands

	override onConnect(_session: SMTPServerSession, done: Done): void {
		done();
	}

	override onSecure(
		_socket: Socket,
		_session: SMTPServerSession,
		done: Done,
	): void {
		done();
	}

	override onAuth(
		auth: SMTPServerAuthentication,
		session: SMTPServerSession,
		done: (error?: Error | null, response?: { user: unknown }) => void,
	): void {
		const { authenticator, log } = this.#options;
		login(auth, session.remoteAddress, authenticator).then(
			(user) => done(null, { user }),
			(error: unknown) => done(loginRefusal(error, log)),
		);
	}

	override onMailFrom(
		{ address }: SMTPServerAddress,
		session: SMTPServerSession,
		done: Done,
	): void {
		const { kind, directory } = this.#options;
		this.#decide(session, done, () => {
			if (kind === "mx") return;
			const user = session.user as Account | undefined;
			// The package asks for AUTH as well; mail must not hang on one check of its options.
			if (!user) throw new SmtpRefusal(530, "5.7.0", "authentication required");
			checkSender(address, user, directory);
		});
	}

	override onRcptTo(
		recipient: AcceptedRecipient,
		session: SMTPServerSession,
		done: Done,
	): void {
		const { kind, directory } = this.#options;
		this.#decide(session, done, () => {
			recipient.accounts = recipientAccounts(
				recipient.address,
				kind,
				directory,
			);
			const size = declaredSize(session);
			checkRoom(recipient.address, recipient.accounts, size, directory);
		});
	}

	#decide(session: SMTPServerSession, done: Done, rule: () => void): void {
		try {
			rule();
		} catch (error) {
			const refusal = refusalFor(error, this.#options.log);
			// RFC 6531 §3.7.4.2: without SMTPUTF8 a reply has ASCII only, and addresses are quoted in it.
			if (!session.envelope.smtpUtf8)
				refusal.message = refusal.message.replace(/[^\x20-\x7e]/g, "?");
			done(refusal);
			return;
		}
		done();
	}
}

/** SIZE of MAIL FROM (RFC 1870 §4), which the package has checked to be a number; 0: not said. */
function declaredSize({ envelope }: SMTPServerSession): number {
	const { mailFrom } = envelope;
	const args = mailFrom === false ? false : mailFrom.args;
	const size = args === false ? undefined : (args as { SIZE?: unknown }).SIZE;
	return Number(size) || 0;
}

function cannotListen(
	{ kind, listen }: SmtpServerOptions,
	error: NodeJS.ErrnoException,
): OperatorFault {
	const where = `${listen.host}:${listen.port}`;
	const option = kind === "mx" ? "--smtp" : `--${kind}`;
	const why = error.code === "EADDRINUSE" ? "the port is taken" : error.message;
	return new OperatorFault(
		`cannot listen on ${where} for SMTP: ${why}; choose another address with ${option}`,
	);
}

/** Settings of smtp-server; those not named here have harmless defaults. */
function packageOptions({ kind, hostname, tls }: SmtpServerOptions) {
	return {
		name: hostname,
		heloResponse: "%s",
		secure: kind === "submissions",
		...tls.pem(),
		minVersion: "TLSv1.2" as const,
		size: MESSAGE_BYTES_MAX,
		maxRecipients: RECIPIENTS_MAX,
		hideENHANCEDSTATUSCODES: false,
		// Sendmail jokes and proxy commands have no place on the open Internet; other hosts have no passwords.
		disabledCommands: [
			...["WIZ", "SHELL", "KILL", "XCLIENT", "XFORWARD"],
			...(kind === "mx" ? ["AUTH"] : []),
		],
		authMethods: ["PLAIN", "LOGIN"],
		// Whether AUTH may be used without TLS is decided per client, in connection.ts.
		allowInsecureAuth: true,
		authRequiredMessage: "5.7.0 authentication required",
		maxAllowedUnauthenticatedCommands: SMTP_ERRORS_MAX,
		maxCommandLength: SMTP_LINE_BYTES_MAX,
		socketTimeout: SMTP_IDLE_MILLISECONDS_MAX,
		// Real senders have addresses that RFC 5321 does not allow (`a..b@docomo.example`).
		lenientAddressParsing: true,
		// A host that is cut off from the world has no DNS.
		disableReverseLookup: true,
		logger: false,
		noDelay: true,
	};
}
