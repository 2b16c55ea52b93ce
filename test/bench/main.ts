/**
 * The load driver (`npm run bench`): drives pmnode, and Postfix→Dovecot from Debian where installed, as a client would,
 * in one run and in turns, since only ratios of one run mean anything on a shared machine. It never judges absolute time;
 * it fails only when a workload does not do what it should. This process is the load; every server is another process.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import {
	type MailboxFormat,
	startPostfixDovecot,
	whyNot,
} from "./peers/postfix-dovecot.ts";
import { startPmnode } from "./pmnode.ts";
import { type Row, table } from "./table.ts";
import { type Bench, type Sizes, workloads } from "./workloads.ts";

const usage = `usage: npm run bench -- [--quick] [--only ${workloads.map((each) => each.name).join(",")}] [--count N] [--mailbox N] [--large N] [--rounds N] [--json FILE] [--format maildir|sdbox|mdbox] [--no-peer]`;

const full: Sizes = {
	messages: 2000,
	warmUp: 10_000,
	connections: 10,
	latencies: 100,
	operations: 2000,
	mixed: 4000,
	catchUp: 5_000,
	rounds: 3,
	idleMilliseconds: 15_000,
	conflict: 10_000,
	large: 100_000,
};
/** Whether all of them run, in as little time as that takes: their figures say nothing. */
const quick: Sizes = {
	messages: 100,
	warmUp: 200,
	connections: 10,
	latencies: 10,
	operations: 100,
	mixed: 100,
	catchUp: 100,
	rounds: 1,
	idleMilliseconds: 1000,
	conflict: 100,
	large: 300,
};

function settings() {
	const { values } = parseArgs({
		options: {
			quick: { type: "boolean", default: false },
			only: { type: "string" },
			count: { type: "string" },
			mailbox: { type: "string" },
			large: { type: "string" },
			rounds: { type: "string" },
			json: { type: "string" },
			format: { type: "string", default: "maildir" },
			"no-peer": { type: "boolean", default: false },
		},
	});
	const only = values.only?.split(",");
	const unknown = only?.find(
		(name) => !workloads.some((each) => each.name === name),
	);
	if (unknown) throw new Error(`no workload ${unknown}`);
	if (!["maildir", "sdbox", "mdbox"].includes(values.format))
		throw new Error(`no mailbox format ${values.format}`);
	const positive = (text: string | undefined) => {
		if (text !== undefined && !/^[1-9]\d*$/.test(text))
			throw new Error(`not a number: ${text}`);
		return text === undefined ? undefined : Number(text);
	};
	const base = values.quick ? quick : full;
	return {
		chosen: workloads.filter((each) => !only || only.includes(each.name)),
		sizes: {
			...base,
			messages: positive(values.count) ?? base.messages,
			operations: positive(values.mailbox) ?? base.operations,
			rounds: positive(values.rounds) ?? base.rounds,
			large: positive(values.large) ?? base.large,
		},
		json: values.json,
		format: values.format as MailboxFormat,
		withPeer: !values["no-peer"],
	};
}

function tell(text: string): void {
	const seconds = (performance.now() / 1000).toFixed(0).padStart(4);
	process.stderr.write(`bench ${seconds} s: ${text}\n`);
}

async function startBench(
	sizes: Sizes,
	peerFormat: MailboxFormat | undefined,
): Promise<Bench> {
	const reason = peerFormat ? whyNot() : "left out";
	if (reason) tell(`Postfix→Dovecot: ${reason}`);
	tell("starting the hosts …");
	const started = await Promise.allSettled([
		startPmnode(1),
		startPmnode(2),
		peerFormat && !reason ? startPostfixDovecot(peerFormat) : undefined,
	]);
	const [one, pair, peer] = started;
	if (
		one.status === "fulfilled" &&
		pair.status === "fulfilled" &&
		peer.status === "fulfilled"
	)
		return { sizes, one: one.value, pair: pair.value, peer: peer.value, tell };
	for (const each of started)
		if (each.status === "fulfilled") await each.value?.stop();
	throw started.find((each) => each.status === "rejected")?.reason;
}

async function main(): Promise<number> {
	let chosen: ReturnType<typeof settings>;
	try {
		chosen = settings();
	} catch (error) {
		process.stderr.write(
			`${error instanceof Error ? error.message : error}\n${usage}\n`,
		);
		return 2;
	}
	const { sizes } = chosen;
	tell(
		`${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${sizes.rounds} round(s), ${sizes.messages} messages of 4 kB a round over ${sizes.connections} connections`,
	);
	const bench = await startBench(
		sizes,
		chosen.withPeer ? chosen.format : undefined,
	);
	const rows: Row[] = [];
	try {
		for (const workload of chosen.chosen) {
			tell(`${workload.name} …`);
			rows.push(...(await workload.run(bench)));
		}
	} finally {
		await Promise.all([
			bench.one.stop(),
			bench.pair.stop(),
			bench.peer?.stop(),
		]);
	}
	process.stdout.write(`${table(rows)}\n`);
	for (const row of rows)
		if (row.notes) process.stdout.write(`${row.workload}: ${row.notes}\n`);
	if (chosen.json)
		writeFileSync(
			chosen.json,
			`${JSON.stringify({ at: new Date().toISOString(), cpu: cpus()[0]?.model, cores: cpus().length, sizes, format: chosen.format, rows }, undefined, "\t")}\n`,
		);
	const failures = rows.filter((row) => row.failure);
	for (const { workload, failure } of failures)
		process.stderr.write(`bench: ${workload} failed: ${failure}\n`);
	return failures.length > 0 ? 1 : 0;
}

process.exitCode = await main();
