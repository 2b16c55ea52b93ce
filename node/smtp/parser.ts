/**
 * smtp-server's parser, chunk by chunk under our eyes, and with a way of its own for the content of messages: decoded here
 * and handed straight to who takes it, for a stream for each message costs more than all that is done with a small one.
 */
import { SMTPStream } from "smtp-server/lib/smtp-stream.js";
import { SMTP_LINE_BYTES_MAX } from "../../sync/limits.ts";
import { DotDecoder } from "./dots.ts";

/** Takes the content of one message. */
export interface ContentSink {
	/** A promise means: no more before it resolves. It never rejects. */
	write(content: Buffer): Promise<void> | undefined;
	/** All is there. What the client sent behind it is read once proceed() is called. */
	end(): void;
}

export class Parser extends SMTPStream {
	readonly #around: (take: () => boolean) => boolean;
	#dots = new DotDecoder();
	#sink: ContentSink | undefined;
	/** Reads what came behind the message that is being answered. */
	#behind: (() => void) | undefined;

	/** `around` runs each chunk's work. */
	constructor(around: (take: () => boolean) => boolean) {
		super({ maxCommandLength: SMTP_LINE_BYTES_MAX });
		this.#around = around;
	}

	override write(chunk: Buffer): boolean {
		return this.#around(() => super.write(chunk));
	}

	/** From now on content comes, until its end. */
	startContent(sink: ContentSink): void {
		this.#sink = sink;
		this.#dots = new DotDecoder();
		this._dataMode = true;
	}

	/** Within a message: the client owes us more of it. */
	get isInContent(): boolean {
		return this.#sink !== undefined;
	}

	/** The message is answered. */
	proceed(): void {
		const go = this.#behind;
		this.#behind = undefined;
		go?.();
	}

	override _feedDataStream(chunk: Buffer, done: () => void): void {
		const sink = this.#sink;
		if (sink === undefined) throw new Error("content outside DATA");
		const pieces: Buffer[] = [];
		const end = this.#dots.feed(chunk, pieces);
		const [first] = pieces;
		const content = pieces.length > 1 ? Buffer.concat(pieces) : first;
		const wait = content && sink.write(content);
		const taken = () => {
			if (end === -1) done();
			else this.#end(sink, chunk.subarray(end), done);
		};
		if (wait === undefined) taken();
		else void wait.then(taken);
	}

	#end(sink: ContentSink, behind: Buffer, done: () => void): void {
		this.#sink = undefined;
		this._dataMode = false;
		this._remainder = "";
		this.#behind = () => this._write(behind, "buffer", done);
		sink.end();
	}
}
