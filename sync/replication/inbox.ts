/** What comes from a member on a link: taken apart, given to whom it concerns, and refused where it makes no sense. */
import { Temporary } from "../faults.ts";
import type { NodeId, Origin, Sequence } from "../ids.ts";
import type { Work } from "../log/ledger.ts";
import { BadRecord } from "../log/record.ts";
import type { CatchUp } from "./catch-up.ts";
import { decodeFrame } from "./frame-codec.ts";
import { BadFrame, type Frame, type Holds, UnknownFrame } from "./frames.ts";
import type { Hello, ReplicationOptions } from "./options.ts";
import type { RefusesFrame } from "./passed-on.ts";
import type { Pulling } from "./pulling.ts";
import type { PiecesTold, Pushing } from "./pushing.ts";
import type { Session } from "./session.ts";
import type { Whole } from "./whole.ts";

/** What a member says of what it holds. */
export interface HeldNews {
	readonly holds: Holds;
	readonly ready: boolean;
	readonly serves: boolean;
	readonly full: boolean;
	readonly pieces?: PiecesTold;
}

export interface InboxParts {
	readonly options: ReplicationOptions;
	/** The newest version that this node speaks. */
	readonly newest: number;
	readonly catchUp: CatchUp;
	readonly pulling: Pulling;
	readonly pushing: Pushing;
	readonly whole: Whole;
	readonly hello: (session: Session, frame: Hello) => void;
	readonly heardHolds: (session: Session, news: HeldNews) => void;
	readonly write: (work: Work) => void;
	/** The sender of this transaction saw its 250. */
	readonly confirmed: (transaction: string) => void;
	/** Its hello makes no sense here: nobody waits for it. */
	readonly refused: (node: NodeId) => void;
	/** It refuses what this node sent. */
	readonly refuses: (session: Session, frame: RefusesFrame) => void;
}

export class Inbox {
	readonly #parts: InboxParts;
	readonly #options: ReplicationOptions;

	constructor(parts: InboxParts) {
		this.#parts = parts;
		this.#options = parts.options;
	}

	async take(session: Session, message: Uint8Array): Promise<void> {
		if (session.closed) return;
		try {
			await this.#handle(session, decodeFrame(message));
		} catch (error) {
			if (error instanceof UnknownFrame && session.newest > this.#parts.newest)
				return;
			if (error instanceof Temporary) {
				// A snapshot and a full disk: nothing is wrong with the member, which sends it again on the next link.
				this.#options.diary.warn("could not take what a member sent", {
					peer: session.peer,
					error: error.message,
				});
				session.link.close(error.message);
				return;
			}
			const known = error instanceof BadFrame || error instanceof BadRecord;
			this.#options.diary.error("refused what a member sent", {
				peer: session.peer,
				error: known ? error.message : String((error as Error).stack),
			});
			if (session.vector === undefined) this.#parts.refused(session.peer);
			session.link.close(`bad message: ${(error as Error).message}`);
			this.#options.changed();
		}
	}

	#handle(session: Session, frame: Frame): Promise<void> | undefined {
		if (frame.type === "hello") {
			this.#parts.hello(session, frame);
			return undefined;
		}
		if (frame.type === "twin") {
			this.#options.twin(frame.end);
			return undefined;
		}
		if (session.vector === undefined) throw new BadFrame("no hello first");
		const { ledger, mailboxes } = this.#options;
		switch (frame.type) {
			case "records":
				if (this.#options.joining()) return undefined;
				ledger.accept(frame.framed, session.peer);
				return ledger.taken();
			case "snapshot":
			case "document":
			case "snapshotEnd": {
				if (this.#options.joining()) this.#options.snapshotComes();
				const whole = frame.type === "document" ? session.whole(frame) : frame;
				if (whole === undefined) return undefined;
				return this.#options.joining()
					? this.#options.snapshotFrame(whole)
					: this.#options.returning().take(whole, session.peer);
			}
			case "holds":
				this.#options.confirmed();
				this.#parts.heardHolds(session, frame);
				break;
			case "pull":
				this.#answerPull(session, frame.from);
				break;
			case "lacks":
				this.#parts.pulling.lacks(session, frame.origins);
				break;
			case "sync":
				this.#parts.catchUp.answer(session, frame);
				break;
			case "synced":
				session.synced(frame);
				break;
			case "wants":
				if (!mailboxes.numbering.hear(frame.wants)) session.unheard = true;
				this.#parts.write((tx) =>
					mailboxes.numbering.takeWants(tx, frame.wants),
				);
				break;
			case "pairs":
				mailboxes.pairsHeard(frame.pairs);
				break;
			case "watermarks":
				this.#parts.write((tx) =>
					mailboxes.watermarksHeard(tx, frame.watermarks),
				);
				break;
			case "push":
				void this.#parts.pushing.take(session, frame.piece);
				break;
			case "bodies":
				this.#options.needs.prefetch(frame.bodies);
				break;
			case "refuses":
				this.#parts.refuses(session, frame);
				break;
			case "confirm":
				for (const one of frame.transactions) this.#parts.confirmed(one);
		}
		return undefined;
	}

	#answerPull(
		session: Session,
		from: readonly (readonly [Origin, Sequence])[],
	): void {
		const { log } = this.#options.ledger;
		const kept = from.filter(
			([origin, sequence]) => sequence >= log.firstKept(origin),
		);
		session.pull(kept);
		if (kept.length === from.length) return;
		const origins = from
			.filter((one) => !kept.includes(one))
			.map(([origin]) => origin);
		if (session.version >= 4) session.send({ type: "lacks", origins });
		this.#parts.whole.wanted(session);
	}
}
