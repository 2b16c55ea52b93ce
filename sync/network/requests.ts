/**
 * One question and one answer on a stream of their own. Members may always ask, strangers while they are admitted; who
 * asks how much and how long is bounded here, what the question means is its handler's matter.
 */
import {
	ClientFault,
	type FaultCode,
	OperatorFault,
	Temporary,
} from "../faults.ts";
import { type Milliseconds, type NodeId, nodeId } from "../ids.ts";
import {
	REQUEST_BYTES_MAX,
	REQUEST_MILLISECONDS_MAX,
	REQUESTS_MAX,
	RESPONSE_BYTES_MAX,
} from "../limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { RequestHandler } from "../ports/network.ts";
import { FramedStream } from "./framed.ts";
import type { Frame } from "./frames.ts";
import { oneLine } from "./link.ts";
import { openStream, within } from "./protocols.ts";
import type { WireConnection, WireStream } from "./transport.ts";

const ASK = { question: 1, answer: 2, refused: 3, temporary: 4 } as const;

/** Answers questions. */
export class Answers {
	readonly #clock: Clock;
	readonly #log: Log;
	#working = 0;

	constructor(clock: Clock, log: Log) {
		this.#clock = clock;
		this.#log = log;
	}

	/** Reads the question, runs the handler, sends its answer or its fault, and closes the stream. */
	async answer(
		stream: WireStream,
		connection: WireConnection,
		handler: RequestHandler,
	): Promise<void> {
		const framed = new FramedStream(stream, REQUEST_BYTES_MAX);
		if (this.#working >= REQUESTS_MAX) {
			framed.abort(new Error("too many questions at once"));
			return;
		}
		this.#working++;
		try {
			await within(
				this.#clock,
				REQUEST_MILLISECONDS_MAX,
				"no question or answer in time",
				this.#exchange(
					framed,
					nodeId(connection.remotePeer.toString()),
					handler,
				),
			);
		} catch (error) {
			framed.abort(error as Error);
		} finally {
			this.#working--;
		}
	}

	async #exchange(
		framed: FramedStream,
		from: NodeId,
		handler: RequestHandler,
	): Promise<void> {
		const { payload } = await framed.next();
		const { kind, payload: answer } = await this.#run(handler, from, payload);
		framed.send(kind, answer);
		await framed.end();
	}

	async #run(
		handler: RequestHandler,
		from: NodeId,
		question: Uint8Array,
	): Promise<Frame> {
		try {
			const payload = await handler(from, question);
			if (payload.byteLength > RESPONSE_BYTES_MAX)
				throw new RangeError(`an answer of ${payload.byteLength} bytes`);
			return { kind: ASK.answer, payload };
		} catch (error) {
			return this.#fault(error, from);
		}
	}

	#fault(error: unknown, from: NodeId): Frame {
		const text = (prefix: string): Buffer =>
			Buffer.from(`${prefix}${oneLine((error as Error).message)}`);
		if (error instanceof Temporary)
			return { kind: ASK.temporary, payload: text("") };
		if (error instanceof ClientFault)
			return { kind: ASK.refused, payload: text(`${error.code} `) };
		if (error instanceof OperatorFault)
			return { kind: ASK.refused, payload: text("CANNOT ") };
		this.#log.error("a request handler failed", {
			from,
			error: String((error as Error).stack),
		});
		return { kind: ASK.temporary, payload: Buffer.from("internal error") };
	}
}

/**
 * Asks on an open connection. Rejects with ClientFault when the other node refuses, else with Temporary: no answer in
 * time, connection lost, protocol unknown there.
 */
export async function ask(
	connection: WireConnection,
	protocol: string,
	question: Uint8Array,
	clock: Clock,
	timeoutMilliseconds: Milliseconds,
): Promise<Uint8Array> {
	let framed: FramedStream | undefined;
	const exchange = async (): Promise<Frame> => {
		const stream = await openStream(
			connection,
			protocol,
			clock,
			timeoutMilliseconds,
		);
		framed = new FramedStream(stream, RESPONSE_BYTES_MAX);
		framed.send(ASK.question, question);
		return framed.next();
	};
	try {
		const frame = await within(
			clock,
			timeoutMilliseconds,
			"no answer in time",
			exchange(),
		);
		return unwrap(frame);
	} catch (error) {
		if (error instanceof ClientFault || error instanceof Temporary) throw error;
		throw new Temporary(oneLine((error as Error).message));
	} finally {
		framed?.abort(new Error("done"));
	}
}

function unwrap({ kind, payload }: Frame): Uint8Array {
	if (kind === ASK.answer) return payload;
	const text = oneLine(Buffer.from(payload).toString());
	if (kind === ASK.temporary) throw new Temporary(text);
	if (kind !== ASK.refused) throw new Temporary("not an answer");
	const [code = ""] = text.split(" ", 1);
	throw new ClientFault(faultCode(code), text.slice(code.length + 1));
}

const FAULT_CODES: readonly FaultCode[] = [
	"NONEXISTENT",
	"ALREADYEXISTS",
	"CANNOT",
	"LIMIT",
	"TOOBIG",
	"OVERQUOTA",
	"NOPERM",
	"CLIENTBUG",
];

const faultCode = (text: string): FaultCode =>
	FAULT_CODES.find((code) => code === text) ?? "CANNOT";
