/** `pmnode sim`: runs seeds, tells what happened, and makes the story of a failure short. */
import { WrongUsage } from "../../node/config.ts";
import { OperatorFault } from "../../sync/faults.ts";
import { realClock } from "../../sync/real/clock.ts";
import { realRandom } from "../../sync/real/random.ts";
import { ALL_RULES, type Rules } from "../../sync/rules.ts";
import {
	CONFIGS,
	type ConfigName,
	planOf,
	type Step,
	stepsFrom,
	stepsText,
} from "../../sync/sim/plan.ts";
import { type RunOptions, type RunResult, run } from "../../sync/sim/run.ts";
import { shrink } from "../../sync/sim/shrink.ts";
import type { SimOptions } from "../command/sim.ts";
import { type Job, type Ran, runAll } from "./pool.ts";
import { Progress } from "./progress.ts";

const DEFAULT_CONFIG: ConfigName = "hostile";
/** Shrinking ends after this, with the shortest story so far. */
const SHRINK_MILLISECONDS_MAX = 180_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Rejects with OperatorFault (exit status 1) when an invariant was violated. */
export async function simulate(options: SimOptions): Promise<void> {
	const configs = configsOf(options.config);
	const rules = rulesOf(options.without);
	const steps =
		options.steps === undefined ? undefined : stepsOf(options.steps);
	const first = options.seed ?? newSeed();
	const sum = new Sum();
	const progress = new Progress(realClock, process.stderr);
	const jobs = jobsOf(options, configs, first, (name, seed) => ({
		config: name,
		seed,
		rules,
		steps: steps ?? planOf(CONFIGS[name], seed),
	}));
	// What is told as it happens, and a single run, need no thread of their own.
	const isAlone = options.verbose === true || isSingle(options);
	for await (const { job, result } of isAlone
		? runHere(jobs, options.verbose === true ? say : undefined)
		: runAll(jobs)) {
		sum.add(result);
		if (isSingle(options)) tell(job, result, sum.milliseconds);
		progress.show(() => sum.text());
		if (result.failure === undefined) continue;
		progress.end();
		await tellFailure(job, result, options);
	}
	progress.end();
	say(
		`holds: I1 to I8 in ${sum.text()}, seed ${first}${sum.runs > 1 ? " and those after it" : ""}`,
	);
}

const isSingle = ({ runs, minutes }: SimOptions): boolean =>
	runs === undefined && minutes === undefined;

/** Asked for one after another, until there are enough or time is up. */
function* jobsOf(
	{ runs, minutes }: SimOptions,
	configs: readonly ConfigName[],
	first: number,
	job: (config: ConfigName, seed: number) => Job,
): Generator<Job> {
	const start = realClock.monotonic();
	const most = runs ?? (minutes === undefined ? 1 : Number.POSITIVE_INFINITY);
	for (let i = 0; i < most; i++) {
		const took = realClock.monotonic() - start;
		if (minutes !== undefined && took >= minutes * 60_000) return;
		yield job(
			configs[i % configs.length] as ConfigName,
			first + Math.floor(i / configs.length),
		);
	}
}

async function* runHere(
	jobs: Iterable<Job>,
	echo: ((line: string) => void) | undefined,
): AsyncGenerator<Ran, void> {
	for (const job of jobs)
		yield {
			job,
			result: await run({ ...optionsOf(job), ...(echo && { echo }) }),
		};
}

const optionsOf = ({ config, ...job }: Job): RunOptions => ({
	...job,
	config: CONFIGS[config],
});

/** Of all runs. */
class Sum {
	runs = 0;
	readonly #startMilliseconds = realClock.monotonic();
	#steps = 0;
	#operations = 0;
	#messages = 0;
	#told = 0;
	#renumbered = 0;

	get milliseconds(): number {
		return realClock.monotonic() - this.#startMilliseconds;
	}

	add(result: RunResult): void {
		this.runs++;
		this.#steps += result.steps;
		this.#operations += result.operations;
		this.#messages += result.messages;
		this.#told += result.told;
		this.#renumbered += result.renumbered;
	}

	text(): string {
		const seconds = this.milliseconds / 1_000;
		const rate = (count: number) => `${number(count / seconds)} a second`;
		return `${number(this.runs)} ${this.runs === 1 ? "run" : "runs"}, ${number(this.#steps)} steps, ${number(this.#operations)} operations of clients and operators (${rate(this.#operations)}), ${number(this.#messages)} messages between nodes (${rate(this.#messages)}), ${number(this.#renumbered)} of ${number(this.#told)} messages numbered anew`;
	}
}

const number = (value: number): string =>
	Math.round(value).toLocaleString("en-US");

function tell(
	{ config: name, seed, steps: plan }: Job,
	result: RunResult,
	milliseconds: number,
): void {
	const counts = new Map<string, number>();
	for (const { kind } of plan) counts.set(kind, (counts.get(kind) ?? 0) + 1);
	const kinds = [...counts]
		.sort(([, a], [, b]) => b - a)
		.map(([kind, count]) => `${kind} ${count}`);
	say(`seed ${seed}, ${name}: ${CONFIGS[name].about}`);
	say(`steps: ${kinds.join(", ")}`);
	say(
		`${number(result.virtualMilliseconds / 1_000)} s of simulated time and ${number(result.events)} events in ${(milliseconds / 1_000).toFixed(1)} s; ${number(result.acknowledged)} messages acknowledged; digest ${result.digest.slice(0, 16)}`,
	);
}

async function tellFailure(
	job: Job,
	failed: RunResult,
	{ without }: SimOptions,
): Promise<never> {
	const { seed, config: name, steps: plan } = job;
	say(`seed ${seed}, ${name}: VIOLATED ${failed.failure?.message}`);
	const started = realClock.monotonic();
	const progress = new Progress(realClock, process.stderr);
	let left = plan.length;
	const { steps, result, runs } = await shrink(
		optionsOf(job),
		plan,
		failed,
		(runs) => {
			progress.show(() => `${number(runs)} runs to shorten it: ${left} steps`);
			return realClock.monotonic() - started < SHRINK_MILLISECONDS_MAX;
		},
		(now) => {
			left = now;
		},
	);
	progress.end();
	say(`the same in ${steps.length} of ${plan.length} steps (${runs} runs):`);
	say(result.story);
	const rules = without === undefined ? "" : ` --without ${without}`;
	say(
		`again: pmnode sim --seed ${seed} --config ${name}${rules} --steps "${stepsText(steps)}"`,
	);
	throw new OperatorFault(
		`seed ${seed} violates ${failed.failure?.invariant} in ${name}; the line "again:" runs it once more`,
	);
}

function configsOf(text: string = DEFAULT_CONFIG): ConfigName[] {
	const all = Object.keys(CONFIGS) as ConfigName[];
	if (text === "all") return all;
	return text.split(",").map((name) => {
		const found = all.find((one) => one === name);
		if (found === undefined)
			throw new WrongUsage(
				`there is no configuration "${name}"; there are ${all.join(", ")}`,
			);
		return found;
	});
}

function rulesOf(without: string | undefined): Rules {
	if (without === undefined) return ALL_RULES;
	const off = without.split(",");
	for (const rule of off)
		if (!(rule in ALL_RULES))
			throw new WrongUsage(
				`there is no rule "${rule}"; there are ${Object.keys(ALL_RULES).join(", ")}`,
			);
	return {
		...ALL_RULES,
		...Object.fromEntries(off.map((rule) => [rule, false])),
	};
}

function stepsOf(text: string): Step[] {
	try {
		return stepsFrom(text);
	} catch (error) {
		throw new WrongUsage((error as Error).message);
	}
}

/** Short enough to be typed again. */
const newSeed = (): number =>
	Buffer.from(realRandom.bytes(4)).readUInt32BE() % 1_000_000_000;
