/**
 * Room on the disk. Asked for before every write, as RocksDB takes writing to a full disk badly: it refuses all writes
 * from then on, without saying why, until it finds some seconds later that there is room for its write buffer again.
 */
import { statfsSync } from "node:fs";
import type { Milliseconds } from "../ids.ts";
import { DISK_FREE_BYTES_MIN } from "../limits.ts";
import type { Clock } from "../ports/clock.ts";
import { type StoreFailed, StoreFull } from "../ports/store.ts";
import { storeFault } from "./faults.ts";

/** RocksDB looks for room every 5 s. */
const RECOVERY_MILLISECONDS = 10_000;
/** Copies that come in by the thousand do not each ask the disk. */
const FRESH_MILLISECONDS = 50;

const isRefusal = (error: unknown): boolean =>
	error instanceof Error && /batch was not applied/i.test(error.message);

export class DiskRoom {
	readonly #directory: string;
	readonly #clock: Clock;
	/** Room returned after a time without. */
	readonly #onRoom: () => void;
	#fullAt: Milliseconds | undefined;
	#askedAt: Milliseconds | undefined;

	constructor(directory: string, clock: Clock, onRoom: () => void) {
		this.#directory = directory;
		this.#clock = clock;
		this.#onRoom = onRoom;
	}

	/** Rejects with StoreFull when `bytes` more would leave less than a reserve. */
	async check(bytes: number): Promise<void> {
		const { bavail, bsize } = statfsSync(this.#directory);
		const wasFull = this.#fullAt !== undefined;
		this.#askedAt = this.#clock.monotonic();
		if (bavail * bsize < DISK_FREE_BYTES_MIN + bytes) {
			this.#fullAt = this.#askedAt;
			throw this.#full();
		}
		if (!wasFull || this.#wasFullJustNow()) return;
		this.#fullAt = undefined;
		this.#onRoom();
	}

	/** The same for a small write, from an answer that is a moment old. */
	async checkSome(): Promise<void> {
		const fresh =
			this.#askedAt !== undefined &&
			this.#fullAt === undefined &&
			this.#clock.monotonic() - this.#askedAt < FRESH_MILLISECONDS;
		if (!fresh) await this.check(0);
	}

	/** A failed write as StoreFull or StoreFailed. RocksDB refuses writes without a reason once the disk was full. */
	async fault(error: unknown): Promise<StoreFull | StoreFailed> {
		const fault = storeFault(error, this.#directory);
		if (fault instanceof StoreFull) {
			this.#fullAt = this.#clock.monotonic();
			return fault;
		}
		try {
			await this.check(0);
		} catch (full) {
			if (full instanceof StoreFull) return full;
		}
		return isRefusal(error) && this.#wasFullJustNow() ? this.#full() : fault;
	}

	#wasFullJustNow(): boolean {
		return (
			this.#fullAt !== undefined &&
			this.#clock.monotonic() - this.#fullAt < RECOVERY_MILLISECONDS
		);
	}

	#full(): StoreFull {
		return new StoreFull(
			`no room on the disk of ${this.#directory}: make room there`,
		);
	}
}
