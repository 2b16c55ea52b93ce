import type { Command } from "commander";
import { ask } from "../../node/control/client.ts";
import type { StatusJson } from "../../node/status.ts";
import { statusText } from "../../node/status-text.ts";
import { askNode, dataDirectory } from "../data.ts";
import type { Register } from "../program.ts";
import { wantsColour } from "../terminal.ts";

interface Options {
	readonly json?: boolean;
	readonly watch?: boolean;
}

export const status: Register = (program) =>
	void program
		.command("status")
		.description("Show the cluster as this node sees it")
		.option("--json", "as JSON, for scripts")
		.option("--watch", "go on showing it; q or ^C ends")
		.action(async (options: Options, command: Command) => {
			if (options.watch === true) return watch(options, command);
			const now = (await askNode(command, "status")) as StatusJson;
			process.stdout.write(shown(now, options));
		});

function shown(now: StatusJson, options: Options): string {
	if (options.json === true)
		return `${JSON.stringify(now, null, process.stdout.isTTY && options.watch !== true ? 2 : 0)}\n`;
	return `${statusText(now, wantsColour(process.stdout, process.env)).join("\n")}\n`;
}

/** On a terminal the picture is drawn in place; elsewhere one follows the other (`--json`: one a line). */
async function watch(options: Options, command: Command): Promise<void> {
	const inPlace = process.stdout.isTTY === true && options.json !== true;
	const quit = new AbortController();
	const end = () => quit.abort(new Ended());
	let last = "";
	const restore = listenForEnd(end);
	if (inPlace) process.stdout.write("\u{1b}[?1049h\u{1b}[?25l");
	try {
		await ask({
			dataDirectory: dataDirectory(command),
			method: "watch",
			signal: quit.signal,
			onItem(item) {
				last = shown(item as StatusJson, options);
				process.stdout.write(
					inPlace ? drawn(last) : `${last}${options.json ? "" : "\n"}`,
				);
			},
		});
	} catch (error) {
		if (!(error instanceof Ended)) throw error;
	} finally {
		if (inPlace) process.stdout.write(`\u{1b}[?25h\u{1b}[?1049l${last}`);
		restore();
	}
}

/** q, and what ^C and ^D send in raw mode. */
const END_KEYS = ["q", "\u{3}", "\u{4}"];

class Ended extends Error {}

/** The cursor goes home and each line is cleared as it is written, so nothing flickers. */
function drawn(text: string): string {
	const rows = process.stdout.rows ?? 24;
	const lines = text.split("\n").slice(0, rows - 1);
	return `\u{1b}[H${lines.map((line) => `${line}\u{1b}[K\n`).join("")}\u{1b}[J`;
}

function listenForEnd(end: () => void): () => void {
	const { stdin, stdout } = process;
	process.once("SIGINT", end).once("SIGTERM", end);
	stdout.once("error", end); // who read it has gone
	if (!stdin.isTTY || !stdout.isTTY) return () => {};
	stdin.setRawMode(true);
	stdin.on("data", (keys) => {
		if (END_KEYS.some((key) => String(keys).includes(key))) end();
	});
	return () => {
		stdin.setRawMode(false);
		stdin.destroy();
	};
}
