/**
 * All faults at once, as one machine of three can meet them: from one seed a sequence of kills, power cuts, full, damaged
 * and lost disks, old backups, wrong clocks and broken lines under constant load. After each round every member shows
 * what clients were told, once, byte for byte. `STORM_SEEDS=3-40 STORM_ROUNDS=12` tries more.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Audit } from "./storm/audit.ts";
import { backUp, strike } from "./storm/faults.ts";
import { Ledger } from "./storm/ledger.ts";
import { Load } from "./storm/load.ts";
import { describe, FAULTS, plan, type Round } from "./storm/plan.ts";
import { World } from "./storm/world.ts";

const isRoot = process.getuid?.() === 0;
const ROUNDS = Number(process.env.STORM_ROUNDS ?? 4);
const SEEDS = seedsOf(process.env.STORM_SEEDS ?? "3,45");
/** Only these, for a closer look. */
const KINDS = FAULTS.filter(
	(each) => process.env.STORM_FAULTS?.split(",").includes(each) ?? true,
);
/** Modules of the harness that plant a bug, to see that it is found. */
const PLANTED = process.env.STORM_PLANTED?.split(",") ?? [];
/** Where the diaries of a storm that went wrong are kept. */
const DIARIES = process.env.STORM_DIARIES;
const ROUND_MILLISECONDS_MAX = 400_000;

/** `1,2` or `3-40`. */
function seedsOf(text: string): number[] {
	return text.split(",").flatMap((part) => {
		const [first = 0, last = first] = part.split("-").map(Number);
		return Array.from({ length: last - first + 1 }, (_, i) => first + i);
	});
}

const secondsSince = (began: number): number =>
	Math.round((performance.now() - began) / 1000);

/** With some seeds space comes back at once, with some the journals are short, so that there is more to be disturbed. */
const modulesOf = (seed: number): string[] => [
	...(seed % 2 === 0 ? ["plant-hasty-space.ts"] : []),
	...(seed % 3 === 0 ? ["plant-small-journals.ts"] : []),
	...PLANTED,
];

class Storm {
	readonly steps: string[] = [];
	readonly #world: World;
	readonly #ledger: Ledger;
	readonly #load: Load;
	readonly #audit: Audit;

	constructor(world: World, seed: number) {
		this.#world = world;
		this.#ledger = new Ledger(`storm${seed}`);
		this.#load = new Load(this.#ledger, () => world.up(), seed);
		this.#audit = new Audit(world, this.#ledger, this.#load.observer);
	}

	get acknowledgements(): number {
		return this.#ledger.acknowledgements;
	}

	/** What is wrong after it. */
	async round(round: Round): Promise<string[]> {
		const began = performance.now();
		this.#note(describe(round));
		const world = this.#world;
		const victim = world.machine(round.victim);
		if (round.fault === "old backup" && victim.backup === undefined)
			await backUp(world, victim);
		this.#load.start();
		try {
			await this.#load.acknowledges(round.before);
			if (round.backup !== undefined)
				await backUp(world, world.machine(round.backup));
			await strike(
				world,
				round,
				(step) => this.#note(`  ${step}`),
				() => this.#load.acknowledges(round.during),
			);
			this.#note(`  over after ${secondsSince(began)} s`);
			await this.#load.end();
		} catch (error) {
			await this.#load.abandon();
			throw error;
		}
		this.#note(`  all is taken after ${secondsSince(began)} s`);
		const problems = await this.#audit.run([round.fault]);
		this.#note(
			`  ${problems.length} problems, ${this.acknowledgements} acknowledgements so far, ${secondsSince(began)} s`,
		);
		return problems;
	}

	#note(step: string): void {
		this.steps.push(step);
		if (process.env.STORM_SEEDS) console.log(step);
	}
}

async function rage(seed: number): Promise<void> {
	const world = await World.create(modulesOf(seed));
	const storm = new Storm(world, seed);
	try {
		for (const round of plan(seed, ROUNDS, KINDS)) {
			const problems = await storm.round(round);
			if (problems.length > 0) throw new Error(problems.join("\n"));
		}
		// A storm in which little was acknowledged shows little.
		expect(storm.acknowledgements).toBeGreaterThan(ROUNDS * 20);
	} catch (error) {
		if (DIARIES) keepDiaries(join(DIARIES, `seed-${seed}`), world);
		const said = error instanceof Error ? error.message : String(error);
		throw new Error(
			`seed ${seed}:\n${storm.steps.join("\n")}\n${said}\n${world.cluster.tail()}`,
		);
	} finally {
		await world.close();
	}
}

function keepDiaries(folder: string, world: World): void {
	mkdirSync(folder, { recursive: true });
	for (const { name, diary } of world.nodes)
		writeFileSync(join(folder, name), diary);
}

for (const seed of SEEDS)
	test.runIf(isRoot)(
		`a storm of ${ROUNDS} faults, seed ${seed}: what was acknowledged is there once, everywhere`,
		() => rage(seed),
		(ROUNDS + 1) * ROUND_MILLISECONDS_MAX,
	);
