/** Documents of two members compared: a difference counts only where it cannot be on its way. */
import { expect, it } from "vitest";
import { NotComparable, PeerDocuments } from "../../../sync/check/peers.ts";
import type { Member } from "../../../sync/directory/cluster.ts";
import { FlatDocument } from "../../../sync/documents/flat.ts";
import {
	type DocumentId,
	documentId,
	type NodeId,
	origin,
} from "../../../sync/ids.ts";
import type { Ledger } from "../../../sync/log/ledger.ts";
import type { Clock } from "../../../sync/ports/clock.ts";
import type { Network, RequestHandler } from "../../../sync/ports/network.ts";

const id = documentId("cluster");

class Side {
	readonly document: FlatDocument;
	readonly peers: PeerDocuments;
	handler: RequestHandler | undefined;
	other: Side | undefined;
	hasArrived = true;
	constructor(actor: string, answerBytesMax?: number) {
		this.document = FlatDocument.create(16, origin(actor.repeat(16)));
		const documents: Partial<Ledger["documents"]> = {
			get: () => this.document,
			exists: () => true,
			ids: () => [id],
		};
		const network: Partial<Network> = {
			handle: (_protocol, handler) => {
				this.handler = handler;
			},
			request: async (_to, _protocol, body) => {
				const handler = this.other?.handler;
				if (handler === undefined) throw new Error("nobody is there");
				return handler("n" as NodeId, body);
			},
		};
		const clock: Partial<Clock> = { after: () => () => {} };
		const options = {
			clock: clock as Clock,
			network: network as Network,
			ledger: { documents, log: { vector: new Map() } } as unknown as Ledger,
			member: () => ({ name: "other", node: "n" }) as unknown as Member,
			arrived: async () => this.hasArrived,
			hasMail: () => true,
			breathe: async () => {},
			mergeFrom: async () => {},
		};
		this.peers = new PeerDocuments(options, answerBytesMax);
	}
	change(key: string): Uint8Array {
		return this.document.change([{ key, set: 1 }]) as Uint8Array;
	}
	async compare(): Promise<string[]> {
		const other = { name: "other", node: "n" } as unknown as Member;
		const ids: DocumentId[] = [id];
		const flaws = await this.peers.compare(other, ids, undefined);
		return flaws.map((flaw) => (flaw.kind === "differs" ? flaw.lacks : "?"));
	}
}

function pair(): [Side, Side] {
	const a = new Side("a");
	const b = new Side("b");
	a.other = b;
	b.other = a;
	return [a, b];
}

it("equal documents are equal, and each side's loss is told", async () => {
	const [a, b] = pair();
	b.document.take([{ change: a.change("d:x") }]);
	expect(await a.compare()).toEqual([]);
	const lost = a.change("d:y");
	expect(await a.compare()).toEqual(["there"]);
	expect(await b.compare()).toEqual(["here"]);
	b.change("d:z");
	expect(await a.compare()).toEqual(["here", "there"]);
	b.document.take([{ change: lost }]);
	expect(await a.compare()).toEqual(["here"]);
});

it("where one of the two has not caught up, nothing is compared", async () => {
	const [a, b] = pair();
	a.change("d:x");
	b.hasArrived = false;
	await expect(a.compare()).rejects.toThrow(NotComparable);
	b.hasArrived = true;
	a.hasArrived = false;
	await expect(a.compare()).rejects.toThrow(NotComparable);
	a.hasArrived = true;
	expect(await a.compare()).toEqual(["there"]);
});

it("a document too large for one answer is asked for in pieces", async () => {
	const a = new Side("a");
	const b = new Side("b", 1_100);
	a.other = b;
	for (let i = 0; i < 200; i++) b.change(`d:${i}`);
	const member = { name: "other", node: "n" } as unknown as Member;
	const saved = await a.peers.document(member, id);
	expect(saved?.length).toBeGreaterThan(1_100 - 1_024);
	expect(saved).toEqual(Buffer.from(b.document.save()));
});
