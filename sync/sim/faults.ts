/** Steps that break something, and what ends them. */
import { Temporary } from "../faults.ts";
import type { SimBackup } from "./nodes.ts";
import type { StepKind } from "./plan.ts";
import type { SimRandom } from "./random.ts";
import type { Run } from "./run.ts";

const KINDS = [
	"split",
	"oneWay",
	"triangle",
	"heal",
	"crash",
	"stop",
	"start",
	"pause",
	"slow",
	"full",
	"slowDisk",
	"clock",
	"reset",
	"join",
	"backup",
	"restore",
	"lose",
	"expel",
] as const;
export type FaultKind = (typeof KINDS)[number];

/** A member that joined elsewhere in a split is heard of sooner. */
const FORGOTTEN_MILLISECONDS = 20_000;
/** Who takes the documents as a whole has them sooner. */
const REMOVING_MILLISECONDS = 60_000;

export class Faults {
	readonly #run: Run;
	readonly #backups = new Map<string, SimBackup>();
	readonly #paused = new Set<string>();
	readonly #full = new Set<string>();
	readonly #slow = new Set<string>();
	/** Removed, and still there. */
	readonly #leaving = new Set<string>();
	/** A member that lived was removed in this run. */
	#hasExpelled = false;
	/** Joined, or could not: then it may be listed as a member all the same, as the answer never came. */
	readonly #tried = new Set<string>();
	/** Lost for good, and whether an operator has removed them from the cluster. */
	readonly #lost = new Map<string, { removed: boolean }>();

	constructor(run: Run) {
		this.#run = run;
	}

	knows(kind: StepKind): kind is FaultKind {
		return (KINDS as readonly string[]).includes(kind);
	}

	/** Whether a machine of this name was lost: a replacement has a new name. */
	hasBeen(name: string): boolean {
		return this.#lost.has(name);
	}

	step(kind: FaultKind, random: SimRandom): void {
		this.#steps[kind](random);
	}

	/** All that ends by itself ends now; lines are whole, and nobody is about to die. */
	end(): void {
		const { cluster } = this.#run;
		cluster.heal();
		for (const name of [...this.#leaving]) this.#putAway(name);
		for (const name of this.#paused) cluster.resume(name);
		for (const name of this.#full) cluster.setFull(name, false);
		for (const name of this.#slow) cluster.setSlow(name, 0);
		this.#paused.clear();
		this.#full.clear();
		this.#slow.clear();
		for (const { name, process } of cluster.machines.values())
			if (process?.dying) cluster.crash(name);
	}

	/** Operators remove what will not come back; nothing can be whole before. */
	async removeLost(random: SimRandom): Promise<void> {
		for (const name of this.#tried)
			if (!this.#run.names.includes(name) && this.#knowing(name).length > 0)
				this.#lost.set(name, { removed: false });
		for (const [name, lost] of this.#lost) {
			if (!lost.removed || this.#knowing(name).length > 0)
				await this.#removeSoon(name, random);
			lost.removed = true;
		}
	}

	/** Also where who had removed it was lost before anybody heard of that. A member that catches up asks to try again. */
	async #removeSoon(name: string, random: SimRandom): Promise<void> {
		const { cluster } = this.#run;
		for (let left = REMOVING_MILLISECONDS; ; left -= 1_000) {
			const by = this.#knowing(name);
			if (by.length === 0) return;
			try {
				await cluster.run(cluster.remove(name, random.pick(by)));
				return;
			} catch (error) {
				if (!(error instanceof Temporary) || left <= 0) throw error;
				await cluster.pass(1_000);
			}
		}
	}

	#knowing(name: string): string[] {
		return this.#run.serving.filter((node) => this.#knows(node, name));
	}

	/**
	 * Members that all others know nothing of, as these were put back to before they joined: nobody lets them in. Their
	 * operators put them away (what only they had can be brought back from a backup of theirs).
	 */
	async putAwayForgotten(): Promise<void> {
		const { cluster } = this.#run;
		for (let left = FORGOTTEN_MILLISECONDS; left > 0; left -= 100) {
			if (this.#forgotten().length === 0) return;
			await cluster.pass(100);
		}
		for (const name of this.#forgotten()) {
			cluster.say(`${name} is known to no other member any more`);
			cluster.lose(name);
			this.#forget(name);
			this.#lost.set(name, { removed: true });
			for (const machine of cluster.machines.values())
				cluster.witness.forgive(machine.name, machine.disk);
		}
	}

	/**
	 * Who was admitted by a member that was lost before any other heard of that gets the documents from nobody: it says so,
	 * and its operator puts it away. Waits while nothing but such ones are being started.
	 */
	async putAwayStranded(): Promise<void> {
		const { cluster, starting, serving } = this.#run;
		const stranded = [...starting].filter(
			(name) =>
				cluster.isWithoutDocuments(name) &&
				!serving.some((node) => this.#knows(node, name)),
		);
		if (stranded.length === 0 || stranded.length < starting.size) return;
		if (serving.length === 0) return;
		for (const name of stranded) {
			cluster.say(`${name} is known to no member`);
			cluster.lose(name);
			this.#forget(name);
			this.#lost.set(name, { removed: true });
		}
	}

	/**
	 * Nobody is sent to it any more: its removal was asked for, or whoever admitted it was removed before any other heard of
	 * it. It may still name UIDs, which nobody hears of: so a client that goes there, and back, misses messages.
	 */
	isOutside(name: string): boolean {
		if (this.#leaving.has(name)) return true;
		const others = this.#run.serving.filter(
			(other) => other !== name && !this.#leaving.has(other),
		);
		return (
			this.#hasExpelled &&
			others.length > 0 &&
			!others.some((other) => this.#knows(other, name))
		);
	}

	#forgotten(): string[] {
		const { serving } = this.#run;
		return serving.filter((one) =>
			serving.some(
				(other) =>
					one !== other && this.#knows(one, other) && !this.#knows(other, one),
			),
		);
	}

	#knows(node: string, name: string): boolean {
		const { peers } = this.#run.cluster.replica(node).report();
		return peers.some((peer) => peer.name === name);
	}

	start(name: string): void {
		const { cluster, starting } = this.#run;
		starting.add(name);
		this.#run.asked(cluster.start(name).finally(() => starting.delete(name)));
	}

	readonly #steps: Record<FaultKind, (random: SimRandom) => void> = {
		split: (random) => this.#split(random),
		oneWay: (random) =>
			this.#pair(random, (one, other) =>
				this.#run.cluster.cutOneWay(one, other),
			),
		// The two see a third, but not each other.
		triangle: (random) =>
			this.#pair(random, (one, other) => this.#run.cluster.cut(one, other)),
		heal: () => {
			this.#run.cluster.heal();
			for (const name of this.#paused) this.#run.cluster.cutOff(name, true);
		},
		slow: (random) =>
			this.#pair(random, (one, other) => {
				const least = random.integer(1, 150);
				this.#run.cluster.slow(one, other, [least, 2 * least]);
			}),
		reset: (random) =>
			this.#pair(random, (one, other) => this.#run.cluster.reset(one, other)),
		clock: (random) =>
			this.#run.cluster.jump(
				random.pick(this.#run.names),
				random.integer(-7_200_000, 7_200_000),
			),
		start: (random) => this.#start(random),
		join: (random) => this.#join(random),
		crash: (random) => this.#crash(random),
		stop: (random) => this.#stop(random),
		pause: (random) => this.#for(random, this.#paused, 9_000, "pause"),
		full: (random) => this.#for(random, this.#full, 6_000, "full"),
		slowDisk: (random) => this.#for(random, this.#slow, 6_000, "slowDisk"),
		backup: (random) => this.#backup(random),
		restore: (random) => this.#restore(random),
		lose: (random) => this.#lose(random),
		expel: (random) => this.#expel(random),
	};

	#pair(random: SimRandom, run: (one: string, other: string) => void): void {
		const [one, other] = random.shuffle(this.#run.names);
		if (one !== undefined && other !== undefined) run(one, other);
	}

	#split(random: SimRandom): void {
		const parts: string[][] = [[], [], []];
		const last = random.chance(0.7) ? 1 : 2;
		for (const name of this.#run.names)
			parts[random.integer(0, last)]?.push(name);
		this.#run.cluster.split(...parts.filter((part) => part.length > 0));
	}

	#crash(random: SimRandom): void {
		const { cluster, serving } = this.#run;
		if (serving.length === 0) return;
		const name = random.pick(serving);
		const how = random.integer(0, 3);
		if (how < 2) cluster.crash(name);
		else cluster.crashAtCommit(name, how === 2 ? "before" : "after");
		this.#paused.delete(name);
	}

	/** Its operator ends it, in order; a paused one hears nothing of that. */
	#stop(random: SimRandom): void {
		const { cluster, serving } = this.#run;
		const able = serving.filter((name) => !this.#paused.has(name));
		if (able.length > 0) this.#run.asked(cluster.stop(random.pick(able)));
	}

	/** A trouble of one node that is over after a while. */
	#for(
		random: SimRandom,
		troubled: Set<string>,
		longest: number,
		what: "pause" | "full" | "slowDisk",
	): void {
		const { cluster, serving } = this.#run;
		if (serving.length === 0) return;
		const name = random.pick(serving);
		const milliseconds = random.integer(200, longest);
		const slowness = random.integer(5, 120);
		if (troubled.has(name)) return;
		const set = (on: boolean): void => {
			if (what === "full") cluster.setFull(name, on);
			else if (what === "slowDisk") cluster.setSlow(name, on ? slowness : 0);
			else if (on) cluster.pause(name);
			else cluster.resume(name);
		};
		set(true);
		troubled.add(name);
		cluster.clock.after(milliseconds, () => {
			if (troubled.delete(name) && cluster.machines.has(name)) set(false);
		});
	}

	#start(random: SimRandom): void {
		const { cluster, starting } = this.#run;
		const down = [...cluster.machines.values()].filter(
			({ name, process, disk }) =>
				!process && !disk.full && !starting.has(name),
		);
		if (down.length > 0) this.start(random.pick(down).name);
	}

	#join(random: SimRandom): void {
		const { cluster, serving, starting, config, names } = this.#run;
		const name = this.#run.newName();
		if (serving.length === 0 || name === undefined) return;
		if (names.length >= config.nodesMax || starting.has(name)) return;
		starting.add(name);
		this.#run.asked(
			cluster
				.tryJoin(name, random.pick(serving))
				.then(() => void this.#tried.add(name))
				.finally(() => starting.delete(name)),
		);
	}

	#backup(random: SimRandom): void {
		const { cluster, serving } = this.#run;
		if (serving.length === 0) return;
		const name = random.pick(serving);
		if (!this.#backups.has(name) || random.chance(0.5))
			this.#backups.set(name, cluster.backup(name));
	}

	#restore(random: SimRandom): void {
		const { cluster, starting } = this.#run;
		const saved = this.#run.names.filter(
			(name) => this.#backups.has(name) && !starting.has(name),
		);
		if (saved.length === 0) return;
		const name = random.pick(saved);
		const backup = this.#backups.get(name);
		if (backup === undefined) return;
		cluster.restore(name, backup);
		this.#forget(name);
		this.start(name);
	}

	/** With its disk; an operator removes it at once, from wherever it can be reached, or later. */
	#lose(random: SimRandom): void {
		const { cluster, starting } = this.#run;
		const { names } = this.#run;
		if (names.length < 2) return;
		const name = random.pick(names);
		if (this.#leaving.has(name)) return;
		const by = this.#run.serving.filter((other) => other !== name);
		const others = names.filter((other) => other !== name);
		if (starting.has(name) || others.every((one) => starting.has(one))) return;
		if (by.length === 0) return;
		cluster.lose(name);
		this.#forget(name);
		const lost = { removed: random.chance(0.7) };
		this.#lost.set(name, lost);
		const operator = random.pick(by);
		// Where nobody has heard of it yet there is nothing to remove.
		lost.removed &&= this.#knows(operator, name);
		if (lost.removed) this.#run.asked(this.#remove(name, operator, lost));
	}

	async #remove(
		name: string,
		by: string,
		lost: { removed: boolean },
	): Promise<void> {
		const outcome = await this.#run.cluster.ask(by, `removes ${name}`, () =>
			this.#run.cluster.remove(name, by),
		);
		if (outcome.kind !== "done") lost.removed = false;
	}

	/** A member that lives is removed for good, and serves whoever is at it until its machine is put away. */
	#expel(random: SimRandom): void {
		const { cluster, serving } = this.#run;
		if (serving.length < 3) return;
		const [name, by] = random.shuffle(serving) as [string, string];
		const milliseconds = random.integer(0, 6_000);
		if (this.#lost.has(name) || !this.#knows(by, name)) return;
		cluster.say(`${name} is to be removed, by ${by}`);
		const lost = { removed: true };
		this.#lost.set(name, lost);
		this.#leaving.add(name);
		this.#hasExpelled = true;
		this.#run.asked(this.#remove(name, by, lost));
		cluster.clock.after(milliseconds, () => this.#putAway(name));
	}

	#putAway(name: string): void {
		if (!this.#leaving.delete(name)) return;
		this.#run.cluster.lose(name);
		this.#forget(name);
	}

	#forget(name: string): void {
		this.#paused.delete(name);
		this.#full.delete(name);
		this.#slow.delete(name);
	}
}
