import { NOT_YET, notYet } from "../later.ts";
import type { Register } from "../program.ts";

export const queue: Register = (program) => {
	const group = program
		.command("queue")
		.description("List, retry or drop outgoing mail")
		.helpGroup(NOT_YET);
	const instead = "this version takes mail for its own users only";
	group
		.command("list")
		.description("list what waits to be sent")
		.option("--json", "as JSON")
		.action(notYet("queue list", instead));
	group
		.command("retry [id...]")
		.description("try again now")
		.action(notYet("queue retry", instead));
	group
		.command("drop <id...>")
		.description("give up, and tell the sender")
		.action(notYet("queue drop", instead));
};
