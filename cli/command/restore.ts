import { resolve } from "node:path";
import type { Command } from "commander";
import type { RestoreResult } from "../../node/backup/restore.ts";
import { WrongUsage } from "../../node/config.ts";
import { folderUser } from "../../node/folder.ts";
import { OperatorFault } from "../../sync/faults.ts";
import { askNode, dataDirectory } from "../data.ts";
import { longOperation, shown } from "../operation.ts";
import type { Register } from "../program.ts";

interface Options {
	readonly account?: string;
	readonly all?: boolean;
	readonly into?: string;
	readonly quiet?: boolean;
}

export const restore: Register = (program) =>
	void program
		.command("restore <dir>")
		.description(
			"Put back what is in a backup: a whole node, or mail of accounts",
		)
		.option(
			"--account <address>",
			"mail of this account, into the node that runs on --data",
		)
		.option("--all", "mail of all accounts, into the node that runs on --data")
		.option(
			"--into <mailbox>",
			"put it below this mailbox instead of where it was",
		)
		.option("--quiet", "say only what is wrong")
		.addHelpText(
			"after",
			`
Without --account and --all: the whole node, into the empty folder --data. When it
is started it meets the other members and gets what came since the backup.
With them: messages that are not there any more, with flags, dates and mailboxes;
a user who does not exist is made, with the old password. It may be run again.
A folder "forked-…" that a node put aside is read as a backup too.
What is damaged in the backup is passed over; a line each says what is missing.
Exit status: 0 all is back, 1 something is missing.

  pmnode restore /backup/a --data ./new-a && pmnode start --data ./new-a
  pmnode restore /backup/a --account anna@example.org --into "Restored"`,
		)
		.action(run);

async function run(
	directory: string,
	options: Options,
	command: Command,
): Promise<void> {
	const { account, all, into } = options;
	if (account !== undefined && all === true)
		throw new WrongUsage("give --account or --all, not both");
	const mail = account !== undefined || all === true;
	if (into !== undefined && !mail)
		throw new WrongUsage("--into goes with --account or --all");
	const folder = resolve(directory);
	const result = mail
		? await restoreMail(command, folder, options)
		: await restoreNode(command, folder, options);
	if (result.missing > 0) process.exitCode = 1;
}

const QUIT =
	"the restore was ended; what is back stays, and it may be run again";

async function restoreMail(
	command: Command,
	folder: string,
	{ account, into, quiet }: Options,
): Promise<RestoreResult> {
	await askNode(command, "status");
	const result = (await longOperation(command, {
		method: "restore",
		params: { directory: folder, account: account ?? null, into: into ?? null },
		interrupted: QUIT,
		quiet: quiet === true,
	})) as RestoreResult;
	const { restored, present, missing } = result;
	if (quiet !== true)
		process.stderr.write(
			`${restored} ${restored === 1 ? "message is" : "messages are"} back, ${present} ${present === 1 ? "was" : "were"} there${missingText(missing)}\n`,
		);
	return result;
}

async function restoreNode(
	command: Command,
	folder: string,
	{ quiet }: Options,
): Promise<RestoreResult> {
	const data = dataDirectory(command);
	if (folderUser(data) !== undefined)
		throw new OperatorFault(
			`a node runs on ${data}: say what of the backup to put back into it, with --account ADDRESS or --all; a whole node needs an empty folder, --data NEW`,
		);
	// Loaded here, since `pmnode status` should not wait for all of it.
	const { restoreWholeNode } = await import("../restore-node.ts");
	const result = await shown(
		{
			interrupted:
				"the restore was ended; no node was made, and it may be run again",
			quiet: quiet === true,
			bytes: ["putting the state back"],
		},
		(tell, signal) => restoreWholeNode(folder, data, tell, signal),
	);
	if (quiet !== true) {
		const when = new Date(result.copiedMilliseconds).toISOString();
		process.stderr.write(
			`node ${result.name} is back in ${data} as of ${when}, with ${result.restored} messages${missingText(result.missing)}; run "pmnode start --data ${data}"\n`,
		);
	}
	return result;
}

const missingText = (missing: number): string =>
	missing === 0
		? ""
		: `; ${missing} ${missing === 1 ? "is" : "are"} missing, as said above`;
