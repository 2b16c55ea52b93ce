import { expect, it } from "vitest";
import type { EntryId, NodeId, Origin } from "../../../sync/ids.ts";
import { mailboxId } from "../../../sync/ids.ts";
import { WANTS_TOLD_MAX } from "../../../sync/limits.ts";
import type { Link } from "../../../sync/ports/network.ts";
import { decodeFrame } from "../../../sync/replication/frame-codec.ts";
import { Session } from "../../../sync/replication/session.ts";
import { Telling } from "../../../sync/replication/telling.ts";

it("each member is told all claims that are too low, also more than one message holds", () => {
	const sent: [string, number][] = [];
	const sessions = ["b", "c"].map((peer) => {
		const link: Link = {
			peer: peer as NodeId,
			send: (message) => {
				const frame = decodeFrame(message);
				if (frame.type === "wants") sent.push([peer, frame.wants.length]);
				return true;
			},
			queuedBytes: 0,
			handlers: undefined,
			close: () => {},
		};
		return new Session(link, undefined as never, "aaaa" as Origin);
	});
	const open = new Map(sessions.map((session) => [session.peer, session]));
	// As of a map that may change, they can be walked over once.
	const tell = new Telling({ sessions: () => open.values() } as never);
	const want = {
		mailbox: mailboxId("A".repeat(22)),
		entry: "B".repeat(22) as EntryId,
		claim: 1,
	};
	tell.wants(Array.from({ length: WANTS_TOLD_MAX + 1 }, () => want));
	expect(sent).toEqual([
		["b", WANTS_TOLD_MAX],
		["b", 1],
		["c", WANTS_TOLD_MAX],
		["c", 1],
	]);
});
