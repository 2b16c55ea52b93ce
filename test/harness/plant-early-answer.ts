/** Planted bug, for `node --import`: SMTP answers 250 before the message is committed. Tests of kill -9 must notice. */
import { plant } from "./plant.ts";

plant(
	"node/intake.ts",
	"await this.#options.replica.deliver(delivery);",
	"void this.#options.replica.deliver(delivery);",
);
