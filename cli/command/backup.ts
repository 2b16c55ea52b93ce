import { resolve } from "node:path";
import type { Command } from "commander";
import type { BackupResult } from "../../node/backup/backup.ts";
import { printable } from "../../node/printable.ts";
import { longOperation } from "../operation.ts";
import type { Register } from "../program.ts";
import { bytesText } from "../progress.ts";

export const backup: Register = (program) =>
	void program
		.command("backup <dir>")
		.description("Make a consistent copy in DIR while the node runs")
		.option("--quiet", "say only what is wrong")
		.addHelpText(
			"after",
			`
The copy is of one moment: state, directory, mailboxes, flags, every message, and
the node's key. Run it again on the same folder, and only what is new is written.
Each node needs a folder of its own. The folder holds all mail in the clear, and
password hashes: keep it as private as the data folder (its modes are 0700, 0600).
Ended at any moment, the backup before stays whole, and the next run goes on.
Exit status: 0 all is copied, 1 something is missing (a line each says what).`,
		)
		.action(run);

async function run(
	directory: string,
	options: { quiet?: boolean },
	command: Command,
): Promise<void> {
	const result = (await longOperation(command, {
		method: "backup",
		params: { directory: resolve(directory) },
		interrupted: "the backup was ended; the one before it is whole",
		quiet: options.quiet === true,
		bytes: ["copying the state", "keeping the state"],
	})) as BackupResult;
	const { accounts, messages, newBytes, missing } = result;
	if (missing > 0) process.exitCode = 1;
	if (options.quiet === true) return;
	process.stderr.write(
		`${messages} ${messages === 1 ? "message" : "messages"} of ${accounts} ${accounts === 1 ? "account" : "accounts"} ${messages === 1 ? "is" : "are"} in ${printable(directory)}; ${bytesText(newBytes)} were new${missing > 0 ? `; ${missing} ${missing === 1 ? "thing is" : "things are"} missing` : ""}\n`,
	);
}
