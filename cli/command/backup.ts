import { NOT_YET, notYet } from "../later.ts";
import type { Register } from "../program.ts";

export const backup: Register = (program) =>
	void program
		.command("backup <dir>")
		.description("Make a consistent copy while the node runs")
		.helpGroup(NOT_YET)
		.action(notYet("backup", "stop the node and copy its data folder instead"));
