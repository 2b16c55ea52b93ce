/** One client's session: its state in the protocol (RFC 3501 §3) and its ways in and out. Holds no socket. */
import type { Account } from "../../sync/api.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { Authenticator } from "../accounts/authenticator.ts";
import type { MailBodies } from "../mime/prime.ts";
import type { MessageTexts } from "../search/types.ts";
import { Bye, Refusal } from "./answer.ts";
import type { Input } from "./input.ts";
import type { Notifier } from "./notify.ts";
import type { Output } from "./output.ts";
import type { Parser } from "./parser.ts";
import { ProgressTeller } from "./progress.ts";
import type { SortColumns } from "./search/columns.ts";
import type { SortOrders } from "./search/orders.ts";
import type { ThreadAnswers } from "./search/threads.ts";
import type { Selected } from "./selected.ts";
import { SparseSet } from "./sparse-set.ts";
import type { MessageStructures } from "./structures.ts";

export type State = "not authenticated" | "authenticated" | "selected";

/** What a client can switch on for its session (ENABLE, RFC 5161; CONDSTORE also by use, RFC 7162 §3.1). */
export type Extension =
	| "CONDSTORE"
	| "QRESYNC"
	| "IMAP4REV2"
	| "UTF8=ACCEPT"
	| "UIDONLY";

/** What all sessions of a server share. */
export interface Surroundings {
	readonly hostname: string;
	readonly authenticator: Authenticator;
	readonly bodies: MailBodies;
	readonly structures: MessageStructures;
	readonly texts: MessageTexts;
	readonly columns: SortColumns;
	readonly orders: SortOrders;
	readonly threads: ThreadAnswers;
	readonly clock: Clock;
	readonly log: Log;
	readonly allowPlaintextAuth: boolean;
	/** Clients may log out without leaving (RFC 8437). */
	readonly allowUnauthenticate: boolean;
	readonly messagesPerCommandMax: number;
}

/** What the connection under a session offers it. */
export interface Transport {
	readonly remoteIp: string;
	/** Both ends are this machine: 127/8 or ::1. */
	readonly isLoopback: boolean;
	isSecure(): boolean;
	/** Data that binds a login to this TLS connection, by type (RFC 5056); undefined: not to be had. */
	channelBinding(type: string): Uint8Array | undefined;
	/** Resolves after the TLS handshake on the same connection. */
	startTls(): Promise<void>;
	isCompressed(): boolean;
	/** The client has to log in again, and has as much time for it as at the beginning. */
	loggedOut(): void;
	/** There is memory for one more compressed connection. */
	mayCompress(): boolean;
	/** From here on all is deflated (RFC 4978), also what has come and was not read. */
	startCompression(): void;
}

export class Session {
	readonly surroundings: Surroundings;
	readonly transport: Transport;
	readonly input: Input;
	readonly output: Output;
	account: Account | undefined;
	selected: Selected | undefined;
	readonly enabled = new SparseSet<Extension>();
	readonly progressTeller: ProgressTeller;
	/** Set: the client has said by NOTIFY what it wants to hear of. */
	notifier: Notifier | undefined;
	loginFailures = 0;
	/** The client said LOGOUT. */
	isOver = false;
	/** No command runs, or only IDLE: the session may be ended without breaking anything off. */
	isAtRest = false;
	/** Set: the session ends with BYE before its next command. */
	stopReason: string | undefined;

	constructor(
		surroundings: Surroundings,
		transport: Transport,
		input: Input,
		output: Output,
	) {
		this.surroundings = surroundings;
		this.transport = transport;
		this.input = input;
		this.output = output;
		this.progressTeller = new ProgressTeller(output, surroundings.clock);
	}

	get log(): Log {
		return this.surroundings.log.child({ client: this.transport.remoteIp });
	}

	get state(): State {
		if (this.account === undefined) return "not authenticated";
		return this.selected === undefined ? "authenticated" : "selected";
	}

	/** Untagged FETCH carries mod-sequences (RFC 7162 §3.1). */
	get condstore(): boolean {
		return this.enabled.has("CONDSTORE");
	}

	/** VANISHED is told instead of EXPUNGE (RFC 7162 §3.2.10, RFC 9586 §3.4). */
	get vanishes(): boolean {
		return this.enabled.has("QRESYNC") || this.enabled.has("UIDONLY");
	}

	/** Message numbers are in use neither in commands nor in responses (RFC 9586). */
	get uidOnly(): boolean {
		return this.enabled.has("UIDONLY");
	}

	/** The session speaks IMAP4rev2 (RFC 9051). */
	get rev2(): boolean {
		return this.enabled.has("IMAP4REV2");
	}

	/** Mailbox names go as UTF-8 (RFC 9051 §5.1, RFC 6855 §3). */
	get utf8(): boolean {
		return this.rev2 || this.enabled.has("UTF8=ACCEPT");
	}

	/** A password may come over this connection as it is now. */
	get mayLogin(): boolean {
		return (
			this.transport.isSecure() ||
			this.transport.isLoopback ||
			this.surroundings.allowPlaintextAuth
		);
	}

	/** From here to `isAtRest = false` the session waits for its client. Bye when it is to stop. */
	rest(): void {
		if (this.stopReason !== undefined) throw new Bye(this.stopReason);
		this.isAtRest = true;
	}

	/** Ends the session with BYE, but lets the command that runs come to its end. */
	stop(reason: string): void {
		this.stopReason ??= reason;
		if (this.isAtRest) this.input.interrupt(new Bye(reason));
	}

	/** Replaces what the client wants to hear of; undefined: as if it had never said so. */
	notify(notifier: Notifier | undefined): void {
		this.notifier?.stop();
		this.notifier = notifier;
	}

	/** As before the login, but for TLS. */
	reset(): void {
		this.notify(undefined);
		this.unselect();
		this.enabled.clear();
		this.account = undefined;
		this.transport.loggedOut();
	}

	unselect(): void {
		this.selected?.mailbox.release();
		this.selected = undefined;
	}
}

/** The message literal of APPEND, which the command takes from `session.input` itself. */
export interface StreamedLiteral {
	readonly sizeBytes: number;
	readonly nonSynchronizing: boolean;
}

/** One command on its way: `parser` stands after the space that follows its name (or at the end). */
export interface Invocation {
	readonly session: Session;
	readonly tag: string;
	readonly parser: Parser;
	/** The command acts by UID (RFC 3501 §6.4.8). */
	readonly byUid: boolean;
	/** Of commands with a streamed literal; the command sets it to undefined once it took it. */
	literal: StreamedLiteral | undefined;
}

/** The end of a command that went well. */
export interface Completion {
	/** Response code without brackets; a function is asked after all changes were told. */
	readonly code?: string | (() => string | undefined) | undefined;
	/** MESSAGELIMIT, where not all was worked on. With another code it goes into a response of its own (RFC 9738 §3.1). */
	readonly limit?: string | undefined;
	/** As in the table of commands, but found out from what was asked for. */
	readonly keepsNumbers?: boolean;
	/** Default: "<NAME> completed". */
	readonly text?: string | undefined;
	/** Runs after the tagged response. */
	readonly afterwards?: (() => Promise<void>) | undefined;
}

/** One row of the table in commands.ts. */
export interface Command {
	readonly name: string;
	readonly states: readonly State[];
	/** Message numbers must keep their meaning while it runs, so no EXPUNGE is told (RFC 3501 §7.4.1). */
	readonly keepsNumbers?: true;
	/**
	 * Has literals that are taken as they come: any but one that is the mailbox's name. The number is that of words
	 * between the name of the command and of the mailbox.
	 */
	readonly streamsLiteral?: number;
	readonly byUid?: true;
	/** May take long, and writes whole responses only: it tells that it is at work (RFC 9585). */
	readonly isLong?: true;
	/** Names messages by number: there is another command that does so by UID (RFC 9586 §3.2). */
	readonly byNumber?: true;
	run(
		invocation: Invocation,
	): Completion | undefined | Promise<Completion | undefined>;
}

/** The account of a session; commands of the table's authenticated states may rely on it. */
export function accountOf(session: Session): Account {
	if (session.account === undefined)
		throw new Error("command ran without a login");
	return session.account;
}

export function selectedOf(session: Session): Selected {
	if (session.selected === undefined)
		throw new Error("command ran without a mailbox");
	return session.selected;
}

/** The selected mailbox for a command that changes it. */
export function writableOf(session: Session): Selected {
	const selected = selectedOf(session);
	if (selected.readOnly)
		throw new Refusal("NO", "NOPERM", "Mailbox is selected read-only");
	return selected;
}
