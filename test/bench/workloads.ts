/** The workloads by name, each giving rows of the table; where both hosts take part they take turns, and medians count. */
import { setTimeout as sleep } from "node:timers/promises";
import { catchUp } from "./catch-up.ts";
import {
	type Delivered,
	deliver,
	flagLatency,
	idleLatency,
} from "./delivery.ts";
import {
	fillSome,
	fillUp,
	operations,
	timeOperation,
} from "./imap-operations.ts";
import { MIXED_CONNECTIONS, mixedLoad } from "./mixed.ts";
import type { PmnodeHost } from "./pmnode.ts";
import {
	atRest,
	median,
	percentile,
	proportionalBytes,
	residentBytes,
} from "./statistics.ts";
import type { MailHost } from "./system.ts";
import type { Row } from "./table.ts";
import { hardWorkloads } from "./workloads-hard.ts";

export interface Sizes {
	/** Messages a round of the delivery workload. */
	readonly messages: number;
	/** Messages that each host gets before the rounds of the delivery workload that is warm. */
	readonly warmUp: number;
	readonly connections: number;
	/** Messages a round of the latency workload. */
	readonly latencies: number;
	/** Messages in the mailbox of the IMAP operations. */
	readonly operations: number;
	/** Operations of a round of the mixed load. */
	readonly mixed: number;
	readonly catchUp: number;
	readonly rounds: number;
	readonly idleMilliseconds: number;
	/** Messages, and flag changes, of each side of a long split. */
	readonly conflict: number;
	/** Messages in the one mailbox of a node that is killed and started again. */
	readonly large: number;
}
export interface Bench {
	readonly sizes: Sizes;
	readonly one: PmnodeHost;
	readonly pair: PmnodeHost;
	readonly peer: MailHost | undefined;
	readonly tell: (text: string) => void;
}
export interface Workload {
	readonly name: string;
	readonly run: (bench: Bench) => Promise<Row[]>;
}

const megabyteBytes = 1e6;
const failed = (workload: string, unit: string, error: unknown): Row => ({
	workload,
	unit,
	pmnode: undefined,
	peer: undefined,
	ratio: undefined,
	failure: error instanceof Error ? error.message : String(error),
});

/** Runs `measure` on each host in turn, round by round. A host that fails gives its error instead of samples. */
async function inTurns<T>(
	bench: Bench,
	hosts: readonly (MailHost | undefined)[],
	measure: (host: MailHost, round: number) => Promise<T>,
): Promise<(T[] | Error)[]> {
	const results: (T[] | Error)[] = hosts.map(() => []);
	for (let round = 1; round <= bench.sizes.rounds; round++)
		for (const [index, host] of hosts.entries()) {
			const samples = results[index];
			if (!host || !Array.isArray(samples)) continue;
			try {
				samples.push(await measure(host, round));
			} catch (error) {
				results[index] = new Error(
					`${host.name}: ${error instanceof Error ? error.message : error}`,
				);
			}
		}
	return results;
}

const samplesOf = <T>(result: T[] | Error | undefined): T[] =>
	Array.isArray(result) ? result : [];
const failureOf = (...results: unknown[]) => {
	const error = results.find((each) => each instanceof Error);
	return error instanceof Error ? { failure: error.message } : {};
};
const medianOf = (values: readonly number[]) =>
	values.length > 0 ? median(values) : undefined;
const quotient = (above: number | undefined, below: number | undefined) =>
	above === undefined || !below ? undefined : above / below;
const reachedAtLeast = (value: number | undefined, goal: number) =>
	value === undefined ? {} : { reached: value >= goal };
const reachedAtMost = (value: number | undefined, goal: number) =>
	value === undefined ? {} : { reached: value <= goal };

/** From a cold start: the first round compiles what the others find compiled. */
const delivery = (bench: Bench): Promise<Row[]> => deliveryRows(bench, "d", "");

/** The same on hosts that have run a while: all get the same number of messages first, which are not measured. */
async function warmDelivery(bench: Bench): Promise<Row[]> {
	const { warmUp, connections } = bench.sizes;
	const warmed = { ...bench, sizes: { ...bench.sizes, rounds: 1 } };
	const before = await inTurns(
		warmed,
		[bench.one, bench.peer, bench.pair],
		(host) => deliver(host, "warmup", warmUp, connections),
	);
	const error = before.find((each) => each instanceof Error);
	if (error !== undefined) return [failed("delivery-warm", "/s", error)];
	return deliveryRows(bench, "w", `, warm (${warmUp} before)`);
}

async function deliveryRows(
	bench: Bench,
	prefix: string,
	state: string,
): Promise<Row[]> {
	const { messages, connections } = bench.sizes;
	const hosts = [bench.one, bench.peer, bench.pair];
	const results = await inTurns(bench, hosts, async (host, round) => {
		const tag = `${prefix}${round}${host === bench.pair ? "p" : ""}`;
		const result = await deliver(host, tag, messages, connections);
		bench.tell(
			`  round ${round}, ${host.name}: ${result.perSecond.toFixed(0)}/s into mailboxes, ${result.acceptedPerSecond.toFixed(0)}/s accepted, ${result.cpuSecondsPerThousand.toFixed(2)} CPU s per 1000`,
		);
		return result;
	});
	const [one, peer, pair] = results;
	const rate = (result: Delivered[] | Error | undefined) =>
		medianOf(samplesOf(result).map((each) => each.perSecond));
	const cpu = (result: Delivered[] | Error | undefined) =>
		medianOf(
			samplesOf(result).map((each) => each.cpuSecondsPerThousand),
		)?.toFixed(2) ?? "—";
	const row = (
		workload: string,
		mine: Delivered[] | Error | undefined,
		factor: number,
	): Row => {
		const ratio = quotient(rate(mine), rate(peer));
		return {
			workload,
			unit: "/s",
			pmnode: rate(mine),
			peer: rate(peer),
			ratio,
			goal: `≥ ${factor} ×`,
			...reachedAtLeast(ratio, factor),
			...failureOf(mine, peer),
			notes: `CPU seconds per 1000 messages: ${cpu(mine)} and ${cpu(peer)}`,
		};
	};
	return [
		row(`4 kB into mailboxes, one node${state}`, one, 3),
		row(`4 kB into mailboxes, two nodes, --copies 2${state}`, pair, 1),
	];
}

async function latency(bench: Bench): Promise<Row[]> {
	const { latencies } = bench.sizes;
	const [one, pair, peer] = await inTurns(
		bench,
		[bench.one, bench.pair, bench.peer],
		(host, round) => idleLatency(host, `l${round}`, latencies),
	);
	const [flagsOne, flagsPair, flagsPeer] = await inTurns(
		bench,
		[bench.one, bench.pair, bench.peer],
		(host) => flagLatency(host, latencies),
	);
	const row = (
		workload: string,
		samples: readonly (number[] | Error)[],
		percent: number,
		goal: number,
	): Row => {
		const [mine, theirs] = samples.map((each) =>
			Array.isArray(each) && each.length > 0
				? percentile(each, percent)
				: undefined,
		);
		return {
			workload: `${workload}, p${percent}`,
			unit: "ms",
			pmnode: mine,
			peer: theirs,
			ratio: quotient(theirs, mine),
			goal: `≤ ${goal} ms`,
			...reachedAtMost(mine, goal),
			...failureOf(...samples),
		};
	};
	const flat = <T>(
		result: T[][] | Error | undefined,
		value: (of: T) => number,
	): number[] | Error =>
		result instanceof Error ? result : (result ?? []).flat().map(value);
	const whole = [pair, peer].map((each) => flat(each, (of) => of.whole));
	const after = (each: typeof one) => flat(each, (of) => of.afterAccepted);
	const same = (value: number) => value;
	return [
		row("SMTP on one node to EXISTS on another", whole, 50, 25),
		row("SMTP on one node to EXISTS on another", whole, 99, 100),
		row("250 to EXISTS, same node", [after(one), after(peer)], 50, 5),
		row("250 to EXISTS, other node", [after(pair), after(peer)], 50, 25),
		row(
			"STORE to FETCH, same node",
			[flat(flagsOne, same), flat(flagsPeer, same)],
			50,
			5,
		),
		row(
			"STORE to FETCH, other node",
			[flat(flagsPair, same), flat(flagsPeer, same)],
			50,
			25,
		),
	];
}

/** The median of the rounds, as operations a second of the host's CPU. */
async function mixed(bench: Bench): Promise<Row[]> {
	const [mine, peer] = await inTurns(
		bench,
		[bench.one, bench.peer],
		(host, round) => mixedLoad(host, round, bench.sizes.mixed),
	);
	const ratio = quotient(medianOf(samplesOf(mine)), medianOf(samplesOf(peer)));
	return [
		{
			workload: `mixed load of ${MIXED_CONNECTIONS} clients, operations a CPU second`,
			unit: "/s",
			pmnode: medianOf(samplesOf(mine)),
			peer: medianOf(samplesOf(peer)),
			ratio,
			goal: "≥ 1.00 ×",
			...reachedAtLeast(ratio, 1),
			...failureOf(mine, peer),
		},
	];
}

async function imap(bench: Bench): Promise<Row[]> {
	const { operations: messages } = bench.sizes;
	const hosts = [bench.one, bench.peer];
	const row = (name: string, mine: number[], peer: number[]): Row => ({
		workload: `${name}, ${messages} messages`,
		unit: "ms",
		pmnode: medianOf(mine),
		peer: medianOf(peer),
		ratio: quotient(medianOf(peer), medianOf(mine)),
	});
	const filled = await inTurns(
		{ ...bench, sizes: { ...bench.sizes, rounds: 1 } },
		hosts,
		(host) => fillSome(host, messages),
	);
	const full = await Promise.allSettled(
		hosts.map(async (host, index) => {
			if (!host || filled[index] instanceof Error) return;
			const how = await fillUp(host, messages);
			// What a host does in the background after it, like indexing, is no part of what a command takes.
			await atRest(host.pids());
			return how;
		}),
	);
	for (const [index, result] of full.entries())
		if (result.status === "rejected")
			filled[index] = new Error(`${hosts[index]?.name}: ${result.reason}`);
	const how = full.flatMap((result) =>
		result.status === "fulfilled" ? (result.value ?? []) : [],
	);
	for (const each of how) bench.tell(`  ${each}`);
	const rows: Row[] = [
		{
			...row("APPEND each", samplesOf(filled[0]), samplesOf(filled[1])),
			...failureOf(...filled),
			notes: how.join("; "),
		},
	];
	for (const operation of operations) {
		const [mine, peer] = await inTurns(bench, hosts, (host) =>
			timeOperation(host, operation, messages),
		);
		const measured = row(operation.name, samplesOf(mine), samplesOf(peer));
		bench.tell(`  ${operation.name}: ${measured.ratio?.toFixed(2)} ×`);
		const { goal } = operation;
		rows.push({
			...measured,
			...(goal === undefined
				? {}
				: {
						goal: `≥ ${(1 / goal).toFixed(2)} ×`,
						...reachedAtLeast(measured.ratio, 1 / goal),
					}),
			...failureOf(mine, peer),
		});
	}
	return rows;
}

async function memory(bench: Bench): Promise<Row[]> {
	await sleep(bench.sizes.idleMilliseconds);
	const [pid] = bench.one.pids();
	const mine = residentBytes(pid ?? 0) / megabyteBytes;
	const peer =
		bench.peer && proportionalBytes(bench.peer.pids()) / megabyteBytes;
	return [
		{
			workload: "idle node, resident",
			unit: "MB",
			pmnode: mine,
			peer,
			ratio: quotient(peer, mine),
			goal: "≤ 200 MB",
			...reachedAtMost(mine, 200),
		},
	];
}

async function afterAbsence(bench: Bench): Promise<Row[]> {
	const { catchUp: count, connections } = bench.sizes;
	const workload = `node that was away has ${count} messages of 4 kB`;
	try {
		const seconds = await catchUp(count, connections);
		return [
			{
				workload,
				unit: "s",
				pmnode: seconds,
				peer: undefined,
				ratio: undefined,
				goal: "≤ 5 s",
				...reachedAtMost(seconds, 5),
			},
		];
	} catch (error) {
		return [failed(workload, "s", error)];
	}
}

/** In this order: memory first, while the node is fresh. */
export const workloads: readonly Workload[] = [
	{ name: "memory", run: memory },
	{ name: "delivery", run: delivery },
	{ name: "delivery-warm", run: warmDelivery },
	{ name: "latency", run: latency },
	{ name: "imap", run: imap },
	{ name: "mixed", run: mixed },
	{ name: "catchup", run: afterAbsence },
	...hardWorkloads,
	{ name: "memory-after", run: memoryAfter },
];

async function memoryAfter(bench: Bench): Promise<Row[]> {
	const rows = await memory(bench);
	return rows.map((row) => ({
		...row,
		workload: "idle node after these loads, resident",
	}));
}
