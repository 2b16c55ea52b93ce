/** Takes one simulated body as it comes. */
import { ClientFault } from "../faults.ts";
import { BODY_BYTES_MAX } from "../limits.ts";
import type { BodyRef, BodyWriter } from "../ports/bodies.ts";

export class SimWriter implements BodyWriter {
	readonly #append: (bytes: Uint8Array) => Promise<BodyRef>;
	#chunks: Uint8Array[] = [];
	#sizeBytes = 0;
	#open = true;
	#whole: Uint8Array | undefined;

	constructor(append: (bytes: Uint8Array) => Promise<BodyRef>) {
		this.#append = append;
	}

	get sizeBytes(): number {
		return this.#sizeBytes;
	}
	get whole(): Uint8Array | undefined {
		return this.#whole;
	}

	write(chunk: Uint8Array): Promise<void> | void {
		if (!this.#open) throw new Error("write after the end of a body");
		if (this.#sizeBytes + chunk.length > BODY_BYTES_MAX)
			return Promise.reject(
				new ClientFault(
					"TOOBIG",
					`the message is over ${BODY_BYTES_MAX} bytes`,
				),
			);
		this.#sizeBytes += chunk.length;
		this.#chunks.push(chunk);
	}

	async commit(): Promise<BodyRef> {
		if (!this.#open) throw new Error("a body is committed once");
		this.#open = false;
		const whole = Buffer.concat(this.#chunks, this.#sizeBytes);
		const reference = await this.#append(whole);
		this.#whole = whole;
		return reference;
	}

	abort(): void {
		this.#open = false;
		this.#chunks = [];
	}
}
