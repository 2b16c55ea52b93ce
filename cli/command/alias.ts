import { askNode, printList } from "../data.ts";
import type { Register } from "../program.ts";

export const alias: Register = (program) => {
	const group = program
		.command("alias")
		.description("Add, remove or list addresses that lead to others");
	group
		.command("add <alias> <target>")
		.description(
			"deliver mail for ALIAS to TARGET; a second target makes a list",
		)
		.action(async (from: string, target: string, _options, command) => {
			await askNode(command, "alias.add", { alias: from, target });
		});
	group
		.command("remove <alias>")
		.description("remove an alias with all its targets")
		.action(async (from: string, _options, command) => {
			await askNode(command, "alias.remove", { alias: from });
		});
	group
		.command("list")
		.description("list the aliases, one a line: alias, target")
		.option("--json", "as JSON")
		.action(async (options: { json?: boolean }, command) => {
			const all = await askNode(command, "alias.list");
			printList(
				all as { alias: string; target: string }[],
				options.json,
				(item) => `${item.alias} ${item.target}`,
			);
		});
};
