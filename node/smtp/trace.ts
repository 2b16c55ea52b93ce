/** Trace fields (RFC 5321 §4.4): those that this host prepends, and counting those that are there already. */
import { isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import type { Milliseconds } from "../../sync/ids.ts";

/** What the trace of a message says about how it came. */
export interface TraceFacts {
	/** MAIL FROM; empty for the null sender. */
	readonly sender: string;
	/** RCPT TO addresses; named only when there is one, for others must not learn of a blind copy. */
	readonly recipients: readonly string[];
	readonly helo: string;
	readonly remoteIp: string;
	/** "with" (RFC 3848, RFC 6531 §4.3): SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, UTF8SMTP…, LMTP… */
	readonly protocol: string;
	/** Whether the client asked for SMTPUTF8: only then may fields of ours hold other than ASCII. */
	readonly utf8: boolean;
	readonly id: string;
	readonly receivedMilliseconds: Milliseconds;
}

/** Return-Path and Received, each line with its CRLF. */
export function traceFields(facts: TraceFacts, hostname: string): string {
	const mailbox = (text: string): string =>
		facts.utf8 ? text : asciiAddress(text);
	const only = facts.recipients.length === 1 ? facts.recipients[0] : undefined;
	const literal = isIPv6(facts.remoteIp)
		? `[IPv6:${facts.remoteIp}]`
		: `[${facts.remoteIp}]`;
	return [
		`Return-Path: <${mailbox(facts.sender)}>`,
		`Received: from ${heloName(facts.helo)} (${literal})`,
		`\tby ${hostname} with ${facts.protocol} id ${facts.id}`,
		...(only === undefined ? [] : [`\tfor <${mailbox(only)}>`]),
	]
		.join("\r\n")
		.concat(`;\r\n\t${dateTime(facts.receivedMilliseconds)}\r\n`);
}

/** Most messages come within the second of the one before. */
let lastSecond = { seconds: Number.NaN, text: "" };

/** RFC 5322 §3.3, in UTC. */
function dateTime(milliseconds: Milliseconds): string {
	const seconds = Math.floor(milliseconds / 1000);
	if (seconds !== lastSecond.seconds) {
		const text = new Date(milliseconds).toUTCString();
		lastSecond = { seconds, text: text.replace("GMT", "+0000") };
	}
	return lastSecond.text;
}

/** What the client called itself is free text: keep what can stand in a host name or an address literal. */
const heloName = (helo: string): string =>
	helo.replace(/[^A-Za-z0-9.:[\]_-]/g, "?") || "unknown";

/** The SMTP parser shows internationalised domains in Unicode, also to clients that wrote them in ASCII. */
function asciiAddress(text: string): string {
	if (/^[\x20-\x7e]*$/.test(text)) return text;
	const at = text.lastIndexOf("@");
	const domain = domainToASCII(text.slice(at + 1)) || text.slice(at + 1);
	return `${text.slice(0, at + 1)}${domain}`;
}

const FIELD_NAME = Buffer.from("received:");
const LF = 10;

/** Counts the Received fields in the header of a message that comes in chunks with proper line ends. */
export class ReceivedCount {
	count = 0;
	#inHeader = true;
	/** Bytes of the current line that were compared with the field name, and whether all were equal so far. */
	#compared = 0;
	#equal = true;

	write(chunk: Buffer): void {
		for (let at = 0; this.#inHeader && at < chunk.length; ) {
			const byte = chunk[at] ?? 0;
			if (byte === LF) {
				// Only the CR of an empty line came before: the header ends.
				if (this.#compared <= 1) this.#inHeader = false;
				this.#compared = 0;
				this.#equal = true;
				at++;
			} else if (this.#compared < FIELD_NAME.length) {
				// Bit 0x20 makes letters lower-case and leaves the colon as it is.
				if ((byte | 0x20) !== FIELD_NAME[this.#compared]) this.#equal = false;
				this.#compared++;
				if (this.#compared === FIELD_NAME.length && this.#equal) this.count++;
				at++;
			} else {
				const end = chunk.indexOf(LF, at);
				at = end === -1 ? chunk.length : end;
			}
		}
	}
}
