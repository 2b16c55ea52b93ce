/** The message of one transaction, from DATA to its answer. */
import type { SMTPServerAddress, SMTPServerSession } from "smtp-server";
import type { AccountId } from "../../sync/ids.ts";
import { MESSAGE_BYTES_MAX } from "../../sync/limits.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { Incoming, Intake } from "../intake.ts";
import { refusalFor } from "./reply.ts";

/** What a recipient that was accepted stands for; smtp-server keeps our address objects in its envelope. */
export type AcceptedRecipient = SMTPServerAddress & {
	accounts?: readonly AccountId[];
};

export class Receiving {
	/** Names the transaction in Received, replies and log. */
	readonly id: string;
	readonly #incoming: Incoming;
	readonly #log: Log;

	constructor(intake: Intake, session: SMTPServerSession, log: Log) {
		this.id = `${session.id}.${session.transaction}`;
		this.#incoming = intake.begin(envelopeOf(session, this.id));
		this.#log = log;
	}

	/** A promise means: no more before it resolves. It never rejects. */
	write(content: Buffer): Promise<void> | undefined {
		return this.#incoming.write(content);
	}

	/**
	 * What is too big is read on and thrown away, for the client must be told at the end; at twice the limit it has had its
	 * chance.
	 */
	get isFlood(): boolean {
		return this.#incoming.sizeBytes > 2 * MESSAGE_BYTES_MAX;
	}

	/** Resolves to the transaction key when the mail is where it belongs; rejects with a SmtpRefusal. */
	async finish(): Promise<string> {
		try {
			const transaction = await this.#incoming.finish();
			this.#log.debug("message accepted", {
				id: this.id,
				bytes: this.#incoming.sizeBytes,
			});
			return transaction;
		} catch (error) {
			const refusal = refusalFor(error, this.#log);
			this.#log.info("message refused", {
				id: this.id,
				reason: refusal.message,
			});
			throw refusal;
		}
	}

	/** The client went away within the message: nothing is kept, and nobody is there to be told. */
	abort(): void {
		this.#incoming.abort();
		this.finish().catch(() => {}); // Has been logged.
	}
}

function envelopeOf(session: SMTPServerSession, id: string) {
	const { mailFrom, rcptTo, smtpUtf8 = false } = session.envelope;
	return {
		sender: mailFrom === false ? "" : mailFrom.address,
		recipients: (rcptTo as AcceptedRecipient[]).map(
			({ address, accounts = [] }) => ({ address, accounts }),
		),
		helo: session.hostNameAppearsAs,
		remoteIp: session.remoteAddress,
		// RFC 6531 §4.3: UTF8SMTP takes the place of ESMTP.
		protocol: smtpUtf8
			? session.transmissionType.replace(/^ESMTP/, "UTF8SMTP")
			: session.transmissionType,
		utf8: smtpUtf8,
		id,
	};
}
