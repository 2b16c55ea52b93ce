/** What clients ask the nodes of a simulated cluster for: noted, and what they are told is checked at once. */
import type { Account, Placed } from "../api.ts";
import { ClientFault, Temporary } from "../faults.ts";
import {
	type AccountId,
	type Address,
	address,
	type MailboxId,
	type Uid,
} from "../ids.ts";
import { COPIES_BEHIND_MILLISECONDS_MAX } from "../limits.ts";
import { type BodyRef, BodyUnavailable } from "../ports/bodies.ts";
import { StoreFull } from "../ports/store.ts";
import { Violation } from "./checkers.ts";
import type { SimMachine } from "./machine.ts";
import { SimNodes } from "./nodes.ts";
import { Reader, type Seen } from "./reader.ts";
import { hashOf, rowsOn } from "./rows.ts";

/** What became of something a client asked for. `lost`: its node died first, so nobody was told. */
export type Outcome<T> =
	| { readonly kind: "done"; readonly value: T }
	| { readonly kind: "refused"; readonly error: Error }
	| { readonly kind: "lost" };

/** In true time, and by the clock of a node. */
interface Moment {
	readonly milliseconds: number;
	readonly ownMilliseconds: number;
}

/** Timers of a clock that drifts are rounded. */
const ROUNDING_MILLISECONDS = 0.001;
/** A line of 300 ms, both ways, and time to say it. */
const KNOWN_MILLISECONDS = 2_000;
/** Longer than a node stands still, and is waited for afterwards. */
const UNHEARD_MILLISECONDS = 30_000;

export class SimMail extends SimNodes {
	readonly #accounts = new Map<string, AccountId>();
	#keywords = 0;
	readonly #answered = new Map<string, number>();
	/** Bodies by what they belong to. */
	readonly #bodies = new Map<string, BodyRef[]>();

	/** Asks a node for something; noted, and settled also when the node dies. Never rejects. */
	async ask<T>(
		name: string,
		what: string,
		run: () => Promise<T>,
	): Promise<Outcome<T>> {
		const { process } = this.machine(name);
		if (process?.replica === undefined || !process.serves)
			return { kind: "lost" };
		this.operations++;
		this.say(`${name} ${what}`);
		const outcome = await Promise.race([
			run().then(
				(value): Outcome<T> => ({ kind: "done", value }),
				(error): Outcome<T> => ({ kind: "refused", error }),
			),
			process.died.then((): Outcome<T> => ({ kind: "lost" })),
		]);
		if (outcome.kind === "refused" && !isFault(outcome.error))
			this.violated(outcome.error);
		// What a dying process answers reaches nobody.
		const told: Outcome<T> = process.alive ? outcome : { kind: "lost" };
		this.say(
			`${name} ${what}: ${told.kind}${told.kind === "refused" ? ` (${told.error.message})` : ""}`,
		);
		return told;
	}

	/** A keyword that nobody else uses. */
	newKeyword(): string {
		return `$u${++this.#keywords}`;
	}

	async addUser(name: string, user: string): Promise<void> {
		const full = mailAddress(user);
		const account = await this.replica(name).directory.addUser(full, "hash", {
			createDomain: true,
		});
		this.#accounts.set(user, account);
	}
	async removeUser(name: string, user: string): Promise<void> {
		await this.replica(name).directory.removeUser(mailAddress(user));
		this.#accounts.delete(user);
	}
	accountId(user: string): AccountId {
		const id = this.#accounts.get(user);
		if (id === undefined) throw new Error(`there is no user ${user}`);
		return id;
	}
	get users(): string[] {
		return [...this.#accounts.keys()];
	}
	account(name: string, user: string): Account {
		const account = this.replica(name).account(this.accountId(user));
		if (account === undefined) throw new Temporary(`${name} lacks ${user}`);
		return account;
	}

	async body(name: string, text: string): Promise<BodyRef> {
		const writer = this.replica(name).bodies.create();
		await writer.write(Buffer.from(text));
		return writer.commit();
	}

	/** Mail from outside. `retry`: the same transaction again; else it is a message of its own. */
	deliver(
		name: string,
		user: string,
		text: string,
		{ retry = false } = {},
	): Promise<Outcome<void>> {
		return this.ask(
			name,
			`takes "${text}" for ${user}${retry ? " again" : ""}`,
			async () => {
				const replica = this.replica(name);
				const body = await this.body(
					name,
					`Received: by ${name}\r\n\r\n${text}`,
				);
				this.#sending(body, `mail "${text}"`);
				const asked = this.#moment(name);
				// Not of a process that was started since: the client had talked to this one.
				await replica.deliver({
					body,
					recipients: [this.accountId(user)],
					transaction: text,
				});
				this.#acknowledged(name, replica, body, asked);
				this.#answered.set(text, this.clock.monotonic());
			},
		);
	}

	#moment(name: string): Moment {
		return {
			milliseconds: this.clock.monotonic(),
			ownMilliseconds: this.machine(name).clock.monotonic(),
		};
	}

	/** A client is being told that this is safe: it must be on as many members as were asked for, if so many are up. */
	#acknowledged(
		name: string,
		replica: SimMachine["replica"],
		body: BodyRef,
		asked: Moment,
	): void {
		const machine = this.machine(name);
		// Its life may be over, or the next one have begun: then nobody was told.
		if (machine.process?.replica !== replica) return;
		this.history.sent(body.hash, 1);
		const label = this.history.labelOf(body.hash);
		const bodies = this.#bodies.get(label) ?? [];
		const machines = [...this.machines.values()];
		const holders = machines.filter((holder) => this.#holds(holder, bodies));
		// So long, by its own clock, it was waited for those that are up and far behind.
		const waited = machine.clock.monotonic() - asked.ownMilliseconds;
		if (waited >= COPIES_BEHIND_MILLISECONDS_MAX - ROUNDING_MILLISECONDS)
			return;
		const now = this.clock.monotonic();
		// A member without documents cannot hold anything, and says a moment after it has them that it has; one whose disk is
		// full says so, and that it has room. Whoever is out of reach by then, or stands still, hears of it later, or never.
		const wasJoining = (id: string, milliseconds: number): boolean =>
			machines.some(
				({ id: joiner, memberSinceMilliseconds: since }) =>
					joiner === id && (since === undefined || since > now - milliseconds),
			);
		const wasFull = (id: string, milliseconds: number): boolean =>
			machines.some(
				(one) =>
					one.id === id &&
					(one.disk.full || one.fullMilliseconds > now - milliseconds),
			);
		const up = replica.report().peers.filter(({ id, state, isWaitedFor }) => {
			const heard = isWaitedFor ? KNOWN_MILLISECONDS : UNHEARD_MILLISECONDS;
			return state !== "down" && !wasJoining(id, heard) && !wasFull(id, heard);
		}).length;
		const wanted = Math.min(machine.options.copies, 1 + up);
		// What they had confirmed counts: that it has gone since, nobody can know.
		const lost = this.lostMilliseconds.filter((at) => at >= asked.milliseconds);
		if (holders.length + lost.length < wanted)
			this.violated(
				new Violation(
					"I7",
					`${name} acknowledged ${label} on ${holders.map((holder) => holder.name)}, with ${up} others up`,
				),
			);
	}

	/** Whether the disk of a machine has the message, with its body (one of them, where it was retried elsewhere). */
	#holds({ rows, id }: SimMachine, bodies: readonly BodyRef[]): boolean {
		return (
			bodies.some((body) => this.bodies.holds(id, body)) &&
			bodies.some(({ hash }) => rows.name(hash))
		);
	}

	#sending(body: BodyRef, label: string): void {
		this.history.sending(body.hash, label, 1);
		const bodies = this.#bodies.get(label) ?? [];
		this.#bodies.set(label, bodies);
		bodies.push(body);
	}

	/** REPLACE of a message in INBOX by one in `folder`. */
	replace(
		name: string,
		user: string,
		{ mailbox }: Reader,
		seen: Seen,
		folder: string,
		text: string,
	): Promise<Outcome<Placed>> {
		return this.ask(
			name,
			`replaces ${seen.uid} by "${text}" in ${folder} of ${user}`,
			async () => {
				const replica = this.replica(name);
				const body = await this.body(name, `Draft\r\n\r\n${text}`);
				this.#sending(body, `draft "${text}"`);
				this.history.expunging(seen.hash);
				const asked = this.#moment(name);
				const placed = await mailbox.replace(seen.uid as Uid, folder, {
					body,
					flags: [],
				});
				this.#acknowledged(name, replica, body, asked);
				return placed;
			},
		);
	}

	/** APPEND of one message. */
	append(
		name: string,
		user: string,
		folder: string,
		text: string,
	): Promise<Outcome<Placed>> {
		return this.ask(
			name,
			`appends "${text}" to ${folder} of ${user}`,
			async () => {
				const replica = this.replica(name);
				const account = this.account(name, user);
				const body = await this.body(name, `Draft\r\n\r\n${text}`);
				this.#sending(body, `draft "${text}"`);
				const asked = this.#moment(name);
				const placed = await account.append(folder, [{ body, flags: [] }]);
				this.#acknowledged(name, replica, body, asked);
				return placed;
			},
		);
	}

	/** A mailbox is being deleted: what any node has in it may go. */
	removing(mailbox: MailboxId): void {
		for (const { disk } of this.machines.values())
			for (const { row } of rowsOn(disk, mailbox)) {
				const hash = hashOf(row);
				if (hash !== undefined) this.history.expunging(hash);
			}
	}

	/** When the mail of this text was last acknowledged (monotonic). */
	answeredMilliseconds(text: string): number | undefined {
		return this.#answered.get(text);
	}

	/** The same mail once more, by a sender that has seen the first answer. */
	async sendAgain(name: string, user: string, text: string): Promise<void> {
		const body = await this.run(this.body(name, `again\r\n\r\n${text}`));
		this.history.sending(body.hash, `mail "${text}"`, 1);
		this.history.sendingAgain(body.hash);
		const delivery = { body, recipients: [this.accountId(user)] };
		await this.run(
			this.replica(name).deliver({ ...delivery, transaction: text }),
		);
		this.history.sentAgain(body.hash);
	}

	/** A client selects. */
	async read(name: string, user: string, mailbox = "INBOX"): Promise<Reader> {
		// Of this life: what another one answers is not told on this connection.
		const { process } = this.machine(name);
		const replica = process?.replica;
		const selected = await this.account(name, user).select(mailbox);
		if (!process?.alive || process.replica !== replica)
			throw new Temporary(`${name} died`);
		return new Reader(this, process, { user, mailbox }, selected);
	}
}

/** What a client may be told; anything else is a bug. */
const isFault = (error: Error): boolean =>
	error instanceof Temporary ||
	error instanceof ClientFault ||
	error instanceof StoreFull ||
	error instanceof BodyUnavailable;

export const mailAddress = (user: string): Address =>
	address(`${user}@example.org`);
