import { InvalidArgumentError } from "commander";
import type { Register } from "../program.ts";

export interface SimOptions {
	readonly seed?: number;
	readonly runs?: number;
	readonly minutes?: number;
	readonly config?: string;
	readonly without?: string;
	readonly steps?: string;
	readonly verbose?: boolean;
}

export const sim: Register = (program) =>
	void program
		.command("sim")
		.description(
			"Run the deterministic simulator: a cluster, clients and faults from one seed",
		)
		.option("--seed <n>", "the first seed (default: a new one)", whole)
		.option("--runs <n>", "this many seeds, one after another", whole)
		.option("--minutes <m>", "as many seeds as fit into this time", positive)
		.option(
			"--config <name>",
			"quiet, far, failover, splits, hostile (default), restore, loss, members, lone; several with commas, or all",
		)
		.option(
			"--without <rules>",
			"with these rules switched off, to see what they are there for",
		)
		.option("--steps <steps>", "just these steps, as a shrunk story gives them")
		.option("--verbose", "tell everything as it happens")
		.addHelpText(
			"after",
			"\nAn operation is one thing done from outside: a message delivered, a command of a mail program (SELECT, FETCH, STORE …),\na step of an operator, or a fault. Several seeds run on all processors at once.",
		)
		.action(async (options: SimOptions) => {
			// Loaded here, since no other command needs any of it.
			const { simulate } = await import("../sim/simulate.ts");
			await simulate(options);
		});

function whole(text: string): number {
	const value = Number(text);
	if (!/^\d{1,15}$/.test(text))
		throw new InvalidArgumentError("it is a whole number, such as 17");
	return value;
}

function positive(text: string): number {
	const value = Number(text);
	if (!/^\d+(\.\d+)?$/.test(text) || value <= 0)
		throw new InvalidArgumentError("it is a number above 0, such as 5");
	return value;
}
