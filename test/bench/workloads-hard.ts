/** Workloads with goals of their own instead of a peer: durable acceptance, splits, long lines, starts. */
import { conflict, type Healed } from "./conflict.ts";
import {
	busyRate,
	bytesWritten,
	CONNECTIONS,
	longLine,
	MANY_CONNECTIONS,
	startAfterKill,
} from "./durability.ts";
import { median } from "./statistics.ts";
import { storeAll } from "./store-all.ts";
import { userCount } from "./system.ts";
import type { Row } from "./table.ts";
import type { Bench, Workload } from "./workloads.ts";

const ROUND_TRIP_MILLISECONDS = 100;

interface Goal {
	readonly workload: string;
	readonly unit: string;
	readonly atLeast?: number;
	readonly atMost?: number;
	readonly notes?: string;
}
function judged(value: number, goal: Goal): Row {
	const { workload, unit, atLeast, atMost, notes } = goal;
	return {
		workload,
		unit,
		pmnode: value,
		peer: undefined,
		ratio: undefined,
		...(atLeast !== undefined && {
			goal: `≥ ${atLeast} ${unit}`,
			reached: value >= atLeast,
		}),
		...(atMost !== undefined && {
			goal: `≤ ${atMost} ${unit}`,
			reached: value <= atMost,
		}),
		...(notes !== undefined && { notes }),
	};
}

/** The rows that `measure` gives, or one that says why there are none. */
const workload = (
	name: string,
	measure: (bench: Bench) => Promise<Row[]>,
): Workload => ({
	name,
	run: async (bench) => {
		try {
			return await measure(bench);
		} catch (error) {
			const failure = error instanceof Error ? error.message : String(error);
			return [
				{
					workload: name,
					unit: "",
					pmnode: undefined,
					peer: undefined,
					ratio: undefined,
					failure,
				},
			];
		}
	},
});

async function busy(bench: Bench): Promise<Row[]> {
	const { messages, rounds } = bench.sizes;
	const rates = { one: [] as number[], pair: [] as number[] };
	for (let round = 1; round <= rounds; round++)
		for (const which of ["one", "pair"] as const) {
			const tag = `busy${which}${round}`;
			const { perSecond, cpuSecondsPerThousand } = await busyRate(
				bench[which],
				tag,
				messages,
			);
			rates[which].push(perSecond);
			bench.tell(
				`  round ${round}, ${bench[which].name}: ${perSecond.toFixed(0)}/s, ${cpuSecondsPerThousand.toFixed(2)} CPU s per 1000`,
			);
		}
	const row = (name: string, values: number[], atLeast: number) =>
		judged(median(values), {
			workload: `4 kB over ${CONNECTIONS} connections, ${name}`,
			unit: "/s",
			atLeast,
		});
	const { perByte, perByteOfDisk } = await bytesWritten(bench.one, messages);
	return [
		row("one node", rates.one, 1500),
		row("two nodes, --copies 2", rates.pair, 500),
		judged(perByte, {
			workload: "bytes written for each byte of a body, indexes included",
			unit: "B",
			atMost: 2.5,
			...(perByteOfDisk !== undefined && {
				notes: `as the disk counts it, with all other processes: ${perByteOfDisk.toFixed(1)}`,
			}),
		}),
	];
}

/** The goal is that of this many. */
const STORED_MESSAGES = 10_000;

async function store(bench: Bench): Promise<Row[]> {
	const { operations, rounds } = bench.sizes;
	const taken = await storeAll(bench.pair, operations, rounds);
	const cpu = bench.pair
		.pids()
		.map((_, at) => median(taken.map((each) => each.cpuSeconds[at] ?? 0)));
	const elsewhere = median(taken.map((each) => each.elsewhereSeconds));
	return [
		judged(median(taken.map(({ seconds }) => seconds)), {
			workload: `STORE a flag on all ${operations}, durable on two nodes`,
			unit: "s",
			...(operations === STORED_MESSAGES && { atMost: 0.5 }),
			notes: `shown by the other node after ${elsewhere.toFixed(2)} s; CPU seconds of the nodes: ${cpu.map((each) => each.toFixed(2)).join(" and ")}`,
		}),
	];
}

async function line(bench: Bench): Promise<Row[]> {
	const far = await longLine(ROUND_TRIP_MILLISECONDS, bench.sizes.messages);
	const rates = [CONNECTIONS, MANY_CONNECTIONS].map((connections) => {
		const apart = far.perSecond.get(connections) ?? Number.NaN;
		const near = far.perSecondNear.get(connections) ?? Number.NaN;
		return judged(apart / near, {
			workload: `rate with ${ROUND_TRIP_MILLISECONDS} ms between two nodes, of that without, ${connections} connections`,
			unit: "×",
			atLeast: 0.5,
			notes: `${apart.toFixed(0)}/s and ${near.toFixed(0)}/s`,
		});
	});
	return [
		judged(far.acknowledgedMilliseconds, {
			workload: `250 with ${ROUND_TRIP_MILLISECONDS} ms between two nodes, p50`,
			unit: "ms",
			atMost: 400,
		}),
		...rates,
	];
}

async function start(bench: Bench): Promise<Row[]> {
	const { large } = bench.sizes;
	const started = await startAfterKill(large);
	const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
	return [
		judged(started.seconds, {
			workload: `start after kill -9 with ${large} messages in ${userCount} mailboxes`,
			unit: "s",
			atMost: 3,
			notes: `${started.cpuSeconds.toFixed(1)} CPU s; ${mebibytes(started.readyBytes)} MB when ready, ${mebibytes(started.openBytes)} MB with one mailbox open`,
		}),
		judged(started.openMilliseconds / 1000, {
			workload: `opening one of those mailboxes, which nobody had looked at`,
			unit: "s",
			atMost: 1,
		}),
	];
}

async function splits(bench: Bench): Promise<Row[]> {
	if (process.getuid?.() !== 0) {
		bench.tell("splits: left out, network namespaces need root");
		return [];
	}
	const row = (name: string, healed: Healed, atMost: number) =>
		judged(healed.seconds, {
			workload: name,
			unit: "s",
			atMost,
			notes: `${healed.renumbered} of ${healed.messages} messages were numbered anew`,
		});
	const { conflict: each } = bench.sizes;
	return [
		row("heal of 10 messages a side", await conflict(10, 0, bench.tell), 2),
		row(
			`heal of ${each} messages and ${each} flags a side`,
			await conflict(each, each, bench.tell),
			60,
		),
	];
}

export const hardWorkloads: readonly Workload[] = [
	workload("store", store),
	workload("busy", busy),
	workload("line", line),
	workload("split", splits),
	workload("start", start),
];
