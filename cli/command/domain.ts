import { askNode, printList } from "../data.ts";
import type { Register } from "../program.ts";

export const domain: Register = (program) => {
	const group = program
		.command("domain")
		.description("Add, remove or list the domains that take mail");
	group
		.command("add <domain>")
		.description("take mail for a domain")
		.action(async (name: string, _options, command) => {
			await askNode(command, "domain.add", { domain: name });
		});
	group
		.command("remove <domain>")
		.description("take no more mail for a domain that has no users")
		.action(async (name: string, _options, command) => {
			await askNode(command, "domain.remove", { domain: name });
		});
	group
		.command("list")
		.description("list the domains, one a line")
		.option("--json", "as JSON")
		.action(async (options: { json?: boolean }, command) => {
			const names = (await askNode(command, "domain.list")) as string[];
			printList(
				names.map((name) => ({ domain: name })),
				options.json,
				(item) => item.domain,
			);
		});
};
