/**
 * When a member gets the documents as a whole, since what it lacks is in the log here no more. The log of another member
 * may reach further back (a node that joined lately has none of what was before it): so it is told whom not to ask, and
 * has a moment to get the changes elsewhere.
 */
import type { Origin } from "../ids.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Session } from "./session.ts";

export interface WholeOptions {
	readonly clock: Clock;
	/** Origins of which the log here does not reach back to what the member lacks. */
	readonly lacking: (session: Session) => readonly Origin[];
	/** Whether another member is linked here, which may have what this one lacks. */
	readonly othersMayHave: (session: Session) => boolean;
	readonly send: (session: Session) => void;
}

/** Long enough for links to the others and a batch from them, short beside sending everything. */
const GRACE_MILLISECONDS = 2_000;

export class Whole {
	readonly #options: WholeOptions;
	readonly #due = new Map<Session, Cancel>();

	constructor(options: WholeOptions) {
		this.#options = options;
	}

	/** The member lacks what is in the log here no more. */
	wanted(session: Session): void {
		session.behind = true;
		if (this.#due.has(session)) return;
		if (this.#options.othersMayHave(session)) this.#wait(session);
		else this.#options.send(session);
	}

	closed(session: Session): void {
		this.#due.get(session)?.();
		this.#due.delete(session);
	}

	#wait(session: Session): void {
		const { clock, lacking, send } = this.#options;
		const origins = lacking(session);
		const before = had(session, origins);
		const cancel = clock.after(GRACE_MILLISECONDS, () => {
			this.#due.delete(session);
			if (session.closed || lacking(session).length === 0) return;
			// While that grows, somebody sends it changes.
			if (had(session, origins) > before) this.#wait(session);
			else send(session);
		});
		this.#due.set(session, cancel);
	}
}

/** So much the member has of the origins. */
function had({ vector }: Session, origins: readonly Origin[]): number {
	let sum = 0;
	for (const origin of origins) sum += vector?.get(origin) ?? 0;
	return sum;
}
