/** For `node --import`: commits are carried over into SQLite soon, and moved to their place in its file at once, so that a store has pages to be damaged without mail by the ten thousand. No bug is planted. */
import { plant } from "./plant.ts";

plant(
	"sync/limits.ts",
	"export const STORE_JOURNAL_CARRY_BYTES = 8 * MiB;",
	"export const STORE_JOURNAL_CARRY_BYTES = 128 * KiB;",
);
plant(
	"sync/real/store/base.ts",
	"const WAL_CHECKPOINT_PAGES = 16_000;",
	"const WAL_CHECKPOINT_PAGES = 20;",
);
