/**
 * For `node --import`: space comes back within a second or two, which else takes a minute and an hour, and each step of it
 * says on stderr that it begins (`begins: compact`), so that a test can kill a node in the midst of one. No bug is planted.
 */
import { plant } from "./plant.ts";

const SPACE = "sync/space/space.ts";
const limit = (name: string, right: string, hasty: string): void =>
	plant(
		"sync/limits.ts",
		`export const ${name} = ${right};`,
		`export const ${name} = ${hasty};`,
	);
const announce = (path: string, step: string, statement: string): void =>
	plant(
		path,
		statement,
		`process.stderr.write("begins: ${step}\\n"); ${statement}`,
	);

limit("SPACE_MILLISECONDS", "5_000", "250");
limit("RECLAIM_GRACE_MILLISECONDS", "60_000", "500");
limit("TOMBSTONE_MILLISECONDS", "3600_000", "1_000");
limit("TOMBSTONES_MIN", "500", "10");
limit("SWEEP_FIRST_MILLISECONDS", "60_000", "3_000");
limit("SWEEP_MILLISECONDS", "3600_000", "3_000");
limit("BODY_GARBAGE_BYTES_MIN", "1 * MiB", "64 * KiB");
limit("COMPACTION_PAUSE_FACTOR", "20", "1");
limit("COMPACTION_PAUSE_MILLISECONDS_MIN", "10_000", "300");
limit("LOG_BYTES_KEPT_MIN", "128 * KiB", "16 * KiB");
limit("LOG_SLACK_BYTES", "32 * KiB", "4 * KiB");

announce(SPACE, "clear", "await bodies.clear(drive, list.map(rangeOf));");
announce(SPACE, "forget", "more = this.#bury.forget(tx, stable);");
announce(SPACE, "compact", "await bodies.compact();");
announce(
	"sync/space/truncate.ts",
	"cut",
	"await this.#ledger.write(({ batch }) =>\n\t\t\tthis.#ledger.log.cut(",
);
