/**
 * For `node --import`, beside what plant-hasty-space.ts does: the taking of a body that is handed over stops for ever at the
 * step that the file `PMNODE_STUCK_AT` names, if there is one, and says so on stderr (`begins: draft`), so that a test can
 * kill the node just there. No bug is planted.
 */
import { readFileSync } from "node:fs";
import "./plant-hasty-space.ts";
import { plant } from "./plant.ts";

async function stuckAt(step: string): Promise<void> {
	let at: string;
	try {
		at = readFileSync(process.env.PMNODE_STUCK_AT ?? "", "utf8");
	} catch {
		return; // no step is named
	}
	if (at !== step) return;
	process.stderr.write(`begins: ${step}\n`);
	await new Promise(() => {});
}
Object.assign(globalThis, { stuckAt });

const stopAfter = (statement: string, step: string): void =>
	plant(
		"sync/bodies/handed.ts",
		statement,
		`${statement} await globalThis.stuckAt("${step}");`,
	);

stopAfter("if (left < 0) throw wrong(reference);", "draft");
stopAfter("await writeRight(reference, bytes, draft);", "whole");
stopAfter("await rename(draft, join(this.#directory, name));", "named");
