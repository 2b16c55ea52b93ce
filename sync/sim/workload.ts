/**
 * A seeded run: clients and faults at random for a while, then everything is mended, and all invariants must hold within
 * bounded virtual time. The same seed gives the same run.
 */
import { SimCluster, type SimClusterOptions } from "./cluster.ts";
import type { SimRandom } from "./random.ts";
import type { Reader, Seen } from "./reader.ts";

export interface RunOptions extends Omit<SimClusterOptions, "seed"> {
	readonly seed: number | string;
	readonly nodes?: number;
	readonly nodesMax?: number;
	readonly steps?: number;
	readonly weights?: Partial<Record<StepKind, number>>;
	/** Told of each cluster before it runs. */
	readonly begun?: (cluster: SimCluster) => void;
}

const MAIL = {
	deliver: 20,
	retry: 4,
	select: 10,
	close: 5,
	status: 3,
	flag: 10,
	unflag: 4,
	expunge: 4,
	move: 6,
	copy: 3,
	append: 4,
	create: 1.5,
	rename: 1.5,
	remove: 1,
};
const FAULTS = {
	split: 2.5,
	oneWay: 1,
	heal: 3,
	crash: 2,
	start: 5,
	join: 0.7,
	pause: 1.5,
	slow: 1,
	full: 1,
	clock: 1,
	reset: 1,
};
export const WEIGHTS = { ...MAIL, ...FAULTS };
export type StepKind = keyof typeof WEIGHTS;
type Fault = keyof typeof FAULTS;
type Message = "flag" | "unflag" | "expunge" | "move" | "copy";
type Client = Exclude<keyof typeof MAIL, Message>;

const NAMES = ["a", "b", "c", "d", "e", "f"];
const FLAGS = ["\\Seen", "\\Flagged", "\\Deleted", "$One", "$Two"];
const FOLDERS = ["Archive", "Trash", "Work", "Work/Old", "Play"];
const READERS_OPEN = 8;
const STEPS = 200;

export interface RunResult {
	readonly digest: string;
	readonly events: number;
	readonly steps: number;
	readonly virtualMilliseconds: number;
	readonly acknowledged: number;
	readonly told: number;
	readonly renumbered: number;
}

/** Runs one seed. Rejects with a Violation, or whatever else goes wrong. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
	const names = NAMES.slice(0, options.nodes ?? 3);
	const cluster = await SimCluster.of(names, options, ["anna", "bert"]);
	options.begun?.(cluster);
	for (const user of cluster.users)
		for (const folder of ["Work", "Play"])
			await cluster.run(cluster.account("a", user).create(folder));
	const run = new Run(cluster, options);
	await run.hostile(options.steps ?? STEPS);
	await run.mend();
	await cluster.verify();
	return {
		digest: cluster.digest(),
		events: cluster.events,
		steps: options.steps ?? STEPS,
		virtualMilliseconds: cluster.clock.monotonic(),
		acknowledged: cluster.history.acknowledged,
		...cluster.witness.renumbering,
	};
}

class Run {
	readonly #cluster: SimCluster;
	readonly #random: SimRandom;
	readonly #weights: [StepKind, number][];
	readonly #nodesMax: number;
	readonly #readers: Reader[] = [];
	/** What was asked and is not answered yet. */
	readonly #open = new Set<Promise<unknown>>();
	/** Deliveries that nobody was told of the end of. */
	readonly #unsure: { user: string; text: string }[] = [];
	/** Faults that end by themselves. */
	readonly #paused = new Set<string>();
	readonly #full = new Set<string>();
	readonly #starting = new Set<string>();
	#mails = 0;

	constructor(cluster: SimCluster, options: RunOptions) {
		this.#cluster = cluster;
		this.#random = cluster.random.fork("workload");
		this.#nodesMax = options.nodesMax ?? 5;
		this.#weights = Object.entries({
			...WEIGHTS,
			...options.weights,
		}) as [StepKind, number][];
		cluster.expectedErrors.push(
			/could not write a batch.*(disk is full|the process died|process is dead)/,
			/could not admit a node/,
		);
	}

	async hostile(steps: number): Promise<void> {
		for (let i = 0; i < steps; i++) {
			this.#step(this.#draw());
			await this.#cluster.pass(this.#interval());
		}
	}

	/** Ends all faults, waits for all answers, and has all nodes running. */
	async mend(): Promise<void> {
		const cluster = this.#cluster;
		cluster.say("-- mend");
		cluster.heal();
		for (const name of this.#paused) cluster.resume(name);
		for (const name of this.#full) cluster.setFull(name, false);
		for (const { name, process } of cluster.machines.values())
			if (process?.dying) cluster.crash(name);
		// Twice: a node that was about to join may be put away, or have its start behind it only now.
		for (let i = 0; i < 2; i++) {
			for (const { name, process } of [...cluster.machines.values()])
				if (!process && !this.#starting.has(name))
					this.#asked(cluster.start(name));
			await this.#answers();
		}
		for (const reader of this.#readers) if (reader.alive) reader.close();
	}

	async #answers(): Promise<void> {
		while (this.#open.size > 0)
			await this.#cluster.run(Promise.all(this.#open));
	}

	#draw(): StepKind {
		const sum = this.#weights.reduce((total, [, weight]) => total + weight, 0);
		let left = this.#random.fraction() * sum;
		for (const [kind, weight] of this.#weights) {
			left -= weight;
			if (left < 0) return kind;
		}
		return "deliver";
	}

	#interval(): number {
		const kind = this.#random.fraction();
		if (kind < 0.8) return this.#random.integer(0, 30);
		if (kind < 0.97) return this.#random.integer(40, 800);
		return this.#random.integer(800, 9_000);
	}

	#asked(promise: Promise<unknown>): void {
		const settled: Promise<void> = promise.then(
			() => {
				this.#open.delete(settled);
			},
			(error) => {
				this.#open.delete(settled);
				this.#cluster.violated(error as Error);
			},
		);
		this.#open.add(settled);
	}

	#node(): string | undefined {
		const { running } = this.#cluster;
		const serving = running.filter(({ replica }) => !replica.isJoining);
		return serving.length > 0 ? this.#random.pick(serving).name : undefined;
	}
	#user(): string {
		return this.#random.chance(0.8)
			? "anna"
			: this.#random.pick(this.#cluster.users);
	}
	#folder(): string {
		return this.#random.chance(0.7)
			? this.#random.pick(FOLDERS)
			: `Folder ${this.#random.integer(1, 4)}`;
	}

	#step(kind: StepKind): void {
		const node = this.#node();
		if (kind in this.#faults) this.#faults[kind as Fault](node);
		else if (node === undefined) return;
		else if (kind in this.#clients) this.#clients[kind as Client](node);
		else this.#message(kind as Message);
	}

	// ------------------------------------------------------------------ clients

	readonly #clients: Record<Client, (node: string) => void> = {
		deliver: (node) =>
			this.#deliver(node, this.#user(), `mail ${++this.#mails}`),
		retry: (node) => {
			const mail = this.#unsure.shift();
			if (mail) this.#deliver(node, mail.user, mail.text);
		},
		select: (node) => this.#select(node, this.#user()),
		close: () => {
			const [reader] = this.#readers.splice(0, 1);
			if (reader?.alive) reader.close();
		},
		status: (node) =>
			this.#command(node, "status", (account, folder) =>
				account.status(folder),
			),
		append: (node) => this.#append(node, this.#user()),
		create: (node) =>
			this.#command(node, "create", (account, folder) =>
				account.create(folder),
			),
		rename: (node) => {
			const to = this.#folder();
			this.#command(node, `rename to ${to}`, (account, folder) =>
				account.rename(folder, to),
			);
		},
		remove: (node) => this.#remove(node),
	};

	#deliver(node: string, user: string, text: string): void {
		this.#asked(
			this.#cluster.deliver(node, user, text).then(({ kind }) => {
				if (kind !== "done") this.#unsure.push({ user, text });
			}),
		);
	}

	#append(node: string, user: string): void {
		const text = `draft ${++this.#mails}`;
		const folder = this.#random.chance(0.5) ? "INBOX" : this.#folder();
		this.#asked(this.#cluster.append(node, user, folder, text));
	}

	#select(node: string, user: string): void {
		const folder = this.#random.chance(0.6) ? "INBOX" : this.#folder();
		this.#asked(
			this.#cluster
				.ask(node, `selects ${folder} of ${user}`, () =>
					this.#cluster.read(node, user, folder),
				)
				.then((outcome) => {
					if (outcome.kind !== "done") return;
					this.#readers.push(outcome.value);
					const [oldest] = this.#readers;
					if (this.#readers.length <= READERS_OPEN || !oldest) return;
					this.#readers.shift();
					if (oldest.alive) oldest.close();
				}),
		);
	}

	#command(
		node: string,
		what: string,
		run: (
			account: ReturnType<SimCluster["account"]>,
			folder: string,
		) => Promise<unknown>,
	): void {
		const user = this.#user();
		const folder = this.#folder();
		this.#asked(
			this.#cluster.ask(node, `${what} ${folder} of ${user}`, async () => {
				await run(this.#cluster.account(node, user), folder);
			}),
		);
	}

	/** A mailbox with all that its node has seen in it. */
	#remove(node: string): void {
		this.#command(node, "remove", async (account, folder) => {
			const id = account.find(folder)?.id;
			if (id !== undefined) this.#cluster.removing(id);
			await account.remove(folder);
			if (id !== undefined) this.#cluster.removing(id);
		});
	}

	/** A command on one message of an open session. */
	#message(kind: Message): void {
		const alive = this.#readers.filter((reader) => reader.alive);
		if (alive.length === 0) return;
		const reader = this.#random.pick(alive);
		const seen = reader.messages();
		if (seen.length === 0) return;
		this.#asked(this.#act(kind, reader, this.#random.pick(seen)));
	}

	#act(kind: Message, reader: Reader, seen: Seen): Promise<unknown> {
		switch (kind) {
			case "flag":
				return reader.flag(seen, this.#random.pick(FLAGS));
			case "unflag":
				return reader.unflag(seen, this.#random.pick(FLAGS));
			case "expunge":
				return reader.expunge(seen);
			case "move":
				return reader.move(seen, this.#folder());
			case "copy":
				return reader.copy(seen, this.#folder());
		}
	}

	// ------------------------------------------------------------------ faults

	readonly #faults: Record<Fault, (node: string | undefined) => void> = {
		split: () => this.#split(),
		oneWay: () =>
			this.#pair((one, other) => this.#cluster.cutOneWay(one, other)),
		heal: () => {
			this.#cluster.heal();
			for (const name of this.#paused) this.#cluster.cutOff(name, true);
		},
		slow: () =>
			this.#pair((one, other) => {
				const least = this.#random.integer(1, 150);
				this.#cluster.slow(one, other, [least, 2 * least]);
			}),
		reset: () => this.#pair((one, other) => this.#cluster.reset(one, other)),
		clock: () =>
			this.#cluster.jump(
				this.#random.pick(this.#names),
				this.#random.integer(-7_200_000, 7_200_000),
			),
		start: () => this.#start(),
		join: (node) => {
			if (node !== undefined && this.#names.length < this.#nodesMax)
				this.#join(node);
		},
		crash: (node) => node && this.#crash(node),
		pause: (node) => node && this.#pauseNode(node),
		full: (node) => node && this.#fill(node),
	};

	get #names(): string[] {
		return [...this.#cluster.machines.keys()];
	}

	#pair(run: (one: string, other: string) => void): void {
		const [one, other] = this.#random.shuffle(this.#names);
		if (one !== undefined && other !== undefined) run(one, other);
	}

	#split(): void {
		const parts: string[][] = [[], [], []];
		const last = this.#random.chance(0.7) ? 1 : 2;
		for (const name of this.#names)
			parts[this.#random.integer(0, last)]?.push(name);
		this.#cluster.split(...parts.filter((part) => part.length > 0));
	}

	#crash(node: string): void {
		const how = this.#random.integer(0, 3);
		if (how < 2) this.#cluster.crash(node);
		else this.#cluster.crashAtCommit(node, how === 2 ? "before" : "after");
		this.#paused.delete(node);
	}

	#pauseNode(node: string): void {
		this.#cluster.pause(node);
		this.#paused.add(node);
		this.#cluster.clock.after(this.#random.integer(200, 9_000), () => {
			if (this.#paused.delete(node)) this.#cluster.resume(node);
		});
	}

	#fill(node: string): void {
		this.#cluster.setFull(node, true);
		this.#full.add(node);
		this.#cluster.clock.after(this.#random.integer(200, 6_000), () => {
			if (this.#full.delete(node)) this.#cluster.setFull(node, false);
		});
	}

	#start(): void {
		const down = [...this.#cluster.machines.values()].filter(
			({ name, process, disk }) =>
				!process && !disk.full && !this.#starting.has(name),
		);
		if (down.length === 0) return;
		const { name } = this.#random.pick(down);
		this.#starting.add(name);
		this.#asked(
			this.#cluster.start(name).finally(() => this.#starting.delete(name)),
		);
	}

	#join(by: string): void {
		const name = NAMES.find(
			(free) => !this.#cluster.machines.has(free) && !this.#starting.has(free),
		);
		if (name === undefined) return;
		this.#starting.add(name);
		this.#asked(
			this.#cluster
				.tryJoin(name, by)
				.finally(() => this.#starting.delete(name)),
		);
	}
}
