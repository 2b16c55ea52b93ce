/**
 * One run: a cluster, clients, and steps from a plan: mail and faults at random, then everything is mended, and all
 * invariants must hold within bounded virtual time. The same seed, configuration, steps and rules give the same run.
 */
import type { Rules } from "../rules.ts";
import { type Invariant, Violation } from "./checkers.ts";
import { CLIENT_KINDS, Client, type TokenMode } from "./client.ts";
import { SimCluster } from "./cluster.ts";
import { type FaultKind, Faults } from "./faults.ts";
import { MailSteps } from "./mail-steps.ts";
import { planOf, type SimConfig, type Step, type StepKind } from "./plan.ts";
import { type SimRandom, simRandom } from "./random.ts";
import { TreeSteps } from "./tree-steps.ts";

export interface RunOptions {
	readonly seed: number | string;
	readonly config: SimConfig;
	/** Default: the plan of the seed. */
	readonly steps?: readonly Step[];
	/** Default: all. */
	readonly rules?: Rules;
	readonly echo?: (line: string) => void;
}

export interface RunResult {
	/** Undefined: all invariants held. */
	readonly failure: Failure | undefined;
	readonly digest: string;
	readonly steps: number;
	readonly operations: number;
	/** Between nodes, each handled by the one that gets it. */
	readonly messages: number;
	readonly events: number;
	readonly virtualMilliseconds: number;
	readonly acknowledged: number;
	readonly told: number;
	readonly renumbered: number;
	readonly skippedVisits: number;
	/** The last lines of what happened. */
	readonly story: string;
}

export interface Failure {
	/** "error": something else than an invariant. */
	readonly invariant: Invariant | "error";
	readonly message: string;
}

const NAMES = ["a", "b", "c", "d", "e", "f", "g", "h"];
const USERS = ["anna", "bert"];
const FOLDERS = ["Work", "Play"];
const STORY_LINES = 400;
const MODES: readonly TokenMode[] = ["last", "max", "lower"];
/** Wall clocks of nodes that were set by hand, and crystals that are not good. */
const SKEW_MILLISECONDS_MAX = 3_600_000;
const DRIFT_PER_MILLION_MAX = 200;
/** After these the nodes often have time to take one another for down, and go on apart. */
const CUTTING: readonly StepKind[] = ["split", "oneWay", "triangle"];
const DOWN_MILLISECONDS = 5_500;
/** Of the runs: in these hypercore can prove nothing to anybody through a third, and bodies are handed over. */
const UNPROVEN_CHANCE = 0.25;
/** Settling after all was mended; what the system promises is shorter, but for bodies that are far behind. */
const SETTLE_MILLISECONDS_MAX = 90_000;

/** Never rejects: whatever goes wrong is the result's failure. */
export async function run(options: RunOptions): Promise<RunResult> {
	const steps = options.steps ?? planOf(options.config, options.seed);
	const one = new Run(options);
	let failure: Failure | undefined;
	try {
		await one.begin();
		for (const step of steps) await one.step(step);
		await one.end();
	} catch (error) {
		failure = failureOf(error as Error);
		one.cluster.say(`FAILED ${failure.message}`);
	}
	const { cluster } = one;
	const { operations, events, skippedVisits } = cluster;
	return {
		failure,
		digest: cluster.digest(),
		steps: steps.length,
		operations,
		messages: cluster.network.messages,
		events,
		skippedVisits,
		virtualMilliseconds: cluster.clock.monotonic(),
		acknowledged: cluster.history.acknowledged,
		...cluster.witness.renumbering,
		story: cluster.trace(STORY_LINES),
	};
}

const failureOf = (error: Error): Failure => ({
	invariant: error instanceof Violation ? error.invariant : "error",
	message:
		error instanceof Violation ? error.message : (error.stack ?? String(error)),
});

/** What the kinds of steps share. */
export class Run {
	readonly cluster: SimCluster;
	readonly config: SimConfig;
	readonly clients: Client[] = [];
	/** Machines that are being started or are joining. */
	readonly starting = new Set<string>();
	/** Where sticky clients go. */
	readonly #homes = new Map<Client, string>();
	/** What was asked and is not answered yet. */
	readonly #open = new Set<Promise<unknown>>();
	readonly #seed: number | string;
	readonly #faults = new Faults(this);
	readonly #mail = new MailSteps(this);
	readonly #tree = new TreeSteps(this);

	constructor({ seed, config, rules, echo }: RunOptions) {
		this.#seed = seed;
		this.config = config;
		this.cluster = new SimCluster({
			seed,
			...(rules && { rules }),
			...(echo && { echo }),
			...(config.skew && { skew }),
			...(config.delayMilliseconds && {
				delayMilliseconds: config.delayMilliseconds,
			}),
			...(config.alone && { alone: true }),
			proves: !simRandom(seed).fork("proves").chance(UNPROVEN_CHANCE),
			...(config.gossip && { gossipLoss: 0.05, gossipDuplicates: 0.05 }),
		});
		this.cluster.expectedErrors.push(
			/could not write a batch.*(disk is full|the process died|process is dead)/,
			/could not admit a node/,
			/bodies are lost/,
		);
	}

	async begin(): Promise<void> {
		const { cluster, config } = this;
		const [first = "a", ...others] = NAMES.slice(0, config.nodes);
		await cluster.run(cluster.found(first));
		for (const user of USERS) {
			await cluster.run(cluster.addUser(first, user));
			for (const folder of FOLDERS)
				await cluster.run(cluster.account(first, user).create(folder));
		}
		for (const name of others) await cluster.run(cluster.join(name, first));
		await cluster.settle();
		const random = simRandom(this.#seed).fork("clients");
		for (let i = 1; i <= config.clients; i++) this.#newClient(i, random);
	}

	#newClient(number: number, random: SimRandom): void {
		const kind = random.pick(CLIENT_KINDS);
		const client = new Client(this.cluster, {
			name: `client ${number}`,
			user: random.chance(0.8) ? "anna" : random.pick(USERS),
			folder: random.chance(0.65) ? "INBOX" : random.pick(["Archive", "Work"]),
			kind,
			mode: kind === "uid" ? "last" : random.pick(MODES),
		});
		this.clients.push(client);
		if (!random.chance(this.config.wander))
			this.#homes.set(client, random.pick(NAMES.slice(0, this.config.nodes)));
	}

	/** Does what the step says, and lets some time pass. */
	async step({ kind, seed }: Step): Promise<void> {
		const random = simRandom(seed);
		if (kind === "settle") await this.calm(random);
		else if (this.#faults.knows(kind)) this.#faults.step(kind, random);
		else if (this.#tree.knows(kind)) this.#tree.step(kind, random);
		else this.#mail.step(kind, random);
		await this.cluster.pass(
			CUTTING.includes(kind) && random.chance(0.7)
				? random.integer(DOWN_MILLISECONDS, DOWN_MILLISECONDS + 3_000)
				: interval(random),
		);
	}

	/** All is mended for good, and everything must hold. */
	async end(): Promise<void> {
		const { cluster } = this;
		await this.calm(simRandom(this.#seed).fork("end"));
		await cluster.verify();
		const { renumbered, told } = cluster.witness.renumbering;
		if (this.config.keepsNumbers && renumbered > 0)
			throw new Violation(
				"numbers",
				`${renumbered} of ${told} messages were numbered anew without a fault`,
			);
		cluster.witness.checkUidValidity((mailbox) =>
			this.#tree.madeTwice(mailbox),
		);
	}

	/** Ends all faults and waits until the cluster is quiet; then each client's copy must be right after a full sync (I6). */
	async calm(random: SimRandom): Promise<void> {
		const { cluster } = this;
		cluster.say("-- all is mended");
		await this.#mend(random);
		await cluster.settle(SETTLE_MILLISECONDS_MAX);
		for (let round = 0; round < 2; round++) {
			for (const client of this.clients) {
				await cluster.run(client.visit(this.nodeFor(client, random)));
				if (round === 1)
					client.checkCopy(
						(entry) => cluster.history.isLost(entry),
						this.#wanders(client),
					);
				client.leave();
			}
			if (round === 0) await cluster.settle(SETTLE_MILLISECONDS_MAX);
		}
		cluster.say("-- verified");
	}

	async #mend(random: SimRandom): Promise<void> {
		const { cluster } = this;
		this.#faults.end();
		this.#startAll();
		// One that is being stopped may be all that another one waits for; and one that was to join may be put away.
		while (this.#open.size > 0) {
			await this.#faults.putAwayStranded();
			await cluster.run(Promise.race(this.#open));
			this.#startAll();
		}
		await this.#faults.removeLost(random);
		await this.#faults.putAwayForgotten();
		for (const client of this.clients) client.leave();
	}

	#startAll(): void {
		for (const { name, process } of [...this.cluster.machines.values()])
			if (!process && !this.starting.has(name)) this.#faults.start(name);
	}

	// ------------------------------------------------------------------ for the steps

	/** Nodes that serve. */
	get serving(): string[] {
		return this.cluster.running
			.filter(({ process }) => process?.serves)
			.map(({ name }) => name);
	}

	/** The home of a sticky client while it exists, else any member that serves. */
	nodeFor(client: Client, random: SimRandom): string {
		const home = this.#homes.get(client);
		if (home !== undefined && this.cluster.machines.has(home)) return home;
		const { serving } = this;
		const members = serving.filter((name) => !this.#faults.isOutside(name));
		return random.pick(members.length > 0 ? members : serving);
	}

	/** It has been at several nodes, if only since its own was lost. */
	#wanders(client: Client): boolean {
		const home = this.#homes.get(client);
		return home === undefined || !this.cluster.machines.has(home);
	}

	get names(): string[] {
		return [...this.cluster.machines.keys()];
	}

	newName(): string | undefined {
		return NAMES.find(
			(name) => !this.#faults.hasBeen(name) && !this.names.includes(name),
		);
	}

	/** Runs on while other steps come; a violation ends the run. */
	asked(promise: Promise<unknown>): void {
		const settled: Promise<void> = promise.then(
			() => void this.#open.delete(settled),
			(error) => {
				this.#open.delete(settled);
				this.cluster.violated(error as Error);
			},
		);
		this.#open.add(settled);
	}

	async answers(): Promise<void> {
		while (this.#open.size > 0) await this.cluster.run(Promise.all(this.#open));
	}
}

/** Mostly close together, now and then long enough for a node to be taken for down. */
function interval(random: SimRandom): number {
	const kind = random.fraction();
	if (kind < 0.88) return random.integer(0, 20);
	if (kind < 0.98) return random.integer(20, 500);
	return random.integer(500, 9_000);
}

const skew = (random: SimRandom) => ({
	skewMilliseconds: random.integer(
		-SKEW_MILLISECONDS_MAX,
		SKEW_MILLISECONDS_MAX,
	),
	driftPerMillion: random.integer(
		-DRIFT_PER_MILLION_MAX,
		DRIFT_PER_MILLION_MAX,
	),
});

export type { FaultKind };
