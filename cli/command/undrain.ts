import { NOT_YET, notYet } from "../later.ts";
import type { Register } from "../program.ts";

export const undrain: Register = (program) =>
	void program
		.command("undrain")
		.description("Take a drained node back into service")
		.helpGroup(NOT_YET)
		.action(notYet("undrain", "no node can be drained yet"));
