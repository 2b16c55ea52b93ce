/** A client with a session on one node: what it is told is checked, what it asks for is noted. */
import type { Placed, SelectedMailbox } from "../api.ts";
import type { EntryId, Uid } from "../ids.ts";
import { type Operations, operationsOf, rowKey } from "../mailbox/rows.ts";
import type { Cancel } from "../ports/clock.ts";
import {
	type HeldVector,
	type Named,
	Violation,
	vectorOf,
} from "./checkers.ts";
import { watchConditional } from "./conditional.ts";
import type { Outcome, SimMail } from "./mail.ts";
import type { SimProcess } from "./process.ts";
import { rowOf } from "./rows.ts";

/** A message as the client sees it. */
export interface Seen {
	readonly uid: number;
	readonly entry: EntryId;
	readonly hash: string;
	readonly flags: readonly string[];
	/** What had happened to the message when these were told; undefined where more had than was shown. */
	readonly knew?: Operations | undefined;
}

export class Reader {
	readonly user: string;
	readonly name: string;
	readonly mailbox: SelectedMailbox;
	readonly #cluster: SimMail;
	readonly #process: SimProcess;
	readonly #replica: SimProcess["replica"];
	readonly #stop: Cancel;
	/** What the client knows, by UID. */
	readonly #known = new Map<number, Named>();

	constructor(
		cluster: SimMail,
		process: SimProcess,
		at: { user: string; mailbox: string },
		mailbox: SelectedMailbox,
	) {
		this.#cluster = cluster;
		this.#process = process;
		this.#replica = process.replica;
		this.user = at.user;
		this.name = at.mailbox;
		this.mailbox = mailbox;
		this.#stop = mailbox.onChange(() => this.#look());
		this.#look();
	}

	get node(): string {
		return this.#process.machine.name;
	}
	/** Whether its node lives, and the same life. */
	get alive(): boolean {
		return this.#process.alive && this.#process.replica === this.#replica;
	}

	/** What its node has durably, now. */
	vector(): HeldVector {
		return vectorOf(this.#process.machine.disk);
	}

	/** What has happened to a message, if all of it is shown. */
	operations(entry: EntryId): Operations | undefined {
		const key = rowKey(this.mailbox.id, entry);
		const row = rowOf(key, this.#process.machine.disk.get(key))?.row;
		return row?.v?.n === row?.n && row ? operationsOf(row) : undefined;
	}

	/** Takes what changed, and has it checked. A violation is kept: here it would end up in the code under test. */
	#look(): void {
		if (!this.alive) return;
		const { witness, history } = this.#cluster;
		const { disk } = this.#process.machine;
		try {
			witness.look(this.node, disk, this.mailbox, this.#known, (entry) =>
				history.isLost(entry),
			);
		} catch (error) {
			this.#cluster.violated(error as Error);
		}
	}

	close(): void {
		this.#stop();
		this.mailbox.release();
	}

	messages(): Seen[] {
		return this.mailbox.uids().flatMap((uid) => {
			const message = this.mailbox.get(uid);
			if (message === undefined) return [];
			const { entry, body, flags } = message;
			return [{ uid, entry, hash: body.hash, flags }];
		});
	}

	/** Bodies by UID, fetched if they are not here. */
	async texts(): Promise<string[]> {
		const texts: string[] = [];
		for (const { uid } of this.messages()) {
			const body = this.mailbox.get(uid as Uid)?.body;
			if (body === undefined) continue;
			const bytes = await this.#process.replica?.bodies.read(body);
			texts.push(
				Buffer.from(bytes ?? [])
					.toString()
					.split("\r\n\r\n")[1] ?? "",
			);
		}
		return texts;
	}

	#ask<T>(what: string, run: () => Promise<T>): Promise<Outcome<T>> {
		return this.#cluster.ask(
			this.node,
			`${what} in ${this.name} of ${this.user}`,
			run,
		);
	}

	async flag(
		seen: Seen,
		flag: string,
		unchangedSince?: number,
	): Promise<Outcome<readonly Uid[]>> {
		const note = this.#cluster.history.flagging(seen.entry, flag);
		// A client may know a UID of another node's; here it names nothing, and may come to while the command waits.
		const there = this.#still(seen);
		const since =
			unchangedSince === undefined ? "" : ` (UNCHANGEDSINCE ${unchangedSince})`;
		const outcome = await this.#ask(`sets ${flag} on ${seen.uid}${since}`, () =>
			this.mailbox.store(
				[seen.uid as Uid],
				{ mode: "add", flags: [flag] },
				unchangedSince,
			),
		);
		const taken = outcome.kind === "done" && outcome.value.length === 0;
		if (taken && there && this.#still(seen)) note.acknowledged = true;
		return outcome;
	}

	/**
	 * STORE UNCHANGEDSINCE of a keyword that nobody else uses, by which the change is found on the disk: it may be made
	 * only of a message that has just the flags which the client knows (I8).
	 */
	async flagUnchanged(
		seen: Seen,
		modSeq: number,
	): Promise<Outcome<readonly Uid[]>> {
		const keyword = this.#cluster.newKeyword();
		const { machine } = this.#process;
		const stop = watchConditional(machine, { keyword, ...seen }, (error) =>
			this.#cluster.violated(error),
		);
		const there = this.#still(seen);
		const began = this.#cluster.clock.monotonic();
		const outcome = await this.flag(seen, keyword, modSeq);
		stop();
		const taken = outcome.kind === "done" && outcome.value.length === 0;
		// On a full disk nothing new is shown: it is told when there is room.
		const wasFull = machine.disk.full || machine.fullMilliseconds >= began;
		if (taken && there && this.#still(seen) && !wasFull)
			this.#isShown(seen, keyword);
		return outcome;
	}

	/** What a session did it is told with the answer, whatever the message waits for beside. */
	#isShown(seen: Seen, keyword: string): void {
		const shown = this.mailbox.get(seen.uid as Uid);
		if (shown === undefined || shown.flags.includes(keyword)) return;
		this.#cluster.violated(
			new Violation(
				"local",
				`${this.node} acknowledged ${keyword} on ${seen.uid} and shows ${shown.flags.join(" ")}`,
			),
		);
	}

	/** The message lives here, under the UID that the client names: only then a command takes effect. What came with it may have expunged it before. */
	#still(seen: Seen): boolean {
		const { disk } = this.#cluster.machine(this.node);
		const key = rowKey(this.mailbox.id, seen.entry);
		return (
			this.mailbox.resolve(seen.uid as Uid)?.entry === seen.entry &&
			rowOf(key, disk.get(key))?.row.x !== true
		);
	}

	unflag(seen: Seen, flag: string): Promise<Outcome<readonly Uid[]>> {
		this.#cluster.history.unflagging(seen.hash, flag);
		return this.#ask(`takes ${flag} from ${seen.uid}`, () =>
			this.mailbox.store([seen.uid as Uid], { mode: "remove", flags: [flag] }),
		);
	}

	async expunge(seen: Seen): Promise<Outcome<void>> {
		const { history } = this.#cluster;
		history.expunging(seen.hash);
		// A UID that names nothing on this node is passed over.
		const there = this.#still(seen);
		const outcome = await this.#ask(`expunges ${seen.uid}`, () =>
			this.mailbox.expunge([seen.uid as Uid]),
		);
		if (outcome.kind === "done" && there) history.expunged(seen.entry);
		return outcome;
	}

	async copy(seen: Seen, target: string): Promise<Outcome<Placed>> {
		const { history } = this.#cluster;
		history.copying(seen.hash);
		const outcome = await this.#ask(`copies ${seen.uid} to ${target}`, () =>
			this.mailbox.copy([seen.uid as Uid], target),
		);
		if (outcome.kind === "done" && outcome.value.uids?.length === 1)
			history.copied(seen.hash);
		return outcome;
	}

	move(seen: Seen, target: string): Promise<Outcome<Placed>> {
		this.#cluster.history.moving(seen.hash, seen.entry, target);
		return this.#ask(`moves ${seen.uid} to ${target}`, () =>
			this.mailbox.move([seen.uid as Uid], target),
		);
	}
}
