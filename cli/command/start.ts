import type { Command } from "commander";
import { dataDirectory } from "../data.ts";
import { withNodeOptions } from "../options.ts";
import type { Register } from "../program.ts";
import { runInForeground } from "../run.ts";

export const start: Register = (program) =>
	void withNodeOptions(
		program
			.command("start")
			.description(
				"Run a node in the foreground; an empty data folder founds a cluster of one",
			),
	).action((options: Record<string, unknown>, command: Command) =>
		runInForeground(dataDirectory(command), options, {}),
	);
