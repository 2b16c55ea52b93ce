/** Numbers of a run: percentiles, medians, what processes use. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Linear between neighbours; NaN of nothing. */
export function percentile(values: readonly number[], percent: number): number {
	const sorted = [...values].sort((a, b) => a - b);
	const at = ((sorted.length - 1) * percent) / 100;
	const low = sorted[Math.floor(at)];
	const high = sorted[Math.ceil(at)];
	if (low === undefined || high === undefined) return Number.NaN;
	return low + (high - low) * (at - Math.floor(at));
}
export const median = (values: readonly number[]): number =>
	percentile(values, 50);

/** Runs `work` and resolves to its wall time. */
export async function milliseconds(work: () => Promise<unknown>) {
	const start = performance.now();
	await work();
	return performance.now() - start;
}

/** Process ids of the trees below `roots`, roots included, of those that live. */
export function processTree(roots: readonly number[]): number[] {
	const parents = new Map<number, number>();
	for (const entry of readdirSync("/proc")) {
		if (!/^\d+$/.test(entry)) continue;
		const stat = readProc(`${entry}/stat`);
		const parent = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
		if (parent) parents.set(Number(entry), Number(parent));
	}
	const found = roots.filter((root) => parents.has(root));
	for (const each of found)
		for (const [child, parent] of parents)
			if (parent === each && !found.includes(child)) found.push(child);
	return found;
}

/** Bytes: the resident set of one process. */
export const residentBytes = (pid: number): number => kibibytes(pid, "VmRSS");

/** Bytes: the resident sets of process trees, shared pages counted once (proportional set size). */
export const proportionalBytes = (roots: readonly number[]): number =>
	processTree(roots).reduce(
		(sum, pid) => sum + field(`${pid}/smaps_rollup`, "Pss"),
		0,
	);

/** CPU seconds of the trees so far, with children that have ended. */
export function cpuSeconds(roots: readonly number[]): number {
	let ticks = 0;
	for (const pid of processTree(roots)) {
		const stat = readProc(`${pid}/stat`) ?? "";
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		// utime, stime, cutime, cstime: fields 14-17 of proc(5); the cut leaves field 3 first.
		for (const text of fields.slice(11, 15)) ticks += Number(text);
	}
	return ticks / 100;
}

const REST_MILLISECONDS = 500;
const REST_CPU_SECONDS = 0.03;
const REST_ROUNDS_MAX = 300;

/** Resolves when the trees hardly use the CPU any more, or after some minutes all the same. */
export async function atRest(roots: readonly number[]): Promise<void> {
	for (let round = 0; round < REST_ROUNDS_MAX; round++) {
		const before = cpuSeconds(roots);
		await sleep(REST_MILLISECONDS);
		if (cpuSeconds(roots) - before <= REST_CPU_SECONDS) return;
	}
}

const kibibytes = (pid: number, name: string): number =>
	field(`${pid}/status`, name);
function field(file: string, name: string): number {
	const text = readProc(file) ?? "";
	return (
		Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) *
		1024
	);
}
/** A process may end between listing and reading. */
function readProc(file: string): string | undefined {
	try {
		return readFileSync(`/proc/${file}`, "utf8");
	} catch {
		return undefined;
	}
}
