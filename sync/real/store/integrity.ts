/** The inside of a thread: SQLite's own check of a file that nobody writes, as lines of what is wrong. See store.ts. */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";

const LINES_MAX = 20;

function faults(file: string): string[] {
	const database = new DatabaseSync(file);
	try {
		return database
			.prepare(`PRAGMA integrity_check(${LINES_MAX})`)
			.all()
			.map((row) => String(row.integrity_check))
			.filter((line) => line !== "ok");
	} catch (error) {
		return [(error as Error).message];
	} finally {
		database.close();
	}
}

parentPort?.postMessage(faults(workerData as string));
