/** Planted bug, for `node --import`: a message is acknowledged before other members confirmed their copies. Tests of lost disks must notice. */
import { plant } from "./plant.ts";

plant(
	"sync/directory/deliver.ts",
	"await context.copies(made);",
	"void context.copies(made);",
);
