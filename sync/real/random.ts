/** The one place where randomness is drawn. Everything else takes a `Random`. */
import { randomBytes } from "node:crypto";
import type { Random } from "../ports/random.ts";

/** Cryptographically strong randomness of the system. */
export const realRandom: Random = {
	bytes: (length) => new Uint8Array(randomBytes(length)),
};
