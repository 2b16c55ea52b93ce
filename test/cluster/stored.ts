/** Where the body of a message lies on the disk of a node. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packedBlocks } from "../../sync/bodies/packing.ts";

/** The file of the body store that holds the first block of these bytes, packed as all members can read it, and where. */
export async function placeOfBody(
	data: string,
	bytes: Buffer,
	names = /./,
): Promise<{ file: string; at: number }> {
	const [block = Buffer.alloc(0)] = await packedBlocks(bytes);
	const folder = join(data, "bodies/drives/db");
	for (const name of readdirSync(folder).filter((each) => names.test(each))) {
		const at = readFileSync(join(folder, name)).indexOf(block);
		if (at >= 0) return { file: join(folder, name), at };
	}
	throw new Error(`no file in ${folder} holds the body`);
}
