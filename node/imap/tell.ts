/** Tells a client what has changed in its mailbox. */
import { Bye } from "./answer.ts";
import { difference } from "./difference.ts";
import { SYSTEM_FLAGS } from "./flags.ts";
import type { Selected } from "./selected.ts";
import type { Session } from "./session.ts";

/**
 * Writes EXPUNGE (if allowed now), EXISTS and FETCH FLAGS so that the client knows what this node shows. Bye when the
 * mailbox is gone.
 */
export async function tell(
	session: Session,
	mayExpunge: boolean,
): Promise<void> {
	const { selected, output } = session;
	if (selected === undefined) return;
	if (selected.mailbox.gone) {
		session.unselect();
		throw new Bye("The selected mailbox has been deleted");
	}
	const { expunged, exists, changed } = difference(
		selected.known,
		selected.mailbox,
		mayExpunge,
	);
	for (const number of expunged) {
		output.text(`* ${number} EXPUNGE\r\n`);
		if (output.crowded) await output.room();
	}
	if (exists !== undefined) output.text(`* ${exists} EXISTS\r\n* 0 RECENT\r\n`);
	for (const uid of changed) {
		const message = selected.mailbox.resolve(uid);
		const number = selected.numberOf(uid);
		if (message === undefined || number === 0) continue;
		tellKeywords(session, selected, message.flags);
		output.text(
			`* ${number} FETCH (UID ${uid} FLAGS (${message.flags.join(" ")}))\r\n`,
		);
		if (output.crowded) await output.room();
	}
}

/** Announces keywords that are new to the client (RFC 3501 §7.2.6). */
export function tellKeywords(
	session: Session,
	selected: Selected,
	flags: readonly string[],
): void {
	let isNew = false;
	for (const flag of flags) {
		const key = flag.charCodeAt(0) === 0x5c ? undefined : flag.toLowerCase();
		if (key === undefined || selected.keywords.has(key)) continue;
		selected.keywords.set(key, flag);
		isNew = true;
	}
	if (isNew) session.output.text(`* FLAGS ${flagList(selected)}\r\n`);
}

/** `(\Answered … $Junk)`: all flags that are in use here. */
export const flagList = ({ keywords }: Selected): string =>
	`(${[...SYSTEM_FLAGS, ...keywords.values()].join(" ")})`;
