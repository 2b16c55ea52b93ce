/** What goes wrong in a storm, round by round, from one seed. */
import { seeded } from "../../harness/messages.ts";

export const MACHINES = 3;

/** What meets the machine that is in trouble in a round. */
export const FAULTS = [
	"kill -9",
	"orderly stop",
	"power cut",
	"full disk",
	"hang",
	"wrong clock",
	"cut off",
	"bad line",
	"damaged file",
	"old backup",
	"lost disk",
	"lost unheard",
	"blackout",
] as const;
export type Fault = (typeof FAULTS)[number];

/** After these a machine lacks what it alone had: it must never be alone in the same round. */
const FORGETS: ReadonlySet<Fault> = new Set([
	"damaged file",
	"old backup",
	"lost disk",
]);

/** These have to do with the lines of the machine themselves. */
const OF_LINES: ReadonlySet<Fault> = new Set([
	"cut off",
	"bad line",
	"lost unheard",
]);

/** What is wrong between two machines in addition. */
export interface Split {
	readonly how: "cut" | "bad line";
	readonly between: readonly [number, number];
}

export interface Round {
	readonly fault: Fault;
	/** The machine in trouble, from 0. */
	readonly victim: number;
	readonly split: Split | undefined;
	/** Acknowledgements before it begins, and while it lasts. */
	readonly before: number;
	readonly during: number;
	/** And it lasts at least until the others have noticed. */
	readonly isNoticed: boolean;
	/** The machine that makes a backup meanwhile, if any. */
	readonly backup: number | undefined;
	/** Numbers from 0 to 1 that say the details of the fault. */
	readonly chances: readonly number[];
}

/** `faults` are the ones that may come. */
export function plan(
	seed: number,
	rounds: number,
	faults: readonly Fault[] = FAULTS,
): readonly Round[] {
	const random = seeded(seed * 7919 + 17);
	const whole = (below: number): number => Math.floor(random() * below);
	// Each fault once before any comes again, so that a few seeds have all.
	let waiting: Fault[] = [];
	const nextFault = (): Fault => {
		if (waiting.length === 0) waiting = [...faults];
		return waiting.splice(whole(waiting.length), 1)[0] as Fault;
	};
	return Array.from({ length: rounds }, (): Round => {
		const fault = nextFault();
		const victim = whole(MACHINES);
		return {
			fault,
			victim,
			split: random() < 0.35 ? split(fault, victim, whole) : undefined,
			before: 5 + whole(20),
			during: 15 + whole(30),
			isNoticed: random() < 0.5,
			backup: random() < 0.3 ? whole(MACHINES) : undefined,
			chances: Array.from({ length: 4 }, random),
		};
	});
}

/** One line between two machines; of a machine that forgets, one is whole, so that it has never been alone. */
function split(
	fault: Fault,
	victim: number,
	whole: (below: number) => number,
): Split | undefined {
	if (OF_LINES.has(fault)) return undefined;
	const how = whole(2) === 0 ? "cut" : "bad line";
	const one = FORGETS.has(fault) ? victim : whole(MACHINES);
	return { how, between: [one, (one + 1 + whole(MACHINES - 1)) % MACHINES] };
}

export function describe(round: Round): string {
	const { fault, victim, split, before, during } = round;
	const name = (machine: number) => `machine ${machine + 1}`;
	return [
		`after ${before} acknowledgements: ${fault}${fault === "blackout" ? "" : ` at ${name(victim)}`}`,
		split && `${split.how} between ${split.between.map(name).join(" and ")}`,
		`for ${during} more${round.isNoticed ? " and until it is noticed" : ""}`,
		round.backup !== undefined && `backup of ${name(round.backup)}`,
	]
		.filter(Boolean)
		.join("; ");
}
