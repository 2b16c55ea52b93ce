/** For `node --import`: the slow scrub does not begin within a test, so that what a test damages is found by what the test asks to find it, however slow the machine is. No bug is planted. */
import { plant } from "./plant.ts";

plant(
	"sync/limits.ts",
	"export const SCRUB_STEP_MILLISECONDS = 10_000;",
	"export const SCRUB_STEP_MILLISECONDS = 3_600_000;",
);
