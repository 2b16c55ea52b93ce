/**
 * For `node --import`: the wall clock is ahead of the machine's by the milliseconds (also negative) that the file
 * `PMNODE_CLOCK_AHEAD` holds, looked at again and again, so that a test can set the clock of one node while it runs. No bug is planted.
 */
import { readFileSync } from "node:fs";

const LOOK_MILLISECONDS = 100;
const file = process.env.PMNODE_CLOCK_AHEAD ?? "";
const now = Date.now;
let aheadMilliseconds = 0;

function look(): void {
	try {
		aheadMilliseconds = Number(readFileSync(file, "utf8"));
	} catch {
		aheadMilliseconds = 0; // no file: the machine's own clock
	}
}
look();
setInterval(look, LOOK_MILLISECONDS).unref();
Date.now = () => now() + aheadMilliseconds;
