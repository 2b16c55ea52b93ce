/**
 * For `node --import`: as plant-hasty-space.ts, and a node that comes back hears what was expunged before it fetches any body.
 * Else chance says whether it gets some of them, and with them what proves the rest of the drive. No bug is planted.
 */
import "./plant-hasty-space.ts";
import { plant } from "./plant.ts";

plant(
	"sync/replication/needs.ts",
	"await this.#bodies.fetch(ref);",
	`await new Promise((go) => setTimeout(go, 2_000));
			if (this.#isWanted(ref, undefined)) await this.#bodies.fetch(ref);`,
);
