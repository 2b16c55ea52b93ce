import { NOT_YET, notYet } from "../later.ts";
import type { Register } from "../program.ts";

export const restore: Register = (program) =>
	void program
		.command("restore <dir>")
		.description("Put a copy made by backup back")
		.helpGroup(NOT_YET)
		.action(
			notYet(
				"restore",
				"join a new node instead; it gets everything from the others",
			),
		);
