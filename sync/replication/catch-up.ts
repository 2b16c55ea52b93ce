/**
 * Rule 8: before a client is told what a mailbox holds, its node has all that the members have that it can reach, and they
 * have all that is here; for a bounded time. Also answers members that do so.
 */
import type { MailboxId, NodeId } from "../ids.ts";
import { CATCH_UP_MILLISECONDS_MAX, PAIRS_TOLD_MAX } from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import { covers, type Vector } from "../log/record.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { Clock } from "../ports/clock.ts";
import type { SyncFrame } from "./frames.ts";
import type { Session } from "./session.ts";

export interface CatchUpOptions {
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly clock: Clock;
	/** All members but this node. */
	readonly others: () => readonly NodeId[];
	readonly session: (node: NodeId) => Session | undefined;
	/** A write that nobody waits for. */
	readonly write: (work: Parameters<Ledger["write"]>[0]) => void;
}

export class CatchUp {
	readonly #options: CatchUpOptions;
	readonly #arrivals = new Set<() => void>();

	constructor(options: CatchUpOptions) {
		this.#options = options;
	}

	/** The vector moved. */
	arrived(): void {
		for (const check of [...this.#arrivals]) check();
	}

	/** Resolves to whether all in `vector` is here, waiting for it at most as long as a client would. */
	wait(vector: Vector): Promise<boolean> {
		return new Promise((resolve) => {
			let over = false;
			const cancel = this.#options.clock.after(
				CATCH_UP_MILLISECONDS_MAX,
				() => {
					over = true;
					this.arrived();
				},
			);
			this.#until(
				vector,
				() => over,
				(arrived) => {
					cancel();
					resolve(arrived);
				},
			);
		});
	}

	/** Whether every member can be talked to, and has its documents. */
	inTouch(): boolean {
		const { others, session } = this.#options;
		return others().every((node) => isServing(session(node)));
	}

	/** Catches up. Resolves to whether that was done with every member. */
	async run(mailbox: MailboxId): Promise<boolean> {
		const { clock, others, session } = this.#options;
		const members = others();
		const sessions = members.map(session).filter(isServing);
		const all = sessions.length === members.length;
		if (sessions.length === 0) return all;
		let over = false;
		const limit = new Promise<void>((resolve) => {
			clock.after(CATCH_UP_MILLISECONDS_MAX, () => {
				over = true;
				resolve();
				this.arrived();
			});
		});
		let reached = 0;
		const each = sessions.map(async (one) => {
			if (await this.#with(one, mailbox, () => over)) reached++;
		});
		await Promise.race([Promise.all(each), limit]);
		return all && reached === sessions.length && this.inTouch();
	}

	/** Resolves to whether all that the member had when it was asked is here. */
	#with(
		session: Session,
		mailbox: MailboxId,
		isOver: () => boolean,
	): Promise<boolean> {
		const { ledger, mailboxes, write } = this.#options;
		const ask = {
			vector: ledger.log.vector,
			mailbox,
			tokens: mailboxes.pairs.tokens(mailbox),
		};
		return new Promise((resolve) => {
			session.sync(ask, (theirs) => {
				if (theirs === undefined) {
					resolve(false);
					return;
				}
				mailboxes.stamps.heard(theirs.counter);
				if (theirs.E > 0)
					write((tx) =>
						mailboxes.watermarksHeard(tx, [{ mailbox, E: theirs.E }]),
					);
				this.#until(theirs.vector, isOver, resolve);
			});
		});
	}

	/** Runs `done` once what is in `vector` is here, or it is given up. */
	#until(
		vector: Vector,
		givenUp: () => boolean,
		done: (arrived: boolean) => void,
	): void {
		const check = (): void => {
			const arrived = covers(this.#options.ledger.log.vector, vector);
			if (!arrived && !givenUp()) return;
			this.#arrivals.delete(check);
			done(arrived);
		};
		this.#arrivals.add(check);
		check();
	}

	answer(session: Session, frame: SyncFrame): void {
		const { clock, ledger, mailboxes } = this.#options;
		const { nonce, mailbox, tokens } = frame;
		let over = false;
		const cancel = clock.after(CATCH_UP_MILLISECONDS_MAX, () => {
			over = true;
			this.arrived();
		});
		this.#until(
			frame.vector,
			() => over || session.closed,
			() => {
				cancel();
				const { pairs, E } = mailboxes.visits.forMember(mailbox, tokens);
				for (let i = 0; i < pairs.length; i += PAIRS_TOLD_MAX)
					session.send({
						type: "pairs",
						pairs: pairs.slice(i, i + PAIRS_TOLD_MAX),
					});
				session.send({
					type: "synced",
					nonce,
					vector: ledger.log.vector,
					counter: mailboxes.stamps.highest,
					E,
				});
			},
		);
	}
}

const isServing = (session: Session | undefined): session is Session =>
	session?.vector !== undefined && !session.joining && !session.closed;
