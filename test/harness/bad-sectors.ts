/** Bad sectors under a node: a library in front of the C library's reads (bad-sectors.c; needs a C compiler) makes chosen ones fail with EIO. */
import {
	closeSync,
	openSync,
	statSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { removeFolder, repository, run, temporaryFolder } from "./processes.ts";

const RULES_BYTES = 4096;

export interface BadPlace {
	/** As it lies on the disk now: a file made anew under this name lies elsewhere. */
	readonly file: string;
	readonly from: number;
	readonly to: number;
}

export class BadSectors {
	/** For the node's environment. */
	readonly env: NodeJS.ProcessEnv;
	readonly #folder: string;
	readonly #rules: number;

	/** undefined where there is no C compiler. */
	static async create(): Promise<BadSectors | undefined> {
		const folder = temporaryFolder("sectors");
		const library = join(folder, "bad-sectors.so");
		const compiled = await run("cc", [
			"-shared",
			"-fPIC",
			"-O1",
			"-o",
			library,
			join(repository, "test/harness/bad-sectors.c"),
			"-ldl",
		]).catch(() => undefined);
		if (compiled?.code === 0) return new BadSectors(folder, library);
		removeFolder(folder);
		return undefined;
	}

	private constructor(folder: string, library: string) {
		this.#folder = folder;
		const rules = join(folder, "rules");
		writeFileSync(rules, Buffer.alloc(RULES_BYTES));
		this.#rules = openSync(rules, "r+");
		this.env = { LD_PRELOAD: library, PMNODE_BAD_SECTORS: rules };
	}

	/** From now on these cannot be read, and all else can. */
	set(places: readonly BadPlace[]): void {
		const text = places
			.map(({ file, from, to }) => `${statSync(file).ino} ${from} ${to}\n`)
			.join("");
		const bytes = Buffer.alloc(RULES_BYTES);
		bytes.write(text, "latin1");
		writeSync(this.#rules, bytes, 0, RULES_BYTES, 0);
	}

	close(): void {
		closeSync(this.#rules);
		removeFolder(this.#folder);
	}
}
