/**
 * One message as APPEND and REPLACE take it (RFC 4466 §2.3 append-message): flags, date, and its octets as a literal, as
 * a literal8 (RFC 3516 §4.4, RFC 6855 §4), or put together from parts (RFC 4469). Octets go to the body store as they come.
 */
import { MESSAGE_BYTES_MAX } from "../../sync/limits.ts";
import type { BodyRef, BodyWriter } from "../../sync/ports/bodies.ts";
import { Refusal } from "./answer.ts";
import { writeUrl } from "./catenate-url.ts";
import { parseDateTime } from "./dates.ts";
import { parseFlagList } from "./flags.ts";
import { literalAtEnd, literalHeader, ParseFault, Parser } from "./parser.ts";
import { askFor, lineBytesMax } from "./receive.ts";
import type { Invocation, StreamedLiteral } from "./session.ts";

/** What is taken from the client at once. */
const CHUNK_BYTES = 64 * 1024;

/** A message on its way: its body is being made durable. */
export interface ArrivingMessage {
	readonly flags: readonly string[];
	readonly internalDateMilliseconds: number | undefined;
	readonly body: Promise<BodyRef>;
}

/**
 * Takes the message that `parser` stands before; `rest` is what follows it. `mayCome` gets its size, as far as known,
 * before the client is asked for octets, and throws where they are not wanted.
 */
export async function takeMessage(
	invocation: Invocation,
	parser: Parser,
	mayCome: (sizeBytes: number) => void = () => {},
): Promise<{ message: ArrivingMessage; rest: Parser }> {
	const options = parseOptions(parser);
	const taking = new Taking(invocation, mayCome);
	try {
		const rest = await taking.data(parser);
		// The next message comes in while this one is made durable.
		const body = taking.writer.commit();
		body.catch(() => {});
		return { message: { ...options, body }, rest };
	} catch (error) {
		taking.abort();
		throw error;
	}
}

/** The same with their bodies durable. */
export const arrived = async <T extends ArrivingMessage>(
	message: T,
): Promise<Omit<T, "body"> & { body: BodyRef }> => ({
	...message,
	body: await message.body,
});

/** `[SP flags] [SP date-time] SP` before the octets. */
function parseOptions(parser: Parser): {
	flags: string[];
	internalDateMilliseconds: number | undefined;
} {
	parser.space();
	let flags: string[] = [];
	let internalDateMilliseconds: number | undefined;
	if (parser.atList) {
		flags = parseFlagList(parser);
		parser.space();
	}
	if (parser.peek() === 0x22) {
		internalDateMilliseconds = parseDateTime(parser);
		parser.space();
	}
	return { flags, internalDateMilliseconds };
}

class Taking {
	readonly #invocation: Invocation;
	readonly #mayCome: (sizeBytes: number) => void;
	#writer: BodyWriter | undefined;
	#sizeBytes = 0;

	constructor(invocation: Invocation, mayCome: (sizeBytes: number) => void) {
		this.#invocation = invocation;
		this.#mayCome = mayCome;
	}

	get writer(): BodyWriter {
		this.#writer ??= this.#invocation.session.surroundings.bodies.create();
		return this.#writer;
	}

	abort(): void {
		this.#writer?.abort();
	}

	/** The octets in one of their forms; resolves to what follows. */
	async data(parser: Parser): Promise<Parser> {
		const next = parser.peek();
		if (next === 0x7b || next === 0x7e) return this.#literal(parser);
		const word = parser.word("a message");
		parser.space();
		if (word === "UTF8") return this.#utf8(parser);
		if (word === "CATENATE") return this.#catenate(parser);
		throw new ParseFault("expected a message");
	}

	async #literal(parser: Parser): Promise<Parser> {
		// RFC 3516 §4.4: octets of any kind. They are taken in every literal here.
		parser.take("~");
		const literal = nextLiteral(this.#invocation, parser);
		if (literal.sizeBytes === 0)
			throw new Refusal("NO", "CANNOT", "Message is empty");
		await this.#take(literal);
		return this.#nextLine();
	}

	/** `UTF8 (~{310}…)`, RFC 6855 §4. */
	async #utf8(parser: Parser): Promise<Parser> {
		parser.expect("(", "a message in parentheses");
		if (parser.peek() !== 0x7e) throw new ParseFault("expected a literal8");
		const rest = await this.#literal(parser);
		rest.expect(")", '")" after the message');
		return rest;
	}

	/** `CATENATE (TEXT {42}… URL "/INBOX/;UID=7")`, RFC 4469 §3. */
	async #catenate(parser: Parser): Promise<Parser> {
		parser.expect("(", "parts of a message");
		let rest = parser;
		do {
			const kind = rest.word("TEXT or URL");
			rest.space();
			if (kind === "TEXT") {
				rest.take("~");
				await this.#take(nextLiteral(this.#invocation, rest));
				rest = await this.#nextLine();
			} else if (kind === "URL") rest = await this.#url(rest);
			else throw new ParseFault("expected TEXT or URL");
		} while (rest.take(" "));
		rest.expect(")", '")" after the parts');
		if (this.#sizeBytes === 0)
			throw new Refusal("NO", "CANNOT", "Message is empty");
		return rest;
	}

	async #url(parser: Parser): Promise<Parser> {
		const { session } = this.#invocation;
		let url: string;
		let rest = parser;
		if (this.#invocation.literal !== undefined && parser.peek() === 0x7b) {
			const literal = nextLiteral(this.#invocation, parser);
			if (literal.sizeBytes > lineBytesMax(session))
				throw new Refusal("NO", "TOOBIG", "The URL is too long");
			askFor(session, literal);
			url = (await session.input.exactly(literal.sizeBytes)).toString("latin1");
			rest = await this.#nextLine();
		} else url = parser.astring("a URL");
		await writeUrl(session, url, (chunk) => this.#write(chunk));
		return rest;
	}

	/** Takes the literal from the client. `invocation.literal` always says what is still to come. */
	async #take(literal: StreamedLiteral): Promise<void> {
		if (this.#sizeBytes + literal.sizeBytes > MESSAGE_BYTES_MAX)
			throw new Refusal("NO", "TOOBIG", "Message is too large");
		this.#mayCome(this.#sizeBytes + literal.sizeBytes);
		const { session } = this.#invocation;
		void this.writer;
		askFor(session, literal);
		let left = literal.sizeBytes;
		while (left > 0) {
			const chunk = await session.input.some(Math.min(left, CHUNK_BYTES));
			left -= chunk.length;
			// Asked for by now: the rest comes, whatever happens here.
			this.#invocation.literal = { sizeBytes: left, nonSynchronizing: true };
			await this.#write(chunk);
		}
	}

	async #write(chunk: Uint8Array): Promise<void> {
		this.#sizeBytes += chunk.length;
		if (this.#sizeBytes > MESSAGE_BYTES_MAX)
			throw new Refusal("NO", "TOOBIG", "Message is too large");
		const wait = this.writer.write(chunk);
		if (wait !== undefined) await wait;
	}

	/** What follows a literal. */
	async #nextLine(): Promise<Parser> {
		const { session } = this.#invocation;
		const line = await session.input.line(lineBytesMax(session));
		this.#invocation.literal = literalAtEnd(line);
		return new Parser(line);
	}
}

/** The literal that `parser` stands at, which ends the line. */
function nextLiteral(
	{ literal }: Invocation,
	{ bytes, at }: Parser,
): StreamedLiteral {
	if (literal === undefined || literalHeader(bytes, at)?.end !== bytes.length)
		throw new ParseFault("expected a message");
	return literal;
}
