/** Tells a client that waits for a long command that it is still at work (INPROGRESS, RFC 9585). */
import { IMAP_PROGRESS_MILLISECONDS } from "../../sync/limits.ts";
import type { Cancel } from "../../sync/ports/clock.ts";
import type { Session } from "./session.ts";

/** How far a command is; counted by it, told from time to time. */
export interface Progress {
	done: number;
	/** 0: not known. */
	goal: number;
}

/**
 * From now on, until cancelled, `* OK [INPROGRESS ("a1" 454 1000)]` goes out between responses. Only for commands that
 * write whole responses at once.
 */
export function tellProgress(session: Session, tag: string): Cancel {
	const { output, surroundings } = session;
	const progress: Progress = { done: 0, goal: 0 };
	session.progress = progress;
	let cancel: Cancel = () => {};
	const again = () => {
		cancel = surroundings.clock.after(IMAP_PROGRESS_MILLISECONDS, () => {
			const { done, goal } = progress;
			// RFC 9585 §4: what is done is less than what there is to do.
			const numbers = goal > 0 && done < goal ? `${done} ${goal}` : "NIL NIL";
			output.text(`* OK [INPROGRESS ("${tag}" ${numbers})] Still at work\r\n`);
			output.flush();
			again();
		});
	};
	again();
	return () => {
		cancel();
		session.progress = undefined;
	};
}
