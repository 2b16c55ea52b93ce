/** Rule 9: of who finds more claims too low than there is room for, nothing is noted as had any more. */
import { expect, it } from "vitest";
import { entryId, mailboxId } from "../../../sync/ids.ts";
import type { Want } from "../../../sync/mailbox/wanted.ts";
import { encodeFrame } from "../../../sync/replication/frame-codec.ts";
import { Inbox, type InboxParts } from "../../../sync/replication/inbox.ts";
import type { Session } from "../../../sync/replication/session.ts";

it.each([true, false])("wants that have room: %s", async (room) => {
	const heard: Want[] = [];
	const numbering = {
		hear: (wants: readonly Want[]) => {
			heard.push(...wants);
			return room;
		},
		takeWants: () => {},
	};
	const parts = {
		options: { mailboxes: { numbering } },
		// The disk refuses: they were heard all the same.
		write: () => {},
	} as unknown as InboxParts;
	const session = { vector: new Map(), unheard: false } as unknown as Session;
	const want = {
		mailbox: mailboxId("m".repeat(22)),
		entry: entryId("e".repeat(21).concat("A")),
		claim: 7,
	};
	await new Inbox(parts).take(
		session,
		encodeFrame({ type: "wants", wants: [want] }),
	);
	expect(heard).toEqual([want]);
	expect(session.unheard).toBe(!room);
});
