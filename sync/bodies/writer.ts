/** Takes in one body: hashes it on the way, holds it in memory while it is small, and on disk beyond that. */
import { createHash, hash } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { ClientFault } from "../faults.ts";
import { type BodyHash, bodyHash } from "../ids.ts";
import { BODY_BYTES_MAX, BODY_MEMORY_BYTES_MAX } from "../limits.ts";
import type { BodyRef, BodyWriter } from "../ports/bodies.ts";
import { storeFault } from "./faults.ts";

/** A body that has come in whole, waiting to be appended to the drive. */
export interface WholeBody {
	readonly hash: BodyHash;
	readonly sizeBytes: number;
	/** In memory, or in a file. */
	readonly content: Uint8Array | FileHandle;
}

/** Bytes that all writers together may hold in memory. Beyond it they go to disk, so that none waits for another. */
export class MemoryBudget {
	#left: number;
	constructor(bytes: number) {
		this.#left = bytes;
	}
	take(bytes: number): boolean {
		if (bytes > this.#left) return false;
		this.#left -= bytes;
		return true;
	}
	give(bytes: number): void {
		this.#left += bytes;
	}
}

/** What a writer needs of the store it belongs to. */
export interface WriterHost {
	readonly memory: MemoryBudget;
	/** A file name in the spool folder that nobody else uses. */
	spoolFile(): string;
	/** Resolves when the body is in the drive and durable. */
	append(body: WholeBody): Promise<BodyRef>;
}

/** A file that takes chunks in order. Errors come as StoreFull or StoreFailed. */
class Spool {
	readonly #path: string;
	readonly #file: Promise<FileHandle>;
	readonly #hash = createHash("sha256");
	#tail: Promise<void> = Promise.resolve();

	constructor(path: string) {
		this.#path = path;
		this.#file = open(path, "wx+", 0o600);
		this.#file.catch(() => {}); // Told by the first write.
	}

	/** Resolves when the chunk, which must not change until then, is in the file. */
	write(chunk: Uint8Array): Promise<void> {
		this.#hash.update(chunk);
		const write = this.#tail.then(async () => {
			try {
				const file = await this.#file;
				for (let at = 0; at < chunk.length; )
					at += (await file.write(chunk, at)).bytesWritten;
			} catch (error) {
				throw storeFault(error, this.#path);
			}
		});
		write.catch(() => {}); // Told to the caller, and again by done().
		this.#tail = write;
		return write;
	}

	async done(): Promise<FileHandle> {
		await this.#tail;
		return this.#file;
	}

	/** Of all that was written; once. */
	hash(): BodyHash {
		return bodyHash(this.#hash.digest("hex"));
	}

	async remove(): Promise<void> {
		await this.#tail.catch(() => {});
		const file = await this.#file.catch(() => undefined);
		if (file === undefined) return;
		await file.close();
		await unlink(this.#path);
	}
}

/** A slice holds all of the buffer that it is a part of: a small part of a large one is copied. */
const compact = (chunk: Uint8Array): Uint8Array =>
	2 * chunk.length < chunk.buffer.byteLength ? Uint8Array.from(chunk) : chunk;

export class DriveWriter implements BodyWriter {
	readonly #host: WriterHost;
	#chunks: Uint8Array[] = [];
	#memoryBytes = 0;
	#sizeBytes = 0;
	#spool: Spool | undefined;
	#open = true;
	#whole: Uint8Array | undefined;

	constructor(host: WriterHost) {
		this.#host = host;
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
		if (this.#spool === undefined && this.#fits(chunk.length)) {
			this.#memoryBytes += chunk.length;
			this.#chunks.push(compact(chunk));
			return;
		}
		return this.#toSpool(chunk);
	}

	async commit(): Promise<BodyRef> {
		if (!this.#open) throw new Error("a body is committed once");
		this.#open = false;
		try {
			// No turn is lost for what is in memory: whoever closes the store right now waits for it.
			const body = this.#spool
				? await this.#spooled(this.#spool)
				: this.#held();
			this.#chunks = [];
			const reference = await this.#host.append(body);
			if (body.content instanceof Uint8Array) this.#whole = body.content;
			return reference;
		} finally {
			this.#release();
		}
	}

	#held(): WholeBody {
		const content = Buffer.concat(this.#chunks, this.#sizeBytes);
		return {
			hash: bodyHash(hash("sha256", content)),
			sizeBytes: this.#sizeBytes,
			content,
		};
	}

	async #spooled(spool: Spool): Promise<WholeBody> {
		const content = await spool.done();
		return {
			hash: spool.hash(),
			sizeBytes: this.#sizeBytes,
			content,
		};
	}

	abort(): void {
		if (!this.#open) return;
		this.#open = false;
		this.#release();
	}

	#fits(bytes: number): boolean {
		return (
			this.#sizeBytes <= BODY_MEMORY_BYTES_MAX && this.#host.memory.take(bytes)
		);
	}

	async #toSpool(chunk: Uint8Array): Promise<void> {
		if (this.#spool === undefined) {
			this.#spool = new Spool(this.#host.spoolFile());
			const held = Buffer.concat(this.#chunks);
			this.#chunks = [];
			const moved = this.#spool.write(held);
			const written = this.#spool.write(chunk);
			await moved;
			this.#giveMemory();
			return written;
		}
		return this.#spool.write(chunk);
	}

	#giveMemory(): void {
		this.#host.memory.give(this.#memoryBytes);
		this.#memoryBytes = 0;
	}

	#release(): void {
		this.#giveMemory();
		this.#chunks = [];
		// What cannot be removed now is removed at the next start.
		this.#spool?.remove().catch(() => {});
	}
}
