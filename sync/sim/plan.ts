/**
 * What a run does: steps, each with a seed of its own, so that a step draws the same whether or not others are left out.
 * A configuration says which kinds of steps there are and how often.
 */
import { simRandom } from "./random.ts";

const MAIL = {
	deliver: 16,
	burst: 4,
	retry: 2,
	act: 18,
	pipeline: 4,
	visit: 16,
	push: 14,
	leave: 4,
	status: 1,
};
const TREE = { create: 1, rename: 1, remove: 0.7, subscribe: 0.5 };
const CALM = { settle: 0.5 };
const CUTS = { split: 4, oneWay: 1, triangle: 1, heal: 2.5 };
const CRASHES = { crash: 1.5, stop: 0.7, start: 5 };
const TROUBLE = {
	pause: 1,
	slow: 1,
	full: 0.8,
	slowDisk: 0.8,
	clock: 1,
	reset: 1,
	join: 0.7,
};
const BACKUPS = { backup: 1.5, restore: 1.5 };
const LOSSES = { lose: 0.7 };
const MEMBERS = { join: 2.5, expel: 1.5 };

const ALL = {
	...MAIL,
	...TREE,
	...CALM,
	...CUTS,
	...CRASHES,
	...TROUBLE,
	...BACKUPS,
	...LOSSES,
	...MEMBERS,
};
export type StepKind = keyof typeof ALL;
export const STEP_KINDS = Object.keys(ALL) as StepKind[];

export interface Step {
	readonly kind: StepKind;
	readonly seed: number;
}

export interface SimConfig {
	/** What it is for. */
	readonly about: string;
	readonly nodes: number;
	readonly nodesMax: number;
	readonly steps: number;
	readonly clients: number;
	/** Share of clients that change nodes. */
	readonly wander: number;
	/** Clocks that are wrong, and drift. */
	readonly skew?: boolean;
	/** Gossip that is lost, and that comes twice. */
	readonly gossip?: boolean;
	/** One-way delay of the lines; default 1 to 5 ms. */
	readonly delayMilliseconds?: readonly [number, number];
	/** Without faults no message is ever numbered anew, whoever receives it. */
	readonly keepsNumbers?: boolean;
	/** The only node, put back from backups: its operator says that it is alone. */
	readonly alone?: boolean;
	readonly weights: Partial<Record<StepKind, number>>;
}

const HOSTILE = { ...MAIL, ...TREE, ...CALM, ...CUTS, ...CRASHES, ...TROUBLE };

export const CONFIGS = {
	quiet: {
		about: "three nodes, no faults: nothing is ever numbered anew",
		nodes: 3,
		nodesMax: 3,
		steps: 200,
		clients: 6,
		wander: 0.5,
		keepsNumbers: true,
		weights: { ...MAIL, ...TREE, ...CALM },
	},
	far: {
		about: "three nodes on three continents, no faults",
		nodes: 3,
		nodesMax: 3,
		steps: 150,
		clients: 6,
		wander: 0.5,
		delayMilliseconds: [40, 120],
		keepsNumbers: true,
		weights: { ...MAIL, ...CALM },
	},
	failover: {
		about: "two nodes, one or both of which crash and come back",
		nodes: 2,
		nodesMax: 2,
		steps: 150,
		clients: 6,
		wander: 0.8,
		weights: { ...MAIL, ...CALM, ...CRASHES },
	},
	splits: {
		about: "four nodes, splits of every shape",
		nodes: 4,
		nodesMax: 4,
		steps: 150,
		clients: 7,
		wander: 0.6,
		gossip: true,
		weights: { ...MAIL, ...TREE, ...CALM, ...CUTS },
	},
	hostile: {
		about: "all faults that lose nothing for good, wrong clocks, joins",
		nodes: 3,
		nodesMax: 5,
		steps: 150,
		clients: 8,
		wander: 0.6,
		skew: true,
		gossip: true,
		weights: HOSTILE,
	},
	restore: {
		about: "hostile, and nodes are put back from backups",
		nodes: 3,
		nodesMax: 5,
		steps: 150,
		clients: 8,
		wander: 0.6,
		skew: true,
		gossip: true,
		weights: { ...HOSTILE, ...BACKUPS },
	},
	loss: {
		about: "hostile, and nodes are lost with their disks and removed",
		nodes: 4,
		nodesMax: 5,
		steps: 150,
		clients: 8,
		wander: 0.6,
		skew: true,
		gossip: true,
		weights: { ...HOSTILE, ...LOSSES },
	},
	members: {
		about: "members come and go: joins, and removals of members that live",
		nodes: 4,
		nodesMax: 5,
		steps: 150,
		clients: 7,
		wander: 0.6,
		gossip: true,
		weights: { ...MAIL, ...CALM, ...CUTS, ...CRASHES, ...MEMBERS },
	},
	lone: {
		about: "a single node, put back from backups",
		nodes: 1,
		nodesMax: 1,
		steps: 120,
		clients: 6,
		wander: 0,
		alone: true,
		weights: { ...MAIL, ...CALM, ...BACKUPS, ...CRASHES },
	},
} satisfies Record<string, SimConfig>;
export type ConfigName = keyof typeof CONFIGS;

/** The steps of a run. The beginning of a longer plan is the shorter plan. */
export function planOf(
	config: SimConfig,
	seed: number | string,
	steps = config.steps,
): Step[] {
	const random = simRandom(seed).fork("plan");
	const kinds = STEP_KINDS.map(
		(kind) => [kind, config.weights[kind] ?? 0] as const,
	);
	const sum = kinds.reduce((total, [, weight]) => total + weight, 0);
	return Array.from({ length: steps }, () => {
		let left = random.fraction() * sum;
		const seed = random.integer(0, 2 ** 26);
		for (const [kind, weight] of kinds) {
			left -= weight;
			if (left < 0) return { kind, seed };
		}
		return { kind: "deliver", seed };
	});
}

/** `visit:17 deliver:3`: how steps are written down, to be run again. */
export const stepsText = (steps: readonly Step[]): string =>
	steps.map(({ kind, seed }) => `${kind}:${seed}`).join(" ");

/** The steps in such a text; RangeError says what cannot be read. */
export function stepsFrom(text: string): Step[] {
	return text
		.split(/[\s,]+/)
		.filter((one) => one !== "")
		.map((one) => {
			const [kind = "", seed = ""] = one.split(":");
			if (!(STEP_KINDS as string[]).includes(kind) || !/^\d+$/.test(seed))
				throw new RangeError(`"${one}" is no step`);
			return { kind: kind as StepKind, seed: Number(seed) };
		});
}
