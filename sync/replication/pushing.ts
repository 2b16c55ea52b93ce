/**
 * Sends what was appended to the own drive along unasked, as soon as it is durable here, before the changes that name it:
 * its copies then cost the way there and the way of the confirmation. Only to members that can take it now; all others
 * hear which bodies there are, and fetch them. A lost one costs nothing but that.
 */
import {
	PUSH_REST_MILLISECONDS_MAX,
	PUSH_REST_MILLISECONDS_MIN,
	PUSH_UNCONFIRMED_BYTES_MAX,
} from "../limits.ts";
import type { AppendedBodies, Bodies, BodyPiece } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { PeerFacts } from "./facts.ts";
import { encodeFrame } from "./frame-codec.ts";
import type { BodyNeeds } from "./needs.ts";
import type { Session } from "./session.ts";

/** The first version of a link that knows of it. */
const PUSH_VERSION = 5;

/** How many pieces that came on a link were dealt with, and how many of these could not be taken. */
export interface PiecesTold {
	readonly dealtWith: number;
	readonly refused: number;
}

/** What goes to one member over one link. */
interface Sent {
	/** Bytes of each piece that it said nothing of yet. */
	readonly unconfirmed: number[];
	unconfirmedBytes: number;
	dealtWith: number;
	refused: number;
	/** How long the drive is there when all has come. */
	upToBlocks: number;
	restMilliseconds: number;
	/** Nothing is sent before (monotonic). */
	restUntil: number;
}

interface Came {
	dealtWith: number;
	refused: number;
}

export interface PushingOptions {
	readonly bodies: Pick<Bodies, "onAppended" | "lengthAt" | "take">;
	readonly needs: Pick<BodyNeeds, "prefetch">;
	readonly clock: Clock;
	readonly diary: Log;
	readonly joining: () => boolean;
	readonly sessions: () => Iterable<Session>;
	readonly facts: (session: Session) => PeerFacts;
	/** Members want to hear that something could not be taken. */
	readonly refused: () => void;
}

export class Pushing {
	readonly #options: PushingOptions;
	readonly #sent = new WeakMap<Session, Sent>();
	readonly #came = new WeakMap<Session, Came>();

	constructor(options: PushingOptions) {
		this.#options = options;
		options.bodies.onAppended((appended) => this.#appended(appended));
	}

	#appended({ bodies, piece }: AppendedBodies): void {
		let push: Uint8Array | undefined;
		let hint: Uint8Array | undefined;
		for (const session of this.#options.sessions()) {
			if (session.vector === undefined || session.joining) continue;
			if (piece !== undefined && this.#reserve(session, piece)) {
				push ??= encodeFrame({ type: "push", piece });
				session.sendEncoded(push);
			} else {
				hint ??= encodeFrame({ type: "bodies", bodies });
				session.sendEncoded(hint);
			}
		}
	}

	/** Whether the piece is to be sent. */
	#reserve(session: Session, piece: BodyPiece): boolean {
		if (session.version < PUSH_VERSION || session.apart !== "no") return false;
		const { ready, absent } = this.#options.facts(session);
		if (!ready || absent || session.isBlocked) return false;
		const length = this.#options.bodies.lengthAt(session.peer);
		if (length === undefined) return false;
		const sent = this.#sentTo(session);
		const bytes = bytesOf(piece);
		if (
			sent.unconfirmedBytes + bytes > PUSH_UNCONFIRMED_BYTES_MAX ||
			this.#options.clock.monotonic() < sent.restUntil ||
			Math.max(length, sent.upToBlocks) !== piece.start
		)
			return false;
		sent.unconfirmed.push(bytes);
		sent.unconfirmedBytes += bytes;
		sent.upToBlocks = piece.start + piece.blocks.length;
		return true;
	}

	#sentTo(session: Session): Sent {
		let sent = this.#sent.get(session);
		if (sent === undefined) {
			sent = {
				unconfirmed: [],
				unconfirmedBytes: 0,
				dealtWith: 0,
				refused: 0,
				upToBlocks: 0,
				restMilliseconds: 0,
				restUntil: 0,
			};
			this.#sent.set(session, sent);
		}
		return sent;
	}

	/** A member says what became of what it was sent. */
	told(session: Session, { dealtWith, refused }: PiecesTold): void {
		const sent = this.#sentTo(session);
		const news = dealtWith - sent.dealtWith;
		if (news <= 0) return;
		for (const bytes of sent.unconfirmed.splice(0, news))
			sent.unconfirmedBytes -= bytes;
		sent.dealtWith = dealtWith;
		if (refused <= sent.refused) {
			sent.restMilliseconds = 0;
			return;
		}
		sent.refused = refused;
		// It fetches these now, and with them comes what its copy of the drive lacks.
		sent.upToBlocks = 0;
		sent.restMilliseconds = Math.min(
			PUSH_REST_MILLISECONDS_MAX,
			Math.max(PUSH_REST_MILLISECONDS_MIN, 2 * sent.restMilliseconds),
		);
		sent.restUntil = this.#options.clock.monotonic() + sent.restMilliseconds;
	}

	/** A member sent this. What cannot be taken is fetched at once. */
	async take(session: Session, piece: BodyPiece): Promise<void> {
		let came = this.#came.get(session);
		if (came === undefined) {
			came = { dealtWith: 0, refused: 0 };
			this.#came.set(session, came);
		}
		const taken =
			!this.#options.joining() &&
			(await this.#options.bodies.take(session.peer, piece));
		came.dealtWith++;
		if (taken) return;
		came.refused++;
		this.#options.diary.debug("bodies that came unasked are fetched instead", {
			peer: session.peer,
			count: piece.bodies.length,
		});
		if (!this.#options.joining()) this.#options.needs.prefetch(piece.bodies);
		this.#options.refused();
	}

	/** What the member is to be told of what it sent; undefined where it sent nothing. */
	telling(session: Session): PiecesTold | undefined {
		return this.#came.get(session);
	}
}

function bytesOf({ blocks }: BodyPiece): number {
	let bytes = 0;
	for (const block of blocks) bytes += block.length;
	return bytes;
}
