import { askNode } from "../data.ts";
import type { Register } from "../program.ts";

export const remove: Register = (program) =>
	void program
		.command("remove <node>")
		.description(
			"Take a node that will never come back out of the cluster (name or id)",
		)
		.action(async (node: string, _options, command) => {
			await askNode(command, "remove", { node });
		});
