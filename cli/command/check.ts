import type { Command } from "commander";
import { ask } from "../../node/control/client.ts";
import type { CheckEvent, CheckResult } from "../../sync/api.ts";
import { dataDirectory } from "../data.ts";
import { untilInterrupted } from "../interrupt.ts";
import type { Register } from "../program.ts";
import { Progress } from "../progress.ts";

export const check: Register = (program) =>
	void program
		.command("check")
		.description("Verify the node's data against itself and its peers")
		.option("--repair", "mend what can be mended")
		.option("--quiet", "say only what is wrong")
		.addHelpText(
			"after",
			`
Looks, while the node serves, at the store, the change log, every document and
message, the UIDs and sums of each mailbox, every body against its hash, and
compares all documents with those of the members that are up. One line for each
problem says what is wrong and what to do. --repair makes rows from documents,
counts anew, and takes documents, changes and bodies from other members.
Exit status: 0 nothing is wrong (any more), 1 something is.`,
		)
		.action(run);

async function run(
	options: { repair?: boolean; quiet?: boolean },
	command: Command,
): Promise<void> {
	const progress = new Progress(process.stderr, options.quiet === true);
	const interrupt = untilInterrupted("the check was ended; nothing is harmed");
	try {
		const result = (await ask({
			dataDirectory: dataDirectory(command),
			method: "check",
			params: { repair: options.repair === true },
			signal: interrupt.signal,
			onItem: (item) => show(item as CheckEvent, progress),
		})) as CheckResult;
		progress.end();
		if (result.problems > 0) process.exitCode = 1;
		if (options.quiet !== true)
			process.stderr.write(`${verdict(result, options.repair === true)}\n`);
	} finally {
		progress.end();
		interrupt.release();
	}
}

const STAGES: Readonly<Record<string, string>> = {
	store: "reading the store",
	log: "following the change log",
	documents: "opening documents",
	members: "comparing documents with other members",
	messages: "comparing messages with documents",
	mailboxes: "counting mailboxes",
	bodies: "reading bodies",
};

function show(event: CheckEvent, progress: Progress): void {
	if (event.kind === "progress") {
		const { stage, done, total } = event;
		progress.show(STAGES[stage] ?? `checking ${stage}`, done, total);
	} else if (event.kind === "note") progress.line(`note: ${event.text}`);
	else
		progress.line(
			`${event.mended ? "mended" : "wrong"}: ${event.what}; ${event.todo}`,
			process.stdout,
		);
}

function verdict({ problems, mended }: CheckResult, repair: boolean): string {
	const healed =
		mended === 0
			? ""
			: `${mended} ${mended === 1 ? "problem was" : "problems were"} mended; `;
	if (problems === 0)
		return mended === 0
			? "nothing is wrong"
			: `${healed}nothing is wrong any more`;
	const left = `${problems} ${problems === 1 ? "problem" : "problems"}`;
	return repair
		? `${healed}${left} left`
		: `${left}; "pmnode check --repair" mends what can be mended`;
}
