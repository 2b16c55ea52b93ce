/** What a session sends of its own when the log does not have it. */
import { expect, it } from "vitest";
import { origin } from "../../../sync/ids.ts";
import type { ChangeLog } from "../../../sync/log/log.ts";
import type { Link } from "../../../sync/ports/network.ts";
import { Session } from "../../../sync/replication/session.ts";
import { simNodeId } from "../../../sync/sim/machine.ts";

it("records that the log does not reach back to are not looked for again and again", () => {
	const own = origin("0123456789abcdef");
	let looks = 0;
	const log = {
		vector: new Map([[own, 20]]),
		readFramed: () => {
			if (++looks > 10) throw new Error("without end");
			return [];
		},
	};
	const sent: Uint8Array[] = [];
	const link = {
		peer: simNodeId("b"),
		queuedBytes: 0,
		handlers: undefined,
		send: (message: Uint8Array) => {
			sent.push(message);
			return true;
		},
		close: () => {},
	};
	const session = new Session(link as Link, log as unknown as ChangeLog, own);
	session.startAt(18);
	session.drained();
	expect(looks).toBe(2);
	expect(sent).toEqual([]);
});
