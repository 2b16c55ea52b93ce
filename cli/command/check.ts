import { NOT_YET, notYet } from "../later.ts";
import type { Register } from "../program.ts";

export const check: Register = (program) =>
	void program
		.command("check")
		.description("Verify the node's data against itself and its peers")
		.helpGroup(NOT_YET)
		.option("--repair", "mend what can be mended")
		.action(notYet("check", 'see "pmnode status" for what is missing where'));
