/** Takes one command off the input: its lines and literals, whole; all but a literal that the command takes itself. */
import {
	IMAP_LINE_BEFORE_LOGIN_BYTES_MAX,
	IMAP_LINE_BYTES_MAX,
	IMAP_LITERAL_BYTES_MAX,
	IMAP_LITERAL_SKIP_BYTES_MAX,
} from "../../sync/limits.ts";
import { Bye, Refusal } from "./answer.ts";
import { type LiteralHeader, literalAtEnd } from "./parser.ts";
import type { Session, StreamedLiteral } from "./session.ts";

const CRLF = Buffer.from("\r\n");

export interface Received {
	/** Lines and literals as they came, without the last CRLF; up to and without the streamed literal. */
	readonly bytes: Buffer;
	readonly literal: StreamedLiteral | undefined;
	/** The command is over the bounds: all of it has been taken, and it is to be refused. */
	readonly refusal?: Refusal | undefined;
}

export const lineBytesMax = (session: Session): number =>
	session.account === undefined
		? IMAP_LINE_BEFORE_LOGIN_BYTES_MAX
		: IMAP_LINE_BYTES_MAX;

/**
 * The next command. `streamedLiteral` says, of its first line, which literal (from 0) is left to the command. Bye when a
 * line is too long, Disconnected when the client has gone.
 */
export async function receive(
	session: Session,
	streamedLiteral: (line: Buffer) => number,
): Promise<Received> {
	const { input } = session;
	const bytesMax = lineBytesMax(session);
	const line = input.takeLine(bytesMax) ?? (await input.line(bytesMax));
	let header = literalAtEnd(line);
	if (header === undefined) return { bytes: line, literal: undefined };
	const streamed = streamedLiteral(line);
	const parts: Buffer[] = [line];
	let literalBytes = 0;
	let lineBytes = line.length;
	for (let index = 0; header !== undefined; index++) {
		if (index === streamed)
			return { bytes: Buffer.concat(parts), literal: header };
		literalBytes += header.sizeBytes;
		if (literalBytes > literalBytesMax(session))
			return refuse(session, parts, header);
		askFor(session, header);
		parts.push(CRLF, await input.exactly(header.sizeBytes));
		const rest = await input.line(lineBytesMax(session) - lineBytes);
		lineBytes += rest.length;
		parts.push(rest);
		header = literalAtEnd(rest);
	}
	return { bytes: Buffer.concat(parts), literal: undefined };
}

const literalBytesMax = (session: Session): number =>
	session.account === undefined
		? IMAP_LINE_BEFORE_LOGIN_BYTES_MAX
		: IMAP_LITERAL_BYTES_MAX;

/** Command continuation request (RFC 3501 §7.5), unless the client does not wait for one. */
export function askFor(session: Session, literal: StreamedLiteral): void {
	if (!literal.nonSynchronizing) session.output.text("+ Ready\r\n");
}

async function refuse(
	session: Session,
	parts: readonly Buffer[],
	literal: StreamedLiteral,
): Promise<Received> {
	await skipCommand(session, literal);
	const refusal = new Refusal("NO", "TOOBIG", "Literal is too large");
	return { bytes: Buffer.concat(parts), literal: undefined, refusal };
}

/**
 * Takes what is left of a command that ends in `literal` and will be refused: a client that waits for a continuation
 * sends nothing more, any other sends all of it (RFC 7888 §4).
 */
export async function skipCommand(
	session: Session,
	literal: StreamedLiteral,
): Promise<void> {
	let next: StreamedLiteral | LiteralHeader | undefined = literal;
	let left = session.account === undefined ? 0 : IMAP_LITERAL_SKIP_BYTES_MAX;
	while (next?.nonSynchronizing) {
		left -= next.sizeBytes;
		if (left < 0) throw new Bye("Literal is too large", "TOOBIG");
		await session.input.skip(next.sizeBytes);
		next = literalAtEnd(await session.input.line(lineBytesMax(session)));
	}
}
