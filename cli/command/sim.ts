import { NOT_YET, notYet } from "../later.ts";
import type { Register } from "../program.ts";

export const sim: Register = (program) =>
	void program
		.command("sim")
		.description("Run the deterministic simulator once")
		.helpGroup(NOT_YET)
		.option("--seed <n>", "what the run is derived from")
		.action(notYet("sim", "its tests run in the checkout with npm test"));
