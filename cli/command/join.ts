import type { Command } from "commander";
import { dataDirectory } from "../data.ts";
import { withNodeOptions } from "../options.ts";
import type { Register } from "../program.ts";
import { runInForeground } from "../run.ts";

export const join: Register = (program) =>
	void withNodeOptions(
		program
			.command("join <peer>")
			.description(
				'Join the cluster of PEER (a link from "pmnode invite"), then run as start does',
			),
	).action((peer: string, options: Record<string, unknown>, command: Command) =>
		runInForeground(dataDirectory(command), options, { join: peer }),
	);
