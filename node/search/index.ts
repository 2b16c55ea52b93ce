/**
 * The texts of messages for SEARCH BODY and TEXT: an index for each account, in files of its own, that may be deleted at
 * any time. It narrows what must be read and never decides what it does not know: a message that is not in it, or whose
 * row is damaged, is read. It fills by what searches read, by mail that arrives, and when somebody looks at an account.
 *
 * Reading order: types.ts (what SEARCH asks), signature.ts (how it narrows), file.ts (what is kept), worker.ts (the
 * thread that does the work), fill.ts (in the background). What must never live here: anything that is not a copy.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Account } from "../../sync/api.ts";
import type { AccountId } from "../../sync/ids.ts";
import {
	BODY_MEMORY_BYTES_MAX,
	SEARCH_ANSWERS_BYTES_MAX,
	SEARCH_TEXT_BYTES_MAX,
} from "../../sync/limits.ts";
import {
	type Bodies,
	type BodyRef,
	BodyUnavailable,
} from "../../sync/ports/bodies.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { StructureCache } from "../mime/cache.ts";
import { asBuffer, holds, type TextPiece, textPieces } from "../mime/index.ts";
import { ByteLru } from "../mime/lru.ts";
import { Filler, type Waiting } from "./fill.ts";
import { isTooLarge, joined, textOf } from "./load.ts";
import { SearchThread, ThreadFailed } from "./thread.ts";
import {
	type Loaded,
	type MessageTexts,
	type Sought,
	type SoughtBytes,
	UNKNOWN,
} from "./types.ts";

export interface TextIndex extends MessageTexts {
	close(): Promise<void>;
}

export interface TextIndexOptions {
	/** Made if it is missing. */
	readonly folder: string;
	readonly bodies: Bodies;
	readonly structures: Pick<
		StructureCache,
		"parsed" | "atHand" | "isKept" | "keep" | "release"
	>;
	/** Undefined: there is no such account (any more); its file goes. */
	readonly account: (id: AccountId) => Account | undefined;
	readonly clock: Clock;
	readonly log: Log;
}

export function createTextIndex(options: TextIndexOptions): TextIndex {
	tidy(options);
	return new Index(options);
}

/** Files of databases. */
const FORMER = /\.db(-wal|-shm)?$/;

/** Makes the folder, and takes away what belongs to nobody. */
function tidy({ folder, account, log }: TextIndexOptions): void {
	try {
		mkdirSync(folder, { recursive: true, mode: 0o700 });
		let former = 0;
		for (const name of readdirSync(folder)) {
			const isFormer = FORMER.test(name);
			const [id] = name.split(".", 1) as [AccountId];
			if (!isFormer && account(id) !== undefined) continue;
			rmSync(join(folder, name), { force: true });
			if (isFormer) former++;
		}
		if (former > 0)
			log.info(
				`${folder} is of a former version; it is made anew from the messages as their owners log in`,
			);
	} catch (error) {
		log.warn(
			`${folder} cannot be used: ${(error as Error).message}; searches read the messages`,
		);
	}
}

/** Its text may be more than the index keeps: of some charsets an octet becomes three. */
const isLarge = ({ sizeBytes }: BodyRef): boolean =>
	3 * sizeBytes > SEARCH_TEXT_BYTES_MAX;
const keyOf = ({ hash }: BodyRef, { kind, mapped }: Sought): string =>
	`${hash} ${kind} ${mapped}`;

const bytesOf = ({ kind, mapped }: Sought): SoughtBytes => ({
	kind,
	bytes: Uint8Array.from(Buffer.from(mapped, "utf8")),
});

class Index implements TextIndex {
	readonly #options: TextIndexOptions;
	readonly #thread: SearchThread;
	readonly #filler: Filler;
	/** What large messages hold, which the index does not know of them and takes up to a second to find out each time. */
	readonly #answers = new ByteLru<boolean>(SEARCH_ANSWERS_BYTES_MAX);
	/** Of the last question, and which thread it was asked of. */
	#asked: { hashes: readonly string[]; thread: object | undefined } = {
		hashes: [],
		thread: undefined,
	};

	constructor(options: TextIndexOptions) {
		const { folder, structures, account, clock, log } = options;
		this.#options = options;
		this.#thread = new SearchThread(folder, log);
		this.#filler = new Filler({
			thread: this.#thread,
			isAtHand: ({ hash }) => structures.atHand(hash) !== undefined,
			account,
			clock,
			log,
			fill: (messages) => this.#fill(messages),
		});
	}

	async known(
		account: AccountId,
		bodies: readonly BodyRef[],
		sought: readonly Sought[],
	): Promise<readonly Uint8Array[]> {
		try {
			return await this.#thread.run({
				op: "known",
				account,
				hashes: this.#hashesToSend(bodies),
				sought: sought.map(bytesOf),
			});
		} catch (error) {
			if (!(error instanceof ThreadFailed)) throw error;
			return sought.map(() => new Uint8Array(bodies.length).fill(UNKNOWN));
		}
	}

	/** Undefined: the thread has them from the last question. */
	#hashesToSend(bodies: readonly BodyRef[]): string | undefined {
		const { hashes, thread } = this.#asked;
		const isSame =
			thread !== undefined &&
			thread === this.#thread.running &&
			hashes.length === bodies.length &&
			bodies.every(({ hash }, at) => hash === hashes[at]);
		if (isSame) return undefined;
		const now = bodies.map(({ hash }) => hash);
		this.#asked = { hashes: now, thread: this.#thread.start() };
		return now.join("");
	}

	async read(
		account: AccountId,
		body: BodyRef,
		sought: readonly Sought[],
	): Promise<readonly boolean[]> {
		const keys = isLarge(body) ? sought.map((one) => keyOf(body, one)) : [];
		const answers = keys.flatMap((key) => this.#answers.get(key) ?? []);
		if (keys.length > 0 && answers.length === keys.length) return answers;
		this.#filler.commitSoon();
		const found = await this.#read(account, body, sought);
		for (const [at, key] of keys.entries())
			this.#answers.set(key, found[at] === true, 200 + 2 * key.length);
		return found;
	}

	async #read(
		account: AccountId,
		body: BodyRef,
		sought: readonly Sought[],
	): Promise<readonly boolean[]> {
		const loaded = await this.#load(body);
		const soughtBytes = sought.map(bytesOf);
		try {
			return await this.#thread.run({
				op: "read",
				account,
				hash: body.hash,
				loaded,
				sought: soughtBytes,
			});
		} catch (error) {
			if (!(error instanceof ThreadFailed)) throw error;
			const text = textOf(loaded);
			return soughtBytes.map(({ kind, bytes }) => holds(text, kind, bytes));
		}
	}

	/** Reads messages into the index, and small ones into the cache of structures too. */
	async #fill(messages: readonly Waiting[]): Promise<void> {
		const { structures } = this.#options;
		const small: { of: Waiting; whole: Uint8Array; isNew: boolean }[] = [];
		await Promise.all(
			messages.map(async (of) => {
				try {
					const atHand = structures.atHand(of.body.hash);
					const whole = atHand ?? (await this.#whole(of));
					if (whole !== undefined)
						small.push({ of, whole, isNew: atHand !== undefined });
				} catch (error) {
					if (!(error instanceof BodyUnavailable)) throw error;
				}
			}),
		);
		if (small.length === 0) return;
		const wanted = new Set<string>();
		const isFirst = (hash: string): boolean =>
			wanted.size < wanted.add(hash).size;
		const wholes = joined(small.map(({ whole }) => whole));
		const { bytes, rows } = await this.#thread.run(
			{
				op: "fill",
				bytes: wholes,
				messages: small.map(({ of: { account, body }, whole, isNew }) => ({
					account,
					hash: body.hash,
					sizeBytes: whole.length,
					wantsRow:
						isFirst(body.hash) && (isNew || !structures.isKept(body.hash)),
				})),
			},
			// Handed over, not copied once more.
			[wholes.buffer],
		);
		const all = asBuffer(bytes);
		let at = 0;
		for (const { hash, noteBytes, rowBytes } of rows) {
			const note = all.subarray(at, at + noteBytes);
			at += noteBytes + rowBytes;
			structures.keep({ hash, note, row: all.subarray(at - rowBytes, at) });
		}
		for (const { of } of small) structures.release(of.body.hash);
	}

	/** Of a small message that is here. A large one is read by itself. */
	async #whole({ account, body }: Waiting): Promise<Uint8Array | undefined> {
		const { bodies } = this.#options;
		// What is not here is no reason to fetch it: it will be, or a search asks for it.
		if (!(await bodies.has(body))) return undefined;
		if (body.sizeBytes <= BODY_MEMORY_BYTES_MAX) return bodies.read(body);
		// What would not be kept is not even read.
		if (isTooLarge(await this.#piecesOf(body)))
			await this.#thread.run({ op: "too large", account, hash: body.hash });
		else await this.#read(account, body, []);
		return undefined;
	}

	/** A small message whole; of a large one what has text, so that attachments are not read. */
	async #load(body: BodyRef): Promise<Loaded> {
		const { bodies } = this.#options;
		if (body.sizeBytes <= BODY_MEMORY_BYTES_MAX)
			return { whole: Uint8Array.from(await bodies.read(body)) };
		const pieces = await this.#piecesOf(body);
		const bytes: Uint8Array<ArrayBuffer>[] = [];
		for (const { start, end } of pieces)
			bytes.push(Uint8Array.from(await bodies.read(body, start, end)));
		return { pieces, bytes };
	}

	async #piecesOf(body: BodyRef): Promise<readonly TextPiece[]> {
		return textPieces(await this.#options.structures.parsed({ body }));
	}

	looking(account: Account): void {
		this.#filler.looking(account);
	}

	arrived(account: AccountId, bodies: readonly BodyRef[]): void {
		this.#filler.arrived(account, bodies);
	}

	async close(): Promise<void> {
		this.#filler.close();
		await this.#thread.close();
	}
}
