import type { Command } from "commander";
import type { Register } from "../program.ts";

export const demo: Register = (program) =>
	void program
		.command("demo")
		.description(
			"Run three nodes on this machine, with accounts and sample mail",
		)
		.addHelpText(
			"after",
			"\nWithout --data everything lies in a temporary folder and is removed at the end.",
		)
		.action(async (_options, command: Command) => {
			const { runDemo } = await import("../demo/demo.ts");
			await runDemo(command.optsWithGlobals<{ data?: string }>().data);
		});
