import { askNode } from "../data.ts";
import { duration } from "../duration.ts";
import type { Register } from "../program.ts";

export const invite: Register = (program) =>
	void program
		.command("invite")
		.description("Print a link with which one node can join the cluster")
		.option(
			"--ttl <duration>",
			"how long the link is good (default 1h)",
			duration,
		)
		.action(async (options: { ttl?: number }, command) => {
			const link = await askNode(command, "invite", {
				ttlMilliseconds: options.ttl ?? 3_600_000,
			});
			process.stdout.write(`${link}\n`);
		});
