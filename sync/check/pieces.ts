/**
 * A document that is too large for one answer goes from member to member in pieces of what was saved once: it may change
 * meanwhile, so who answers keeps what it saved for a while, and who asks names it by its digest.
 */
import { createHash } from "node:crypto";
import {
	CHECK_PIECE_BYTES,
	CHECK_PIECES_DOCUMENTS_MAX,
	CHECK_PIECES_MILLISECONDS,
	DOCUMENT_BYTES_MAX,
} from "../limits.ts";
import type { Cancel, Clock } from "../ports/clock.ts";

/** [digest of the whole, its length, the bytes from there on]; nothing when it is not to be had (any more). */
export type Piece = readonly [string, number, Uint8Array] | readonly [];

const digestOf = (bytes: Uint8Array): string =>
	createHash("sha256").update(bytes).digest("hex");

interface Saved {
	readonly bytes: Uint8Array;
	cancel: Cancel;
}

/** Who answers. */
export class Pieces {
	readonly #clock: Clock;
	/** By document and digest; the one asked for least recently is forgotten first. */
	readonly #saved = new Map<string, Saved>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** The piece from `from` on of what `digest` names; with "" of what `save` gives now. */
	piece(
		document: string,
		from: number,
		digest: string,
		save: () => Uint8Array | undefined,
	): Piece {
		const named = digest === "" ? this.#save(document, save) : digest;
		const key = `${document} ${named}`;
		const saved = this.#saved.get(key);
		if (saved === undefined || !Number.isSafeInteger(from) || from < 0)
			return [];
		this.#keep(key, saved);
		const { bytes } = saved;
		return [
			named ?? "",
			bytes.length,
			bytes.subarray(from, from + CHECK_PIECE_BYTES),
		];
	}

	#save(
		document: string,
		save: () => Uint8Array | undefined,
	): string | undefined {
		const bytes = save();
		if (bytes === undefined) return undefined;
		const digest = digestOf(bytes);
		this.#keep(`${document} ${digest}`, { bytes, cancel: () => {} });
		return digest;
	}

	#keep(key: string, saved: Saved): void {
		saved.cancel();
		saved.cancel = this.#clock.after(CHECK_PIECES_MILLISECONDS, () =>
			this.#saved.delete(key),
		);
		this.#saved.delete(key);
		this.#saved.set(key, saved);
		for (const [oldest, { cancel }] of this.#saved) {
			if (this.#saved.size <= CHECK_PIECES_DOCUMENTS_MAX) break;
			cancel();
			this.#saved.delete(oldest);
		}
	}
}

/** Who asks: all pieces, put together and checked. undefined where they are not to be had, or are not what they should be. */
export async function gathered(
	ask: (from: number, digest: string) => Promise<unknown>,
): Promise<Uint8Array | undefined> {
	const pieces: Uint8Array[] = [];
	let digest = "";
	let have = 0;
	for (;;) {
		const [named, length, bytes] = (await ask(have, digest)) as unknown[];
		if (!(bytes instanceof Uint8Array) || bytes.length === 0) return undefined;
		if (typeof named !== "string" || (digest !== "" && named !== digest))
			return undefined;
		if (Number(length) > DOCUMENT_BYTES_MAX) return undefined;
		digest = named;
		pieces.push(bytes);
		have += bytes.length;
		if (have > Number(length)) return undefined;
		if (have < Number(length)) continue;
		const whole = Buffer.concat(pieces);
		return digestOf(whole) === digest ? whole : undefined;
	}
}
