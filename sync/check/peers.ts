/**
 * Documents compared with those of other members, and taken from them. Heads are compared, not the vectors of the log:
 * these follow from what was received, heads from what a document really holds. Both sides may go on writing: a head
 * counts as lacking only where the vector says that its change has been applied. The whole document is then merged,
 * as a difference is rare (a bug, a bad disk) and a document small.
 */
import { decode, encode } from "cborg";
import type { Member } from "../directory/cluster.ts";
import { DamagedDocument, type FlatDocument } from "../documents/flat.ts";
import { Temporary } from "../faults.ts";
import {
	type DocumentId,
	documentId,
	type NodeId,
	type Origin,
	origin as toOrigin,
} from "../ids.ts";
import {
	CHECK_DOCUMENTS_MAX,
	CHECK_RECORDS_BYTES_MAX,
	CHECK_RECORDS_MAX,
	REQUEST_MILLISECONDS_MAX,
	RESPONSE_BYTES_MAX,
} from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import { framedHash, unframe } from "../log/log.ts";
import {
	BadRecord,
	type ChainHash,
	decodeRecord,
	decodeVector,
	encodeVector,
	type Vector,
} from "../log/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network } from "../ports/network.ts";
import type { Flaw } from "./flaws.ts";
import { gathered, Pieces } from "./pieces.ts";

const PROTOCOL = "check";

export interface PeerDocumentsOptions {
	readonly network: Network;
	readonly ledger: Ledger;
	readonly clock: Clock;
	readonly member: (node: NodeId) => Member | undefined;
	/** Resolves to whether all in `vector` is here, waiting a moment for it. */
	readonly arrived: (vector: Vector) => Promise<boolean>;
	/** Whether messages live in this document, if it is one of a mailbox. */
	readonly hasMail: (id: DocumentId) => boolean;
	/** Lets others have a turn. */
	readonly breathe: () => Promise<void>;
	/** A member has changes of these documents that this node lost: has them merged. */
	readonly mergeFrom: (
		member: Member,
		ids: readonly DocumentId[],
	) => Promise<void>;
}

/** A member could not be asked, or is too busy to catch up with what is compared. */
export class NotComparable extends Error {
	override name = "NotComparable";
}

interface Heads {
	readonly id: DocumentId;
	readonly heads: readonly string[];
}

export class PeerDocuments {
	readonly #options: PeerDocumentsOptions;
	readonly #pieces: Pieces;
	readonly #answerBytesMax: number;

	/** `answerBytesMax`: other than the network carries, in tests. */
	constructor(
		options: PeerDocumentsOptions,
		answerBytesMax: number = RESPONSE_BYTES_MAX,
	) {
		this.#options = options;
		this.#pieces = new Pieces(options.clock);
		this.#answerBytesMax = answerBytesMax;
		options.network.handle(PROTOCOL, (peer, body) => this.#answer(peer, body));
	}

	// ------------------------------------------------------------------ asking

	/** Differences in the documents from `from` up to but not including `to` (undefined: all that follow). */
	async compare(
		member: Member,
		ids: readonly DocumentId[],
		to: DocumentId | undefined,
	): Promise<Flaw[]> {
		const { ledger } = this.#options;
		const [from] = ids;
		if (from === undefined) return [];
		const mine = await this.#headsOf(ids);
		const vector = encodeVector(ledger.log.vector);
		const [covered, theirVector, differing] = (await this.#ask(member, [
			"heads",
			vector,
			from,
			to ?? "",
			mine.map(({ id, heads }) => [id, pack(heads)]),
		])) as [boolean, unknown, [string, Uint8Array, boolean][]];
		if (!covered || !(await this.#options.arrived(decodeVector(theirVector))))
			throw new NotComparable(`${member.name} is catching up`);
		return differing.flatMap(([id, heads, lacks]) => {
			const document = documentId(id);
			const isHere = ledger.documents.exists(document);
			// Each node drops a segment by itself, once all know that nothing in it lives.
			if (!isHere || (heads.length === 0 && !this.#options.hasMail(document)))
				return [];
			const differs = (side: "here" | "there"): Flaw => ({
				kind: "differs",
				document,
				peer: member.node,
				peerName: member.name,
				lacks: side,
			});
			const lacking = this.#open(document)?.lacks(unpack(heads)) ?? [];
			const lacksHere = lacking.length > 0;
			return [
				...(lacksHere ? [differs("here")] : []),
				...(lacks ? [differs("there")] : []),
			];
		});
	}

	/** The document as the member has it; undefined when it has none, or cannot open it. */
	async document(
		member: Member,
		id: DocumentId,
	): Promise<Uint8Array | undefined> {
		const [saved, isLarge] = (await this.#ask(member, [
			"document",
			id,
		])) as unknown[];
		if (saved instanceof Uint8Array) return saved;
		return isLarge === true
			? await gathered((from, digest) =>
					this.#ask(member, ["piece", id, from, digest]),
				)
			: undefined;
	}

	/** Records of an origin as the member has them, from `sequence` on. */
	async records(
		member: Member,
		origin: string,
		sequence: number,
	): Promise<Uint8Array[]> {
		const answer = await this.#ask(member, ["records", origin, sequence]);
		return (answer as unknown[]).filter((one) => one instanceof Uint8Array);
	}

	/** The hash of an origin's chain at a change, as the member has it; undefined where it does not keep that, or answer. */
	async hashAt(
		node: NodeId,
		origin: Origin,
		sequence: number,
	): Promise<ChainHash | undefined> {
		const member = this.#options.member(node);
		if (member === undefined) return undefined;
		try {
			const [framed] = await this.records(member, origin, sequence);
			if (framed === undefined) return undefined;
			const record = decodeRecord(unframe(framed));
			return record.origin === origin && record.sequence === sequence
				? framedHash(framed)
				: undefined;
		} catch (error) {
			if (!(error instanceof NotComparable || error instanceof BadRecord))
				throw error;
			return undefined;
		}
	}

	/** Has the member take what it lacks of the documents from here. */
	async offer(member: Member, ids: readonly DocumentId[]): Promise<void> {
		await this.#ask(member, ["merge", ids]);
	}

	async #ask(member: Member, question: unknown): Promise<unknown> {
		const { network } = this.#options;
		try {
			return decode(
				await network.request(
					member,
					PROTOCOL,
					encode(question),
					REQUEST_MILLISECONDS_MAX,
				),
			);
		} catch (error) {
			throw new NotComparable(
				`${member.name} does not answer (${(error as Error).message})`,
			);
		}
	}

	/** Without those that do not open: that is for another check to tell. */
	async #headsOf(ids: Iterable<DocumentId>): Promise<Heads[]> {
		const found: Heads[] = [];
		for (const id of ids) {
			const document = this.#open(id);
			if (document !== undefined) found.push({ id, heads: document.heads() });
			await this.#options.breathe();
		}
		return found;
	}

	#open(id: DocumentId): FlatDocument | undefined {
		try {
			return this.#options.ledger.documents.get(id);
		} catch (error) {
			if (!(error instanceof DamagedDocument || error instanceof BadRecord))
				throw error;
			return undefined;
		}
	}

	// ------------------------------------------------------------------ answering

	async #answer(peer: NodeId, body: Uint8Array): Promise<Uint8Array> {
		const member = this.#options.member(peer);
		if (member === undefined) throw new Temporary("only members may ask");
		const [what, ...rest] = decode(body) as unknown[];
		if (what === "heads") return encode(await this.#answerHeads(rest));
		if (what === "document")
			return encode(this.#saved(documentId(String(rest[0]))));
		if (what === "piece") return encode(this.#answerPiece(rest));
		if (what === "records") return encode(this.#answerRecords(rest));
		if (what === "merge") {
			const ids = (rest[0] as unknown[]).slice(0, CHECK_DOCUMENTS_MAX);
			await this.#options.mergeFrom(
				member,
				ids.map((id) => documentId(String(id))),
			);
			return encode([]);
		}
		throw new Error(`unknown question ${String(what).slice(0, 20)}`);
	}

	async #answerHeads([vector, from, to, docs]: unknown[]): Promise<unknown> {
		const { ledger, arrived } = this.#options;
		const covered = await arrived(decodeVector(vector));
		const theirs = new Map(
			(docs as [string, Uint8Array][])
				.slice(0, CHECK_DOCUMENTS_MAX)
				.map(([id, heads]) => [documentId(id), unpack(heads)]),
		);
		const mine = [...ledger.documents.ids()].filter(
			(id) => id >= String(from) && (to === "" || id < String(to)),
		);
		const ids = new Set([
			...mine.slice(0, CHECK_DOCUMENTS_MAX),
			...theirs.keys(),
		]);
		const differing: [DocumentId, Uint8Array, boolean][] = [];
		for (const id of ids)
			if (!ledger.documents.exists(id))
				differing.push([id, new Uint8Array(0), true]);
		const here = [...ids].filter((id) => ledger.documents.exists(id));
		for (const { id, heads } of await this.#headsOf(here)) {
			const asked = theirs.get(id) ?? [];
			if (asked.join() === heads.join()) continue;
			const lacks = (this.#open(id)?.lacks(asked) ?? []).length > 0;
			differing.push([id, pack(heads), lacks]);
		}
		// Read last, so that it covers all heads.
		return [covered, encodeVector(ledger.log.vector), differing];
	}

	/** The document, or whether it must be asked for in pieces. */
	#saved(id: DocumentId): [Uint8Array | null, boolean] {
		const saved = this.#open(id)?.save();
		if (saved === undefined) return [null, false];
		return saved.length < this.#answerBytesMax - 1024
			? [saved, false]
			: [null, true];
	}

	#answerPiece([id, from, digest]: unknown[]): unknown {
		const document = documentId(String(id));
		return this.#pieces.piece(`${document}`, Number(from), String(digest), () =>
			this.#open(document)?.save(),
		);
	}

	#answerRecords([origin, sequence]: unknown[]): Uint8Array[] {
		const { log } = this.#options.ledger;
		const at = toOrigin(String(origin));
		if (Number(sequence) < log.firstKept(at)) return [];
		return log.readFramed(
			at,
			Number(sequence),
			CHECK_RECORDS_MAX,
			CHECK_RECORDS_BYTES_MAX,
		);
	}
}

const pack = (heads: readonly string[]): Uint8Array =>
	Buffer.from(heads.join(""), "hex");
const unpack = (packed: Uint8Array): string[] =>
	Buffer.from(packed).toString("hex").match(/.{64}/g) ?? [];
