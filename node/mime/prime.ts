/** Fills caches while the bytes of a message are at hand. */
import type { BodyHash } from "../../sync/ids.ts";
import type { Bodies, BodyWriter } from "../../sync/ports/bodies.ts";

/** What serving mail needs of the body store. */
export type MailBodies = Pick<
	Bodies,
	"create" | "has" | "fetch" | "read" | "stream"
>;

/** The same bodies; each small one that is written through them is given to `prime`, whole, once it is durable. */
export const primedBodies = (
	bodies: MailBodies,
	prime: (hash: BodyHash, bytes: Uint8Array) => void,
): MailBodies => ({
	create: () => new PrimedWriter(bodies.create(), prime),
	has: (ref) => bodies.has(ref),
	fetch: (ref) => bodies.fetch(ref),
	read: (ref, start, end) => bodies.read(ref, start, end),
	stream: (ref, start, end) => bodies.stream(ref, start, end),
});

class PrimedWriter implements BodyWriter {
	readonly #writer: BodyWriter;
	readonly #prime: (hash: BodyHash, bytes: Uint8Array) => void;

	constructor(
		writer: BodyWriter,
		prime: (hash: BodyHash, bytes: Uint8Array) => void,
	) {
		this.#writer = writer;
		this.#prime = prime;
	}

	get sizeBytes(): number {
		return this.#writer.sizeBytes;
	}
	get whole(): Uint8Array | undefined {
		return this.#writer.whole;
	}

	write(chunk: Uint8Array): Promise<void> | void {
		return this.#writer.write(chunk);
	}

	async commit() {
		const ref = await this.#writer.commit();
		const { whole } = this.#writer;
		if (whole !== undefined) this.#prime(ref.hash, whole);
		return ref;
	}

	abort(): void {
		this.#writer.abort();
	}
}
