/**
 * The one door for mail. A message comes through here in chunks, whatever protocol brought it, is made harmless, gets its
 * trace and goes to the body store and then to its recipients. Nothing here knows a socket or a command. Thousands may
 * stand in deliver() at once, for one group commit; when they begin rounds.ts says.
 *
 * What is changed in a message, and what is not:
 * - Trace fields are prepended; nothing else is added or taken away.
 * - Bare CR and bare LF become CRLF (smtp/line-ends.ts). Refusing them would lose mail of old devices, and passing them
 *   on would let the next reader see lines that this host did not.
 * - NUL is refused (554 5.6.0): RFC 5322 §4 has no place for it, IMAP cannot carry it in a plain literal (RFC 9051 §4.3),
 *   and dropping it silently would break what it stood in. The sender learns why.
 * - Lines longer than RFC 5321 §4.5.3.1.6 allows are kept as they are.
 */
import { createHash } from "node:crypto";
import type { Delivery, Replica } from "../sync/api.ts";
import { Temporary } from "../sync/faults.ts";
import type { AccountId, BodyHash, Milliseconds } from "../sync/ids.ts";
import {
	BODY_MEMORY_BYTES_MAX,
	MESSAGE_BYTES_MAX,
	RECEIVED_FIELDS_MAX,
} from "../sync/limits.ts";
import type { BodyRef, BodyWriter } from "../sync/ports/bodies.ts";
import type { Clock } from "../sync/ports/clock.ts";
import type { Log } from "../sync/ports/log.ts";
import { Rounds } from "./rounds.ts";
import { LineEnds } from "./smtp/line-ends.ts";
import { SmtpRefusal } from "./smtp/reply.ts";
import { ReceivedCount, traceFields } from "./smtp/trace.ts";

/** Who sends what to whom, and how it came. */
export interface Envelope {
	/** MAIL FROM as the client gave it; empty for the null sender. */
	readonly sender: string;
	/** RCPT TO: address as the client gave it, and the accounts that it stands for. */
	readonly recipients: readonly {
		readonly address: string;
		readonly accounts: readonly AccountId[];
	}[];
	readonly helo: string;
	readonly remoteIp: string;
	/** As in `with` of Received: ESMTP, ESMTPSA, UTF8SMTPS, LMTP… */
	readonly protocol: string;
	readonly utf8: boolean;
	/** Names the transaction in Received, replies and log. */
	readonly id: string;
}

/** One message on its way in. */
export interface Incoming {
	/**
	 * Takes the next bytes of the content, dots already unstuffed. A promise means: no more before it resolves. Never
	 * rejects: after a failure the rest is thrown away, and finish() says why.
	 */
	write(chunk: Buffer): Promise<void> | undefined;
	/** Content bytes taken so far, also of a message that has become too big. */
	readonly sizeBytes: number;
	/**
	 * Ends the message. Resolves to its transaction key when the mail is where it belongs, durably. Rejects with
	 * SmtpRefusal, ClientFault, Temporary, StoreFull or, for a bug, anything.
	 */
	finish(): Promise<string>;
	/** The client went away before the end: nothing is kept. Harmless after finish(). */
	abort(): void;
}

export interface Intake {
	begin(envelope: Envelope): Incoming;
	/** The client has seen the success of this transaction key: the same again is a new message. */
	confirm(transaction: string): void;
}

export interface IntakeOptions {
	readonly replica: Pick<
		Replica,
		"bodies" | "deliver" | "confirm" | "directory" | "wayMilliseconds"
	>;
	/** What this host calls itself in Received. */
	readonly hostname: string;
	readonly clock: Clock;
	readonly log: Log;
	/** Gets each body that is small enough to be held in memory, whole, before anyone can ask for it: to warm caches. */
	readonly prime?: ((hash: BodyHash, bytes: Uint8Array) => void) | undefined;
	/** Hears of each delivery that is where it belongs. */
	readonly delivered?: ((delivery: Delivery) => void) | undefined;
}

/** The intake of a node. */
export function createIntake(options: IntakeOptions): Intake {
	const { clock, replica } = options;
	const rounds = new Rounds(clock, () => replica.wayMilliseconds());
	return {
		begin: (envelope) => new IncomingMessage(options, rounds, envelope),
		confirm: (transaction) => replica.confirm(transaction),
	};
}

class IncomingMessage implements Incoming {
	sizeBytes = 0;
	readonly #options: IntakeOptions;
	readonly #rounds: Rounds;
	readonly #envelope: Envelope;
	readonly #receivedMilliseconds: Milliseconds;
	readonly #lineEnds = new LineEnds();
	readonly #receivedCount = new ReceivedCount();
	readonly #transaction = createHash("sha256");
	#writer: BodyWriter | undefined;
	#failure: unknown;

	constructor(options: IntakeOptions, rounds: Rounds, envelope: Envelope) {
		this.#options = options;
		this.#rounds = rounds;
		this.#envelope = envelope;
		this.#receivedMilliseconds = options.clock.now();
		hashEnvelope(this.#transaction, envelope);
	}

	write(chunk: Buffer): Promise<void> | undefined {
		const pieces: Buffer[] = [];
		this.#lineEnds.write(chunk, pieces);
		return this.#take(pieces);
	}

	async finish(): Promise<string> {
		const pieces: Buffer[] = [];
		this.#lineEnds.end(pieces);
		// Also writes the trace if there was no content at all.
		await this.#take(pieces);
		if (this.#failure !== undefined || this.#writer === undefined)
			throw this.#failure;
		const writer = this.#writer;
		// A large one takes long: nobody should go with it.
		if (writer.sizeBytes > BODY_MEMORY_BYTES_MAX)
			return this.#deliver(await this.#commit(writer));
		return this.#rounds.go(
			() => this.#commit(writer),
			(body) => this.#deliver(body),
		);
	}

	async #commit(writer: BodyWriter): Promise<BodyRef> {
		const body = await writer.commit();
		const { whole } = writer;
		if (whole !== undefined) this.#options.prime?.(body.hash, whole);
		return body;
	}

	async #deliver(body: BodyRef): Promise<string> {
		const transaction = this.#transaction.digest("base64url");
		const delivery: Delivery = {
			body,
			recipients: accountsOf(this.#envelope),
			transaction,
			internalDateMilliseconds: this.#receivedMilliseconds,
		};
		await this.#options.replica.deliver(delivery);
		this.#options.delivered?.(delivery);
		return transaction;
	}

	abort(): void {
		if (this.#failure === undefined)
			this.#fail(new Temporary("the client went away within the message"));
	}

	#take(pieces: readonly Buffer[]): Promise<void> | undefined {
		for (const piece of pieces) this.sizeBytes += piece.length;
		if (this.#failure !== undefined) return undefined;
		try {
			this.#inspect(pieces);
			return this.#store(pieces);
		} catch (error) {
			this.#fail(error);
			return undefined;
		}
	}

	#inspect(pieces: readonly Buffer[]): void {
		if (this.sizeBytes > MESSAGE_BYTES_MAX)
			throw new SmtpRefusal(
				552,
				"5.3.4",
				`the message is larger than ${MESSAGE_BYTES_MAX} bytes, the most that this host takes`,
			);
		for (const piece of pieces) {
			if (piece.includes(0))
				throw new SmtpRefusal(
					554,
					"5.6.0",
					"the message contains a NUL character, which mail must not; encode it as base64",
				);
			this.#receivedCount.write(piece);
			this.#transaction.update(piece);
		}
		if (this.#receivedCount.count > RECEIVED_FIELDS_MAX)
			throw new SmtpRefusal(
				554,
				"5.4.6",
				`mail loop: the message has passed more than ${RECEIVED_FIELDS_MAX} hosts`,
			);
	}

	#store(pieces: readonly Buffer[]): Promise<void> | undefined {
		if (this.#writer === undefined) {
			this.#writer = this.#options.replica.bodies.create();
			return this.#put(this.#writer, [this.#trace(), ...pieces]);
		}
		return this.#put(this.#writer, pieces);
	}

	#trace(): Buffer {
		const facts = {
			...this.#envelope,
			recipients: this.#envelope.recipients.map(({ address }) => address),
			receivedMilliseconds: this.#receivedMilliseconds,
		};
		return Buffer.from(traceFields(facts, this.#options.hostname));
	}

	/** Hands over piece after piece. Asynchronous only where the body store wants to be waited for. */
	#put(
		writer: BodyWriter,
		pieces: readonly Buffer[],
	): Promise<void> | undefined {
		for (const [i, piece] of pieces.entries()) {
			const wait = writer.write(piece);
			if (wait === undefined) continue;
			return wait
				.then(() => this.#put(writer, pieces.slice(i + 1)))
				.catch((error: unknown) => this.#fail(error));
		}
		return undefined;
	}

	#fail(error: unknown): void {
		this.#failure =
			error ?? new Error("the body store failed without saying why");
		this.#writer?.abort();
	}
}

function accountsOf({ recipients }: Envelope): readonly AccountId[] {
	const [first, second] = recipients;
	if (second === undefined && first?.accounts.length === 1)
		return first.accounts;
	return [...new Set(recipients.flatMap(({ accounts }) => accounts))];
}

/**
 * The envelope's part of the transaction key. Parts are length-prefixed; recipients in any order and case are the same,
 * and the client's name, its address and the node it talks to play no part, for a retry may come another way.
 */
function hashEnvelope(
	hash: ReturnType<typeof createHash>,
	envelope: Envelope,
): void {
	const recipients = new Set(
		envelope.recipients.map((recipient) => recipient.address.toLowerCase()),
	);
	const parts = [envelope.sender, ...[...recipients].sort()];
	const text = parts
		.map((part) => `${Buffer.byteLength(part)}:${part}`)
		.join("");
	hash.update(`${parts.length};${text}`);
}
