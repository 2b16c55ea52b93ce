/** Brings one body here from other members, checks it, and has it synced. */
import type { ActiveRequests, Hypercore } from "hypercore";
import { type BodyRef, BodyUnavailable } from "../ports/bodies.ts";
import type { Log } from "../ports/log.ts";
import { StoreFull } from "../ports/store.ts";
import { isRight, missingBlocks, unreadableBlocks } from "./content.ts";
import type { Drives } from "./drives.ts";
import type { KnownBodies } from "./known.ts";
import type { DiskRoom } from "./room.ts";

export interface DownloadsParts {
	readonly drives: Drives;
	readonly room: DiskRoom;
	readonly known: KnownBodies;
	readonly log: Log;
	/** What is being cleared now. */
	readonly clearing: () => Promise<void>;
	/** Resolves when all that was written is synced. */
	readonly durable: () => Promise<void>;
}

export class Downloads {
	readonly #parts: DownloadsParts;

	constructor(parts: DownloadsParts) {
		this.#parts = parts;
	}

	/** Rejects with BodyUnavailable, StoreFull or StoreFailed. */
	async download(reference: BodyRef, signal: AbortSignal): Promise<void> {
		await this.#parts.clearing();
		const core = await this.#parts.drives.get(reference.drive);
		const requests: ActiveRequests = [];
		const cancel = () => {
			core.clearRequests(requests, new BodyUnavailable("nobody waits"));
			// Tells hypercore to refuse further requests of this fetch.
			requests.push(null);
			this.#parts.drives.askAgain(reference.drive).catch((error) =>
				this.#parts.log.debug("members are not asked again", {
					drive: reference.drive,
					error: String(error),
				}),
			);
		};
		signal.addEventListener("abort", cancel);
		try {
			if (signal.aborted) throw new BodyUnavailable("nobody waits");
			await this.#bring(core, reference, requests);
		} catch (error) {
			throw await this.#fetchFault(error);
		} finally {
			signal.removeEventListener("abort", cancel);
		}
		await this.#parts.durable();
		this.#parts.known.add(reference);
	}

	async #bring(
		core: Hypercore,
		reference: BodyRef,
		requests: ActiveRequests,
	): Promise<void> {
		// What lay here before may be another body's, and the reference be wrong: only what this fetch brought is removed,
		// and what cannot be read.
		let doubtful = await missingBlocks(core, reference);
		if (doubtful.length > 0) await this.#parts.room.checkSome();
		for (let tries = 2; tries > 0; tries--) {
			try {
				if (await isRight(core, reference, requests)) return;
			} catch (error) {
				if (doubtful.length > 0) throw error;
				doubtful = await unreadableBlocks(core, reference);
			}
			const { hash, drive, blob } = reference;
			this.#parts.log.error("a body is not what its hash says, or damaged", {
				hash,
				drive,
				blob,
				fetchingAgain: doubtful.length > 0 && tries > 1,
			});
			if (doubtful.length === 0) break;
			for (const block of doubtful) await core.clear(block, block + 1);
		}
		throw new BodyUnavailable(
			`body ${reference.hash.slice(0, 16)} is wrong at every member`,
		);
	}

	async #fetchFault(error: unknown): Promise<Error> {
		if (error instanceof BodyUnavailable) return error;
		const fault = await this.#parts.room.fault(error);
		if (fault instanceof StoreFull) return fault;
		return new BodyUnavailable(`the body cannot be fetched: ${fault.message}`, {
			cause: error,
		});
	}
}
