/** One link to one member: what it was sent, what it says it holds, and what it asked for. Sends no faster than it reads. */
import { Temporary } from "../faults.ts";
import type { NodeId, Origin, Sequence } from "../ids.ts";
import {
	DOCUMENT_BYTES_MAX,
	RECORD_BATCH_BYTES,
	RECORD_BATCH_COUNT,
} from "../limits.ts";
import type { ChangeLog } from "../log/log.ts";
import type { Vector } from "../log/record.ts";
import type { Link } from "../ports/network.ts";
import { encodeFrame } from "./frame-codec.ts";
import {
	BadFrame,
	type Frame,
	type SyncedFrame,
	type SyncFrame,
} from "./frames.ts";

type DocumentFrame = Extract<Frame, { type: "document" }>;

export class Session {
	readonly link: Link;
	readonly #log: ChangeLog;
	/** What it was last heard to hold durably; undefined before its hello. */
	vector: Vector | undefined;
	joining = false;
	/** Silent for so long that it was taken for down, and then heard again: what is known of it is of before. */
	apart: "no" | "silent" | "back" = "no";
	/** What it had when it came, or came back, until that is here. */
	meeting: Vector | undefined;
	/** It found more claims too low than there was room for: its next life must not be told that it had them (rule 9). */
	unheard = false;
	/** It lacks changes that are not in the log any more, and gets the documents as a whole. */
	behind = false;
	/** What the two of them speak, and the newest version that it knows. */
	version = 0;
	newest = 0;
	/** It came while another link to the same member was open. */
	replaces = false;
	/** Own records up to here were sent; undefined until it can take them. */
	#sentOwn: number | undefined;
	readonly #own: Origin;
	/** What it asked for: origin → next sequence to send. */
	readonly #pulled = new Map<Origin, number>();
	#snapshot: Iterator<Frame> | undefined;
	/** Of a document that comes in parts. */
	#parts: DocumentFrame[] = [];
	#blocked = false;
	readonly #syncs = new Map<
		number,
		(theirs: SyncedFrame | undefined) => void
	>();
	#nonce = 0;
	closed = false;

	constructor(link: Link, log: ChangeLog, own: Origin) {
		this.link = link;
		this.#log = log;
		this.#own = own;
	}

	get peer(): NodeId {
		return this.link.peer;
	}

	send(frame: Frame): void {
		if (!this.closed) this.sendEncoded(encodeFrame(frame));
	}

	sendEncoded(frame: Uint8Array): void {
		if (this.closed) return;
		if (!this.link.send(frame)) this.#blocked = true;
	}

	/** The member reads more slowly than it is sent to. */
	get isBlocked(): boolean {
		return this.#blocked;
	}

	drained(): void {
		this.#blocked = false;
		this.pump();
	}

	/** It holds own records up to here: the rest is sent from now on as it is made. */
	startAt(sequence: number): void {
		this.#sentOwn ??= sequence;
		this.pump();
	}

	pull(from: readonly (readonly [Origin, Sequence])[]): void {
		for (const [origin, sequence] of from) this.#pulled.set(origin, sequence);
		this.pump();
	}

	/** Of one at a time. */
	get isSendingSnapshot(): boolean {
		return this.#snapshot !== undefined;
	}

	sendSnapshot(frames: Iterator<Frame>): void {
		this.#snapshot = frames;
		this.pump();
	}

	/** Sends what there is to send, until the link is full. */
	pump(): void {
		while (!this.#blocked && !this.closed) {
			if (this.#snapshot !== undefined) {
				const next = this.#nextOfSnapshot(this.#snapshot);
				if (next === undefined) this.#snapshot = undefined;
				else this.send(next);
			} else if (!this.#pumpOwn() && !this.#pumpPulled()) return;
		}
	}

	/** A document that does not open now ends the link: it is put together again, or another member is asked. */
	#nextOfSnapshot(frames: Iterator<Frame>): Frame | undefined {
		try {
			const next = frames.next();
			return next.done === true ? undefined : next.value;
		} catch (error) {
			if (!(error instanceof Temporary)) throw error;
			this.link.close(error.message);
			return undefined;
		}
	}

	/** The document, once all its parts are there. Throws BadFrame where they do not belong together. */
	whole(frame: DocumentFrame): DocumentFrame | undefined {
		const { id, more } = frame;
		const parts = [...this.#parts, frame];
		if (parts.some((part) => part.id !== id))
			throw new BadFrame("parts of two documents at once");
		if (sum(parts) > DOCUMENT_BYTES_MAX)
			throw new BadFrame("a document that is too large");
		this.#parts = more ? parts : [];
		if (more) return undefined;
		if (parts.length === 1) return frame;
		return { ...frame, saved: Buffer.concat(parts.map(({ saved }) => saved)) };
	}

	#pumpOwn(): boolean {
		if (this.#sentOwn === undefined) return false;
		const head = this.#log.vector.get(this.#own) ?? 0;
		if (this.#sentOwn >= head) return false;
		const sent = this.#sendRecords(this.#own, this.#sentOwn + 1);
		this.#sentOwn += sent;
		// None where the log does not reach back so far: it asks for them, and hears that.
		return sent > 0;
	}

	#pumpPulled(): boolean {
		for (const [origin, next] of this.#pulled) {
			const sent = this.#sendRecords(origin, next);
			if (sent === 0) this.#pulled.delete(origin);
			else {
				this.#pulled.set(origin, next + sent);
				return true;
			}
		}
		return false;
	}

	#sendRecords(origin: Origin, from: number): number {
		const framed = this.#log.readFramed(
			origin,
			from,
			RECORD_BATCH_COUNT,
			RECORD_BATCH_BYTES,
		);
		if (framed.length > 0) this.send({ type: "records", framed });
		return framed.length;
	}

	/**
	 * Asks it to catch up, and tell what it has then of the mailbox that is about to be told to a client; `done` runs with
	 * its answer, or when the link closes.
	 */
	sync(
		ask: Omit<SyncFrame, "type" | "nonce">,
		done: (theirs: SyncedFrame | undefined) => void,
	): void {
		if (this.closed) {
			done(undefined);
			return;
		}
		const nonce = ++this.#nonce;
		this.#syncs.set(nonce, done);
		this.send({ type: "sync", nonce, ...ask });
	}
	synced(frame: SyncedFrame): void {
		const done = this.#syncs.get(frame.nonce);
		this.#syncs.delete(frame.nonce);
		done?.(frame);
	}

	close(): void {
		this.closed = true;
		this.#snapshot = undefined;
		for (const done of this.#syncs.values()) done(undefined);
		this.#syncs.clear();
	}
}

const sum = (parts: readonly DocumentFrame[]): number =>
	parts.reduce((bytes, { saved }) => bytes + saved.length, 0);
