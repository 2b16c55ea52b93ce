import { NOT_YET, notYet } from "../later.ts";
import type { Register } from "../program.ts";

export const drain: Register = (program) =>
	void program
		.command("drain")
		.description("Take the node out of service without losing a message")
		.helpGroup(NOT_YET)
		.action(notYet("drain", "to stop the node cleanly, send it SIGTERM"));
