/**
 * A whole cluster in one process, on simulated time, chance, network, disks and bodies, from one seed: the real code of
 * sync/ on simulated ports. Faults are methods that read as sentences; whatever a client asks is noted, and what it is
 * told is checked at once. Nothing here knows how nodes decide.
 */
import { createHash, type Hash } from "node:crypto";
import type { Account, Placed } from "../api.ts";
import { ClientFault, OperatorFault, Temporary } from "../faults.ts";
import {
	type AccountId,
	type Address,
	address,
	type MailboxId,
	type NodeId,
} from "../ids.ts";
import { COPIES_BEHIND_MILLISECONDS_MAX } from "../limits.ts";
import { decodeFacts, type EntryRow } from "../mailbox/rows.ts";
import { loadIdentity } from "../membership/identity.ts";
import { type BodyRef, BodyUnavailable } from "../ports/bodies.ts";
import type { LogFields, LogLevel } from "../ports/log.ts";
import { StoreFull } from "../ports/store.ts";
import { SimBodiesWorld } from "./bodies.ts";
import {
	checkSlots,
	checkSums,
	compare,
	describe,
	directoryOf,
	sharedRows,
	Violation,
	vectorOf,
	Witness,
} from "./checkers.ts";
import { type ClockSkew, SimClock } from "./clock.ts";
import { History } from "./history.ts";
import { type DelayRange, SimNetworkWorld } from "./network.ts";
import {
	type Deadline,
	type NodeOptions,
	SimMachine,
	SimProcess,
	simNodeId,
} from "./process.ts";
import { type SimRandom, simRandom } from "./random.ts";
import { Reader } from "./reader.ts";

export interface SimClusterOptions extends Partial<NodeOptions> {
	readonly seed: number | string;
	readonly delayMilliseconds?: DelayRange;
	/** Shows the diaries and what happens, as it happens. */
	readonly echo?: (line: string) => void;
	/** Wall clock of a new node. */
	readonly skew?: (random: SimRandom) => ClockSkew;
}

/** What became of something a client asked for. `lost`: its node died first, so nobody was told. */
export type Outcome<T> =
	| { readonly kind: "done"; readonly value: T }
	| { readonly kind: "refused"; readonly error: Error }
	| { readonly kind: "lost" };

const TRACE_LINES_MAX = 4_000;
/** Longer than anything that the system promises to bound. */
const OPERATION_MILLISECONDS_MAX = 90_000;
/** How long nothing may change anywhere before a cluster counts as quiet: above every interval of telling again. */
const QUIET_MILLISECONDS = 1_500;
const STEP_MILLISECONDS = 100;
/** A line of 300 ms, both ways, and time to say it. */
const KNOWN_MILLISECONDS = 2_000;

export class SimCluster {
	readonly clock = new SimClock();
	readonly random: SimRandom;
	readonly network: SimNetworkWorld;
	readonly bodies: SimBodiesWorld;
	readonly witness = new Witness();
	readonly history = new History();
	readonly machines = new Map<string, SimMachine>();
	readonly #options: SimClusterOptions;
	readonly #accounts = new Map<string, AccountId>();
	readonly #digest: Hash = createHash("sha256");
	readonly #trace: string[] = [];
	readonly #errors: string[] = [];
	#violation: Error | undefined;
	readonly #answered = new Map<string, number>();
	/** Bodies by what they belong to. */
	readonly #bodies = new Map<string, BodyRef[]>();
	/** Errors in diaries that a story brings about. */
	readonly expectedErrors: RegExp[] = [];
	/** What happened so far, in events. */
	events = 0;

	constructor(options: SimClusterOptions) {
		this.#options = options;
		this.random = simRandom(options.seed);
		this.network = new SimNetworkWorld({
			clock: this.clock,
			random: this.random.fork("network"),
			...(options.delayMilliseconds && {
				delayMilliseconds: options.delayMilliseconds,
			}),
		});
		this.bodies = new SimBodiesWorld({
			clock: this.clock,
			random: this.random.fork("bodies"),
			connected: (a, b) => this.#connected(a, b),
			delayMilliseconds: (from, to) => this.network.delay(from, to),
		});
	}

	/** A cluster of these nodes, the first one founding it, and these accounts at example.org. */
	static async of(
		names: readonly string[],
		options: SimClusterOptions,
		users: readonly string[] = ["anna"],
	): Promise<SimCluster> {
		const cluster = new SimCluster(options);
		const [first = "a", ...others] = names;
		await cluster.run(cluster.found(first));
		for (const user of users) await cluster.run(cluster.addUser(first, user));
		for (const name of others) await cluster.run(cluster.join(name, first));
		await cluster.settle();
		return cluster;
	}

	// ------------------------------------------------------------------ what happened

	say(text: string): void {
		const line = `${this.clock.monotonic().toFixed(1).padStart(9)} ${text}`;
		this.events++;
		this.#digest.update(line);
		this.#options.echo?.(line);
		this.#trace.push(line);
		if (this.#trace.length > 2 * TRACE_LINES_MAX)
			this.#trace.splice(0, TRACE_LINES_MAX);
	}

	#note(
		node: string,
		level: LogLevel,
		message: string,
		fields: LogFields,
	): void {
		const text = `${node}: ${message} ${JSON.stringify(fields)}`;
		if (level === "debug") {
			this.#digest.update(text);
			return;
		}
		this.say(`${level} ${text}`);
		if (level === "error" && !this.expectedErrors.some((one) => one.test(text)))
			this.#errors.push(text);
	}

	/** The last lines of what happened. */
	trace(lines = TRACE_LINES_MAX): string {
		return this.#trace.slice(-lines).join("\n");
	}

	/** The same for two runs in which exactly the same happened. */
	digest(): string {
		const digest = this.#digest.copy();
		for (const { name, disk } of this.machines.values())
			for (const [key, value] of disk.range("", "\u{7f}"))
				digest.update(`${name} ${key} `).update(value);
		return digest.digest("hex");
	}

	// ------------------------------------------------------------------ time

	async pass(milliseconds: number): Promise<void> {
		await this.clock.advance(milliseconds);
		this.check();
	}

	/** Lets time pass until the promise settles. */
	async run<T>(
		promise: Promise<T>,
		withinMilliseconds = OPERATION_MILLISECONDS_MAX,
	): Promise<T> {
		let settled = false;
		const done = (): void => {
			settled = true;
		};
		promise.then(done, done);
		if (!(await this.clock.runUntil(() => settled, withinMilliseconds)))
			throw new Error(`not done within ${withinMilliseconds} ms`);
		this.check();
		return promise;
	}

	/** Lets time pass until the fact holds. */
	async until(
		fact: string,
		holds: () => boolean,
		withinMilliseconds = 30_000,
	): Promise<void> {
		const end = this.clock.monotonic() + withinMilliseconds;
		while (!holds()) {
			if (this.clock.monotonic() >= end) throw new Error(`not so: ${fact}`);
			await this.pass(STEP_MILLISECONDS / 4);
		}
	}

	/** The first one counts. */
	violated(error: Error): void {
		this.say(String(error));
		this.#violation ??= error;
	}

	/** All that holds at all times. */
	check(): void {
		if (this.#violation !== undefined) throw this.#violation;
		const [error] = this.#errors;
		if (error !== undefined)
			throw new Violation("local", `in a diary: ${error}`);
	}

	// ------------------------------------------------------------------ nodes

	machine(name: string): SimMachine {
		const machine = this.machines.get(name);
		if (machine === undefined) throw new Error(`there is no ${name}`);
		return machine;
	}
	get running(): SimMachine[] {
		return [...this.machines.values()].filter(
			({ process }) => process?.replica !== undefined,
		);
	}
	/** Of a running node. */
	replica(name: string) {
		return this.machine(name).replica;
	}

	#newMachine(name: string): SimMachine {
		const { copies = 2, whenAlone = "accept", skew } = this.#options;
		const clock = this.clock.view(skew?.(this.random));
		const machine = new SimMachine(name, clock, { copies, whenAlone });
		this.machines.set(name, machine);
		return machine;
	}

	async #launch(machine: SimMachine, link?: string): Promise<void> {
		const process = new SimProcess(machine, {
			network: this.network,
			bodies: this.bodies,
			random: this.random,
			note: (...line) => this.#note(...line),
		});
		await Promise.race([process.start(link), process.died]);
		if (process.alive)
			machine.memberSinceMilliseconds ??= this.clock.monotonic();
	}

	async found(name: string): Promise<void> {
		this.say(`${name} founds a cluster`);
		await this.#launch(this.#newMachine(name));
	}
	async invite(by: string): Promise<string> {
		const { process } = this.machine(by);
		const link = await Promise.race([
			this.replica(by).invite(3_600_000),
			process?.died,
		]);
		if (link === undefined) throw new Temporary(`${by} died`);
		return link;
	}
	/** A new node joins by a link of `by`. Resolves when it serves. */
	async join(name: string, by: string): Promise<void> {
		await this.joinWith(name, await this.invite(by));
	}
	/** The same with a link that is there, also after an attempt that failed. */
	async joinWith(name: string, link: string): Promise<void> {
		this.say(`${name} joins`);
		const machine = this.machines.get(name) ?? this.#newMachine(name);
		await this.#launch(machine, link);
	}
	/** The same in the midst of faults: a node that could not join is put away, as its operator would. */
	async tryJoin(name: string, by: string): Promise<void> {
		try {
			await this.join(name, by);
		} catch (error) {
			if (!(error instanceof OperatorFault || error instanceof Temporary))
				throw error;
			this.say(`${name} could not join: ${error.message}`);
		}
		const machine = this.machines.get(name);
		if (machine === undefined || loadIdentity(machine.disk)) return;
		machine.process?.kill();
		this.machines.delete(name);
	}
	/** After a crash or stop. Resolves when it serves. */
	async start(name: string): Promise<void> {
		this.say(`${name} starts`);
		await this.#launch(this.machine(name));
	}
	crash(name: string): void {
		this.say(`${name} crashes`);
		this.machine(name).process?.kill();
	}
	/** At the next commit of its store: just before it is durable, or just after. */
	crashAtCommit(name: string, when: Deadline): void {
		this.say(`${name} will crash ${when} its next commit`);
		this.machine(name).process?.killAtCommit(when);
	}
	async stop(name: string): Promise<void> {
		this.say(`${name} stops`);
		await this.machine(name).process?.stop();
	}
	/** SIGSTOP: silent, with all its connections. */
	pause(name: string): void {
		this.say(`${name} is paused`);
		this.cutOff(name, true);
		this.machine(name).process?.clock.pause();
	}
	resume(name: string): void {
		this.say(`${name} goes on`);
		this.machine(name).process?.clock.resume();
		this.cutOff(name, false);
	}
	/** Nothing reaches the node, or everything does again. */
	cutOff(name: string, cut: boolean): void {
		for (const other of this.machines.keys()) {
			if (other === name) continue;
			if (cut) this.network.cut(simNodeId(other), simNodeId(name));
			else this.network.mend(simNodeId(other), simNodeId(name));
		}
	}
	setFull(name: string, full: boolean): void {
		this.say(`the disk of ${name} ${full ? "is full" : "has room again"}`);
		this.machine(name).disk.full = full;
		this.bodies.setFull(simNodeId(name), full);
	}

	// ------------------------------------------------------------------ lines

	split(...groups: readonly (readonly string[])[]): void {
		this.say(`split ${groups.map((group) => `{${group}}`).join(" | ")}`);
		this.network.split(...groups.map((group) => group.map(simNodeId)));
	}
	/** Both ways. */
	cut(one: string, other: string): void {
		this.cutOneWay(one, other);
		this.cutOneWay(other, one);
	}
	cutOneWay(from: string, to: string): void {
		this.say(`cut ${from} → ${to}`);
		this.network.cut(simNodeId(from), simNodeId(to));
	}
	/** Both ways. */
	mend(one: string, other: string): void {
		this.say(`mend ${one} ↔ ${other}`);
		this.network.mend(simNodeId(one), simNodeId(other));
		this.network.mend(simNodeId(other), simNodeId(one));
	}
	heal(): void {
		this.say("heal");
		this.network.heal();
	}
	/** Connections between the two break, as by a middlebox. */
	reset(one: string, other: string): void {
		this.say(`connections ${one} ↔ ${other} break`);
		this.network.breakConnections(simNodeId(one), simNodeId(other));
	}
	/** The wall clock of a node jumps. */
	jump(name: string, milliseconds: number): void {
		this.say(`the clock of ${name} jumps by ${milliseconds} ms`);
		this.machine(name).clock.jump(milliseconds);
	}
	slow(one: string, other: string, delay: DelayRange): void {
		this.say(`${one} ↔ ${other} take ${delay.join(" to ")} ms`);
		this.network.setDelay(delay, [simNodeId(one), simNodeId(other)]);
	}
	#connected(a: NodeId, b: NodeId): boolean {
		return !this.network.isCut(a, b) && !this.network.isCut(b, a);
	}

	// ------------------------------------------------------------------ clients

	/** Asks a node for something; noted, and settled also when the node dies. Never rejects. */
	async ask<T>(
		name: string,
		what: string,
		run: () => Promise<T>,
	): Promise<Outcome<T>> {
		const { process } = this.machine(name);
		if (process?.replica === undefined) return { kind: "lost" };
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

	async addUser(name: string, user: string): Promise<void> {
		const full = mailAddress(user);
		const account = await this.replica(name).directory.addUser(full, "hash", {
			createDomain: true,
		});
		this.#accounts.set(user, account);
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
				const body = await this.body(
					name,
					`Received: by ${name}\r\n\r\n${text}`,
				);
				this.#sending(body, `mail "${text}"`);
				const asked = this.clock.monotonic();
				await this.replica(name).deliver({
					body,
					recipients: [this.accountId(user)],
					transaction: text,
				});
				this.#acknowledged(name, body, asked);
				this.#answered.set(text, this.clock.monotonic());
			},
		);
	}

	/** A client is being told that this is safe: it must be on as many members as were asked for, if so many are up. */
	#acknowledged(name: string, body: BodyRef, askedMilliseconds: number): void {
		const machine = this.machine(name);
		if (!machine.process?.alive) return;
		this.history.sent(body.hash, 1);
		const label = this.history.labelOf(body.hash);
		const bodies = this.#bodies.get(label) ?? [];
		const machines = [...this.machines.values()];
		const holders = machines.filter((holder) => this.#holds(holder, bodies));
		const now = this.clock.monotonic();
		// So long it was waited for those that are up and far behind.
		if (now - askedMilliseconds >= COPIES_BEHIND_MILLISECONDS_MAX) return;
		// A member without documents cannot hold anything, and is known to have them a moment after it has.
		const joining = new Set(
			machines
				.filter(
					({ memberSinceMilliseconds: since }) =>
						since === undefined || since > now - KNOWN_MILLISECONDS,
				)
				.map(({ id }) => id),
		);
		const up = machine.replica
			.report()
			.peers.filter(
				({ id, state }) => state !== "down" && !joining.has(id),
			).length;
		const wanted = Math.min(machine.options.copies, 1 + up);
		if (holders.length < wanted)
			this.violated(
				new Violation(
					"I7",
					`${name} acknowledged ${label} on ${holders.map((holder) => holder.name)}, with ${up} others up`,
				),
			);
	}

	/** Whether the disk of a machine has the message, with its body (one of them, where it was retried elsewhere). */
	#holds({ disk, id }: SimMachine, bodies: readonly BodyRef[]): boolean {
		if (!bodies.some((body) => this.bodies.holds(id, body))) return false;
		const hashes = new Set(bodies.map(({ hash }) => hash));
		for (const [, value] of disk.range("ent/", "ent0")) {
			const { f: facts } = JSON.parse(value as string) as EntryRow;
			if (facts && hashes.has(decodeFacts(facts).body.hash)) return true;
		}
		return false;
	}

	#sending(body: BodyRef, label: string): void {
		this.history.sending(body.hash, label, 1);
		const bodies = this.#bodies.get(label) ?? [];
		this.#bodies.set(label, bodies);
		bodies.push(body);
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
				const account = this.account(name, user);
				const body = await this.body(name, `Draft\r\n\r\n${text}`);
				this.#sending(body, `draft "${text}"`);
				const asked = this.clock.monotonic();
				const placed = await account.append(folder, [{ body, flags: [] }]);
				this.#acknowledged(name, body, asked);
				return placed;
			},
		);
	}

	/** A mailbox is being deleted: what any node has in it may go. */
	removing(mailbox: MailboxId): void {
		for (const { disk } of this.machines.values())
			for (const [, value] of disk.range(
				`ent/${mailbox}/`,
				`ent/${mailbox}0`,
			)) {
				const facts = (JSON.parse(value as string) as EntryRow).f;
				if (facts) this.history.expunging(decodeFacts(facts).body.hash);
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
		const selected = await this.account(name, user).select(mailbox);
		const { process } = this.machine(name);
		if (!process?.alive) throw new Temporary(`${name} died`);
		return new Reader(this, process, { user, mailbox }, selected);
	}

	// ------------------------------------------------------------------ quiet

	#state(): string {
		return this.running
			.map(({ name, disk }) => {
				const vector = [...vectorOf(disk)].sort().join(" ");
				return `${name} ${vector}`;
			})
			.join("\n");
	}

	/** Every running node has the same, by its own report and by its disk. */
	isConverged(): boolean {
		const { running } = this;
		const vectors = new Set(
			running.map(({ disk }) => [...vectorOf(disk)].sort().join()),
		);
		return (
			vectors.size <= 1 &&
			running.every(({ replica }) => {
				const report = replica.report();
				return report.converged && report.up === running.length;
			})
		);
	}

	/**
	 * Lets time pass until all running nodes agree and nothing changes any more; returns after how many milliseconds that
	 * was so. Throws when it takes longer.
	 */
	async settle(withinMilliseconds = 60_000): Promise<number> {
		const start = this.clock.monotonic();
		let since = start;
		let state = "";
		for (;;) {
			const now = this.clock.monotonic();
			const next = this.isConverged() ? this.#state() : "";
			if (next === "" || next !== state) since = now;
			state = next;
			if (now - since >= QUIET_MILLISECONDS) return since - start;
			if (now - start > withinMilliseconds)
				throw new Violation("I4", this.#unsettled(withinMilliseconds));
			await this.pass(STEP_MILLISECONDS);
		}
	}

	#unsettled(milliseconds: number): string {
		const reports = this.running.map(({ name, replica }) => {
			const { converged, up, members, missingBodies, peers } = replica.report();
			return `${name}: ${JSON.stringify({ converged, up, members, missingBodies, peers })}`;
		});
		return `not quiet after ${milliseconds} ms\n${reports.join("\n")}\n${this.#state()}`;
	}

	/** All invariants, on a cluster that is connected and quiet. */
	async verify(): Promise<void> {
		await this.settle();
		const views = new Map<string, string[]>();
		for (const { name } of this.running)
			views.set(name, await this.#viewOf(name));
		const before = this.#state();
		await this.pass(2 * QUIET_MILLISECONDS);
		if (this.#state() !== before)
			throw new Violation("I4", "looking does not end in quiet: renumbering?");
		this.compareAll("views", (machine) => views.get(machine.name) ?? []);
		this.compareAll("rows", ({ disk }) => sharedRows(disk));
		this.compareAll("directory", ({ replica }) => directoryOf(replica));
		for (const { name, disk } of this.running) {
			checkSums(name, disk);
			checkSlots(disk);
			this.history.check(disk);
		}
		this.say("verified");
	}

	/** I4 */
	compareAll(what: string, of: (machine: SimMachine) => string[]): void {
		const [first, ...others] = this.running.map((machine) => ({
			node: machine.name,
			lines: of(machine),
		}));
		for (const other of others) if (first) compare(what, first, other);
	}

	async #viewOf(name: string): Promise<string[]> {
		const lines: string[] = [];
		for (const user of this.users)
			for (const { name: mailbox, id, role, subscribed } of this.account(
				name,
				user,
			).mailboxes()) {
				const reader = await this.run(this.read(name, user, mailbox));
				const status = await this.run(this.account(name, user).status(mailbox));
				lines.push(
					`${user} ${mailbox} ${id} ${role} ${subscribed} ${reader.mailbox.uidValidity} ${status.messages} ${status.unseen} ${status.deleted} ${status.sizeBytes}`,
					...describe(reader.mailbox).map((line) => `${mailbox} ${line}`),
				);
				reader.close();
			}
		return lines;
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
