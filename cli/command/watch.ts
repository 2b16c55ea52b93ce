import { NOT_YET, notYet } from "../later.ts";
import type { Register } from "../program.ts";

export const watch: Register = (program) =>
	void program
		.command("watch")
		.description("Monitor the availability of all nodes from outside")
		.helpGroup(NOT_YET)
		.action(notYet("watch", 'use "pmnode status --watch" on a node instead'));
