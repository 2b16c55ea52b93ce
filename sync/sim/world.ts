/**
 * The world of a simulated cluster: one clock, one network, one source of chance, the machines, and what happened so far.
 * Whatever goes wrong is kept here and raised when time has passed, so that it does not end up in the code under test.
 */
import { createHash, type Hash } from "node:crypto";
import type { NodeId } from "../ids.ts";
import type { LogFields, LogLevel } from "../ports/log.ts";
import { SimBodiesWorld } from "./bodies.ts";
import { Violation, Witness } from "./checkers.ts";
import { type ClockSkew, SimClock } from "./clock.ts";
import { History } from "./history.ts";
import type { NodeOptions, SimMachine } from "./machine.ts";
import { type DelayRange, SimNetworkWorld } from "./network.ts";
import { type SimRandom, simRandom } from "./random.ts";

export interface SimClusterOptions extends Partial<NodeOptions> {
	readonly seed: number | string;
	readonly delayMilliseconds?: DelayRange;
	/** Shows the diaries and what happens, as it happens. */
	readonly echo?: (line: string) => void;
	/** Probabilities that a gossip message is lost on one line, and that it comes twice. */
	readonly gossipLoss?: number;
	readonly gossipDuplicates?: number;
	/** False: bodies come from their takers alone, or are handed over. */
	readonly proves?: boolean;
	/** Wall clock of a new node. */
	readonly skew?: (random: SimRandom) => ClockSkew;
}

const TRACE_LINES_MAX = 4_000;
/** Longer than anything that the system promises to bound. */
const OPERATION_MILLISECONDS_MAX = 90_000;
const STEP_MILLISECONDS = 25;

export class SimWorld {
	readonly clock = new SimClock({ closed: true });
	readonly random: SimRandom;
	readonly network: SimNetworkWorld;
	readonly bodies: SimBodiesWorld;
	readonly witness = new Witness();
	readonly history = new History();
	readonly machines = new Map<string, SimMachine>();
	protected readonly options: SimClusterOptions;
	readonly #digest: Hash = createHash("sha256");
	readonly #trace: string[] = [];
	readonly #errors: string[] = [];
	#violation: Error | undefined;
	/** How long a sync of bodies takes, where a disk is slow. */
	readonly syncMilliseconds = new Map<NodeId, number>();
	/** Errors in diaries that a story brings about. */
	readonly expectedErrors: RegExp[] = [];
	/** What happened so far, in events. */
	events = 0;
	/**
	 * Things done to the cluster from outside: messages delivered; commands of clients (SELECT, FETCH, SEARCH, STORE, EXPUNGE,
	 * COPY, MOVE, APPEND, STATUS, NOOP, LOGOUT, and those on mailboxes), each one; what operators do (found, join, start,
	 * stop, remove, back up, restore); and faults. Not what nodes do among themselves, nor what checkers look at.
	 */
	operations = 0;
	/** Visits of clients that had nothing to ask for, by their token. */
	skippedVisits = 0;

	constructor(options: SimClusterOptions) {
		this.options = options;
		this.random = simRandom(options.seed);
		this.network = new SimNetworkWorld({
			clock: this.clock,
			random: this.random.fork("network"),
			delayMilliseconds: options.delayMilliseconds,
			gossipLoss: options.gossipLoss,
			gossipDuplicates: options.gossipDuplicates,
		});
		this.bodies = new SimBodiesWorld({
			clock: this.clock,
			random: this.random.fork("bodies"),
			connected: (a, b) => this.#connected(a, b),
			...(options.proves !== undefined && { proves: options.proves }),
			delayMilliseconds: (from, to) => this.network.delay(from, to),
			syncMilliseconds: (node) => this.syncMilliseconds.get(node) ?? 1,
		});
	}

	// ------------------------------------------------------------------ what happened

	say(text: string): void {
		const line = `${this.clock.monotonic().toFixed(1).padStart(9)} ${text}`;
		this.events++;
		this.#digest.update(line);
		this.options.echo?.(line);
		this.#trace.push(line);
		if (this.#trace.length > 2 * TRACE_LINES_MAX)
			this.#trace.splice(0, TRACE_LINES_MAX);
	}

	/** The same of something that is done from outside. */
	protected did(text: string): void {
		this.operations++;
		this.say(text);
	}

	/** One line of a diary. */
	protected note(
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
			await this.pass(STEP_MILLISECONDS);
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
	#connected(a: NodeId, b: NodeId): boolean {
		return !this.network.isCut(a, b) && !this.network.isCut(b, a);
	}
}
