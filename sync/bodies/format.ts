/** The format of the folder of the body store, in a file of its own. A folder without one is of the first format. */
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StoreFailed } from "../ports/store.ts";

const FORMAT = 1;

/** Throws StoreFailed for a folder of a newer format. */
export async function takeFormat(directory: string): Promise<void> {
	const file = join(directory, "format");
	const text = await readFile(file, "utf8").catch((error) => {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
		return undefined;
	});
	const format = Number(text ?? FORMAT);
	// What is no number was cut in a power cut, and is written anew.
	if (format > FORMAT)
		throw new StoreFailed(
			`the body store in ${directory} has format ${format}, newer than this version knows (${FORMAT}); run a newer pmnode`,
		);
	if (format === FORMAT && text !== undefined) return;
	try {
		await writeFile(file, `${FORMAT}\n`, { mode: 0o600 });
		const written = await open(file, "r");
		await written.sync();
		await written.close();
	} catch {
		// The first format needs no file: a full disk must not keep a node from starting.
	}
}
