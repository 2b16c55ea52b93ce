/** Documents as a whole on their way to a joiner: a large one goes in parts, each of which a link carries. */
import { expect, it } from "vitest";
import { DamagedDocument } from "../../../sync/documents/flat.ts";
import { segmentDocument } from "../../../sync/documents/shapes.ts";
import type {
	DocumentId,
	MailboxId,
	NodeId,
	Origin,
} from "../../../sync/ids.ts";
import {
	LINK_MESSAGE_BYTES_MAX,
	SNAPSHOT_PART_BYTES,
	SNAPSHOT_WHOLE_BYTES_MAX,
} from "../../../sync/limits.ts";
import type { Ledger } from "../../../sync/log/ledger.ts";
import type { ChangeLog } from "../../../sync/log/log.ts";
import type { Link } from "../../../sync/ports/network.ts";
import {
	decodeFrame,
	encodeFrame,
} from "../../../sync/replication/frame-codec.ts";
import { BadFrame, type Frame } from "../../../sync/replication/frames.ts";
import { Session } from "../../../sync/replication/session.ts";
import { snapshotFrames } from "../../../sync/replication/snapshot.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

type DocumentFrame = Extract<Frame, { type: "document" }>;
const idOf = (number: number): DocumentId =>
	segmentDocument("m".repeat(22) as MailboxId, number);

function world(documents: ReadonlyMap<DocumentId, Uint8Array | undefined>) {
	const ledger = {
		log: { vector: new Map(), head: () => undefined },
		documents: {
			ids: () => documents.keys(),
			get: (id: DocumentId) => ({
				save: () => {
					const saved = documents.get(id);
					if (saved === undefined) throw new DamagedDocument(`no ${id}`);
					return saved;
				},
			}),
		},
	} as unknown as Ledger;
	const sent: Uint8Array[] = [];
	let closed: string | undefined;
	const link: Partial<Link> = {
		peer: "peer" as NodeId,
		send: (message) => {
			sent.push(message);
			return true;
		},
		close: (reason) => {
			closed = reason;
		},
	};
	const session = new Session(
		link as Link,
		{ vector: new Map() } as unknown as ChangeLog,
		"own" as Origin,
	);
	session.sendSnapshot(snapshotFrames(ledger, new MemoryStore()));
	return { session, sent, closed: () => closed };
}

/** What the receiver makes of them. */
const received = (
	session: Session,
	sent: readonly Uint8Array[],
): DocumentFrame[] =>
	sent.flatMap((message) => {
		const frame = decodeFrame(message);
		if (frame?.type !== "document") return [];
		return session.whole(frame) ?? [];
	});

it("each frame fits, and what arrives is what was saved", () => {
	const sizes = [
		10,
		SNAPSHOT_WHOLE_BYTES_MAX,
		SNAPSHOT_WHOLE_BYTES_MAX + 1,
		3 * SNAPSHOT_PART_BYTES,
		LINK_MESSAGE_BYTES_MAX + 12_345,
	];
	const documents = new Map(
		sizes.map((size, i) => [idOf(i), Buffer.alloc(size, i + 1)]),
	);
	const { session, sent } = world(documents);
	for (const message of sent)
		expect(message.length).toBeLessThan(LINK_MESSAGE_BYTES_MAX);
	const whole = received(session, sent);
	expect(whole.map(({ id }) => id)).toEqual([...documents.keys()]);
	for (const { id, saved } of whole)
		expect(Buffer.compare(saved, documents.get(id) as Buffer)).toBe(0);
});

it("parts of two documents, or too many, are refused", () => {
	const { session } = world(new Map());
	const part = (id: DocumentId, size = 1): DocumentFrame => ({
		type: "document",
		id,
		saved: Buffer.alloc(size),
		rows: [],
		dead: [],
		more: true,
	});
	session.whole(part(idOf(1)));
	expect(() => session.whole(part(idOf(2)))).toThrow(BadFrame);
	expect(() => {
		for (let i = 0; i < 65; i++)
			session.whole(part(idOf(1), SNAPSHOT_PART_BYTES));
	}).toThrow(/too large/);
});

it("a document that does not open ends the link, not the node", () => {
	const { sent, closed } = world(
		new Map([
			[idOf(1), Buffer.alloc(10)],
			[idOf(2), undefined],
		]),
	);
	expect(closed()).toMatch(/^no segment:/);
	expect(
		sent.map((message) => encodeFrame(decodeFrame(message) as Frame)),
	).toHaveLength(2);
});
