import type { Command } from "commander";
import type { CheckResult } from "../../sync/api.ts";
import { longOperation } from "../operation.ts";
import type { Register } from "../program.ts";

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
	const result = (await longOperation(command, {
		method: "check",
		params: { repair: options.repair === true },
		interrupted: "the check was ended; nothing is harmed",
		quiet: options.quiet === true,
		stages: STAGES,
	})) as CheckResult;
	if (result.problems > 0) process.exitCode = 1;
	if (options.quiet !== true)
		process.stderr.write(`${verdict(result, options.repair === true)}\n`);
}

const STAGES: Readonly<Record<string, string>> = {
	store: "reading the store",
	log: "following the change log",
	documents: "opening documents",
	members: "comparing documents with other members",
	messages: "comparing messages with documents",
	mailboxes: "counting mailboxes",
	bodies: "reading bodies",
	slots: "checking UID slots",
	copies: "counting copies",
};

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
