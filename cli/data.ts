import type { Command } from "commander";
import { ask } from "../node/control/client.ts";

/** The data folder a command is about: --data, then PMNODE_DATA, then ./pmnode-data. */
export function dataDirectory(command: Command): string {
	const { data } = command.optsWithGlobals<{ data?: string }>();
	return data || process.env.PMNODE_DATA || "./pmnode-data";
}

/** Asks the node that runs on the command's data folder. Rejects with faults for people. */
export const askNode = (
	command: Command,
	method: string,
	params: Readonly<Record<string, unknown>> = {},
): Promise<unknown> =>
	ask({ dataDirectory: dataDirectory(command), method, params });

/** A list as lines, or with --json as one array of objects. */
export function printList<T>(
	items: readonly T[],
	asJson: boolean | undefined,
	asLine: (item: T) => string,
): void {
	const lines = asJson === true ? [JSON.stringify(items)] : items.map(asLine);
	for (const line of lines) process.stdout.write(`${line}\n`);
}
