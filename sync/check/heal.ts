/**
 * A document that does not open is put together again when it is met, not only when an operator asks: from what is sound
 * in the log and at another member. Until then what was folded of it is shown as before, changes of it are refused for
 * now (Temporary), and those of peers wait. It is tried again until it works: a member that has it may be down.
 */
import { DamagedDocument } from "../documents/flat.ts";
import { CLUSTER } from "../documents/shapes.ts";
import type { DocumentId } from "../ids.ts";
import { HEAL_AGAIN_MILLISECONDS } from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { type Store, StoreDamaged } from "../ports/store.ts";
import { checkLog } from "./log.ts";
import { loggedAtOnce } from "./logged.ts";
import type { Mender } from "./mend.ts";
import { fromLog } from "./mend-documents.ts";

/**
 * The document of the cluster, without which nothing can begin: from the log if need be. Where that does not have it whole
 * either, the store as a whole counts as damaged, and all comes back from the other members.
 */
export function mendCluster(ledger: Ledger, store: Store, diary: Log): void {
	const { documents } = ledger;
	try {
		documents.get(CLUSTER);
	} catch (error) {
		if (!(error instanceof DamagedDocument)) throw error;
		const document = fromLog(ledger, CLUSTER, loggedAtOnce(ledger, CLUSTER));
		if (document === undefined)
			throw new StoreDamaged(
				`the document of the cluster is damaged in the store (${error.message})`,
			);
		store.commit(documents.replace(CLUSTER, document));
		documents.committed();
		diary.warn("a damaged document was put together again from the log", {
			document: CLUSTER,
		});
	}
}

export interface HealingOptions {
	readonly store: Store;
	readonly ledger: Ledger;
	readonly clock: Clock;
	readonly diary: Log;
	readonly mender: () => Mender;
}

export class Healing {
	readonly #options: HealingOptions;
	readonly #damaged = new Map<DocumentId, string>();
	#working: Promise<void> | undefined;
	#cancel: Cancel = () => {};
	#stopped = false;

	constructor(options: HealingOptions) {
		this.#options = options;
	}

	/** A document does not open. */
	met(document: DocumentId, reason: string): void {
		if (this.#damaged.has(document)) return;
		this.#damaged.set(document, reason);
		this.#options.diary.error(
			"a document is damaged here; it is put together again from the log or another member",
			{ document, reason },
		);
		this.#schedule(0);
	}

	async stop(): Promise<void> {
		this.#stopped = true;
		this.#cancel();
		await this.#working;
	}

	#schedule(milliseconds: number): void {
		if (this.#working !== undefined || this.#stopped) return;
		this.#cancel();
		this.#cancel = this.#options.clock.after(milliseconds, () => {
			this.#working = this.#run().finally(() => {
				this.#working = undefined;
				if (this.#damaged.size > 0) this.#schedule(HEAL_AGAIN_MILLISECONDS);
			});
		});
	}

	async #run(): Promise<void> {
		const { mender, ledger, diary } = this.#options;
		let mended = 0;
		for (const [document, what] of [...this.#damaged]) {
			if (this.#stopped) return;
			if (this.#isMended(document)) continue;
			if (!(await mender().mend({ kind: "document", document, what })))
				continue;
			this.#damaged.delete(document);
			mended++;
			diary.warn("a damaged document was put together again", { document });
		}
		if (mended === 0) return;
		if (this.#damaged.size === 0) await this.#mendLog();
		// What came of it meanwhile is taken in with the next batch.
		await ledger.write(() => {});
	}

	/** By another: an operator's check, or at the start. */
	#isMended(document: DocumentId): boolean {
		const isMended = !this.#options.ledger.documents.isDamaged(document);
		if (isMended) this.#damaged.delete(document);
		return isMended;
	}

	/** The log may be what was damaged. Only now, when no document needs what is cut off with the damage. */
	async #mendLog(): Promise<void> {
		const { store, mender } = this.#options;
		for (const step of checkLog(store)) {
			if (this.#stopped) return;
			if (typeof step !== "number") await mender().mend(step);
		}
	}
}
