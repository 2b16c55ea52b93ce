/** The commands of `pmnode`, in the order in which help shows them. */
import { Command } from "commander";
import { version } from "../node/version.ts";
import { alias } from "./command/alias.ts";
import { backup } from "./command/backup.ts";
import { check } from "./command/check.ts";
import { demo } from "./command/demo.ts";
import { domain } from "./command/domain.ts";
import { drain } from "./command/drain.ts";
import { importAccount } from "./command/import.ts";
import { invite } from "./command/invite.ts";
import { join } from "./command/join.ts";
import { queue } from "./command/queue.ts";
import { remove } from "./command/remove.ts";
import { restore } from "./command/restore.ts";
import { sim } from "./command/sim.ts";
import { start } from "./command/start.ts";
import { status } from "./command/status.ts";
import { undrain } from "./command/undrain.ts";
import { user } from "./command/user.ts";
import { wait } from "./command/wait.ts";
import { watch } from "./command/watch.ts";

/** Adds its command to the program. */
export type Register = (program: Command) => void;

const COMMANDS: readonly Register[] = [
	start,
	join,
	invite,
	status,
	wait,
	domain,
	user,
	alias,
	remove,
	drain,
	undrain,
	check,
	backup,
	restore,
	importAccount,
	queue,
	watch,
	demo,
	sim,
];

/** Throws CommanderError instead of ending the process, and prints nothing but help and version. */
export function program(): Command {
	const root = new Command("pmnode")
		.description(
			"A mail host without a master: equal nodes, each takes mail and serves it,\nalso alone in a network split.",
		)
		.version(`pmnode ${version()}`, "-V, --version", "print the version")
		.helpOption("-h, --help", "print this help")
		.helpCommand("help [command]", "print the help of a command")
		.option(
			"--data <dir>",
			"data folder of the node (env PMNODE_DATA, default ./pmnode-data)",
		)
		.configureHelp({ showGlobalOptions: true })
		.configureOutput({ writeErr: () => {} }) // errors are thrown, and said in one line
		.exitOverride()
		.addHelpText("after", EXAMPLES);
	for (const register of COMMANDS) register(root);
	return root;
}

const EXAMPLES = `
Examples:
  pmnode demo                                    three nodes to play with
  pmnode start                                   found a cluster of one
  pmnode invite                                  print a link for one more node
  pmnode join <link> --data ./b                  make that node
  pmnode user add anna@example.org --create-domain

Exit status: 0 done, 1 it could not, 2 wrong usage.`;
