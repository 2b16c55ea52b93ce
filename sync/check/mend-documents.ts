/** Documents and log put together from what is sound here or at another member. */
import type { Member } from "../directory/cluster.ts";
import { FlatDocument } from "../documents/flat.ts";
import { bucketsOf, CLUSTER, kindOf } from "../documents/shapes.ts";
import type { DocumentId, NodeId, Origin } from "../ids.ts";
import type { Ledger } from "../log/ledger.ts";
import { type ChangeLog, framedHash, unframe } from "../log/log.ts";
import { type ChainHash, chainHash, decodeRecord } from "../log/record.ts";
import { type Logged, logged, SLICE_BYTES } from "./logged.ts";
import type { MenderOptions } from "./mend.ts";
import type { RowMender } from "./mend-rows.ts";

export class DocumentMender {
	readonly #options: MenderOptions;
	readonly #rows: () => RowMender;

	constructor(options: MenderOptions, rows: () => RowMender) {
		this.#options = options;
		this.#rows = rows;
	}

	async mend(id: DocumentId): Promise<boolean> {
		const { ledger } = this.#options;
		if (this.#opens(id))
			await ledger.write((tx) => {
				tx.batch.putAll(ledger.documents.resnapshot(id));
			});
		else {
			const document = await this.#gathered(id);
			if (document === undefined) return false;
			await ledger.write((tx) => {
				tx.batch.putAll(ledger.documents.replace(id, document));
			});
		}
		await this.#follow(id);
		return true;
	}

	/** It may be sound in memory, though not in the store. */
	#opens(id: DocumentId): boolean {
		try {
			this.#options.ledger.documents.get(id);
			return true;
		} catch {
			return false; // that is what is to be mended
		}
	}

	/** From the first member that has it whole, and what is in the log of it; or from the log alone, if that reaches back. */
	async #gathered(id: DocumentId): Promise<FlatDocument | undefined> {
		const { reachable, peers, ledger, breathe } = this.#options;
		for (const member of reachable()) {
			const saved = await peers.document(member, id).catch(() => undefined);
			if (saved === undefined) continue;
			const { changes } = await logged(ledger, id, breathe);
			const document = FlatDocument.load(bucketsOf(id), ledger.origin, saved);
			document.take(changes.map((change) => ({ change })));
			if (document.lacks([]).length === 0) return document;
			document.free();
		}
		const { log } = ledger;
		const isCut = [...log.vector.keys()].some((one) => log.firstKept(one) > 1);
		if (isCut) return undefined;
		const { changes, isWhole } = await logged(ledger, id, breathe);
		return fromLog(ledger, id, { changes, isWhole });
	}

	async mergeWith(
		node: NodeId,
		id: DocumentId,
		lacks: "here" | "there",
	): Promise<boolean> {
		const { reachable, peers } = this.#options;
		const member = reachable().find((one) => one.node === node);
		if (member === undefined) return false;
		if (lacks === "there") await peers.offer(member, [id]);
		else await this.mergeFrom(member, [id]);
		return true;
	}

	/** Takes what this node lost of the documents from a member. */
	async mergeFrom(member: Member, ids: readonly DocumentId[]): Promise<void> {
		const { ledger, peers, diary } = this.#options;
		for (const id of ids) {
			const saved = await peers.document(member, id);
			if (saved === undefined) continue;
			const before = ledger.documents.get(id).heads().join();
			await ledger.write((tx) => {
				tx.batch.putAll(ledger.documents.adoptSnapshot(id, saved));
			});
			if (ledger.documents.get(id).heads().join() === before) continue;
			diary.error(
				"a document lacked changes that were in its log; they were taken from a member",
				{ document: id, member: member.name },
			);
			await this.#follow(id);
		}
	}

	/** Rows follow their document, and what the directory holds in memory. */
	async #follow(id: DocumentId): Promise<void> {
		const { directoryChanged } = this.#options;
		const place = kindOf(id);
		if (id === CLUSTER) directoryChanged("cluster");
		if (place.kind === "account") directoryChanged(place.account);
		if (place.kind === "segment")
			await this.#rows().follow(place.mailbox, place.segment);
	}

	async mendLog(origin: Origin, sequence: number): Promise<boolean> {
		const { ledger } = this.#options;
		const framed = await this.#recordsFrom(origin, sequence);
		// Documents no longer need what lies before: where that is, is not known any more.
		await this.#snapshotAll();
		await ledger.write((tx) => {
			if (framed.length > 0) ledger.log.putBack(tx.batch, origin, framed);
			else ledger.log.cut(tx.batch, origin, sequence);
		});
		return true;
	}

	/** Records that continue the chain here, from a member that has them. */
	async #recordsFrom(origin: Origin, sequence: number): Promise<Uint8Array[]> {
		const { reachable, peers, ledger } = this.#options;
		const { log } = ledger;
		const head = log.head(origin)?.sequence ?? 0;
		const hash = sequence === 1 ? "" : hashAt(log, origin, sequence - 1);
		if (hash === undefined) return [];
		for (const member of reachable()) {
			const framed = await peers
				.records(member, origin, sequence)
				.catch(() => []);
			const good = chained(framed, origin, sequence, hash, head);
			if (good.length > 0) return good;
		}
		return [];
	}

	async #snapshotAll(): Promise<void> {
		const { ledger, store, breathe } = this.#options;
		for (const id of [...ledger.documents.ids()]) {
			if (store.get(`docs/${id}`) === "") continue;
			await this.mend(id);
			await breathe();
		}
	}
}

/** The document of these changes; undefined where some of it is not among them. */
export function fromLog(
	ledger: Ledger,
	id: DocumentId,
	{ changes, isWhole }: Pick<Logged, "changes" | "isWhole">,
): FlatDocument | undefined {
	// What came last would not be missed by any other change.
	if (!isWhole || changes.length === 0) return undefined;
	const document = FlatDocument.create(bucketsOf(id), ledger.origin);
	document.take(changes.map((change) => ({ change })));
	if (document.lacks([]).length === 0) return document;
	document.free();
	return undefined;
}

/** The chain's hash after a record, if that is here. */
function hashAt(
	log: ChangeLog,
	origin: Origin,
	sequence: number,
): ChainHash | undefined {
	const [framed] = log.readFramed(origin, sequence, 1, SLICE_BYTES);
	return framed !== undefined &&
		decodeRecord(unframe(framed)).sequence === sequence
		? framedHash(framed)
		: undefined;
}

/** As many as follow one another from `sequence` on, the first one continuing `hash`, and none beyond the head here. */
function chained(
	framed: readonly Uint8Array[],
	origin: Origin,
	sequence: number,
	hash: ChainHash,
	head: number,
): Uint8Array[] {
	const good: Uint8Array[] = [];
	let previous = hash;
	for (const one of framed) {
		const record = decodeRecord(unframe(one));
		const next = sequence + good.length;
		if (
			record.origin !== origin ||
			record.sequence !== next ||
			next > head ||
			chainHash(previous, unframe(one)) !== framedHash(one)
		)
			break;
		previous = framedHash(one);
		good.push(one);
	}
	return good;
}
