import type { Command } from "commander";
import type { QuotaAnswer } from "../../node/control/quota.ts";
import { address } from "../../sync/ids.ts";
import { askNode, printList } from "../data.ts";
import { newPassword } from "../password.ts";
import type { Register } from "../program.ts";
import { countOrNone, sizeOrNone, sizeText } from "../size.ts";

interface PasswordOptions {
	readonly passwordStdin?: boolean;
}

export const user: Register = (program) => {
	const group = program
		.command("user")
		.description("Add, remove or list accounts, or set their passwords");
	withPassword(group.command("add <address>"))
		.description("make an account; asks for its password")
		.option("--create-domain", "add the domain too if it is not there")
		.action(add);
	group
		.command("remove <address>")
		.description(
			"remove an account with its mail, for good: only a backup brings it back",
		)
		.action(async (name: string, _options, command) => {
			await askNode(command, "user.remove", { address: name });
		});
	withPassword(group.command("passwd <address>"))
		.description("set a new password")
		.action(async (name: string, options: PasswordOptions, command) => {
			const user = address(name);
			const password = await newPassword(user, options.passwordStdin === true);
			await askNode(command, "user.passwd", { address: user, password });
		});
	group
		.command("quota <address> [size]")
		.description(
			"say what an account holds and may hold; with a size such as 2G, or none, set that",
		)
		.option("--messages <n|none>", "how many messages it may hold", countOrNone)
		.option("--json", "as JSON")
		.action(quota);
	group
		.command("list")
		.description("list the addresses of all accounts, one a line")
		.option("--json", "as JSON")
		.action(async (options: { json?: boolean }, command) => {
			const names = (await askNode(command, "user.list")) as string[];
			printList(
				names.map((name) => ({ address: name })),
				options.json,
				(item) => item.address,
			);
		});
};

async function quota(
	name: string,
	size: string | undefined,
	options: { messages?: number | null; json?: boolean },
	command: Command,
): Promise<void> {
	const held = (await askNode(command, "user.quota", {
		address: address(name),
		...(size === undefined ? {} : { storageBytesMax: sizeOrNone(size) }),
		...(options.messages === undefined
			? {}
			: { messagesMax: options.messages }),
	})) as QuotaAnswer;
	const { storageBytes, storageBytesMax, messages, messagesMax } = held;
	printList([held], options.json, () => {
		const bytes = limited(sizeText(storageBytes), storageBytesMax, sizeText);
		return `${bytes}; ${limited(`${messages} messages`, messagesMax, String)}`;
	});
}

const limited = (
	held: string,
	max: number | null,
	text: (max: number) => string,
): string => (max === null ? `${held}, no limit` : `${held} of ${text(max)}`);

const withPassword = (command: Command): Command =>
	command.option(
		"--password-stdin",
		"read the password from the first line of standard input",
	);

async function add(
	name: string,
	options: PasswordOptions & { createDomain?: boolean },
	command: Command,
): Promise<void> {
	const user = address(name); // before asking for a password in vain
	await askNode(command, "status");
	const password = await newPassword(user, options.passwordStdin === true);
	await askNode(command, "user.add", {
		address: user,
		password,
		createDomain: options.createDomain === true,
	});
}
