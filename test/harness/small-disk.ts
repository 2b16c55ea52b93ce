/** A small disk of its own (tmpfs; root), to be filled up. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fillDisk, freeDisk } from "./ballast.ts";
import { removeFolder, run, temporaryFolder } from "./processes.ts";

export class SmallDisk {
	/** Where it is mounted. */
	readonly folder: string;
	/** A place beside it, on the usual disk. */
	readonly beside: string;

	static async create(name: string, mebibytes: number): Promise<SmallDisk> {
		const disk = new SmallDisk(temporaryFolder(name));
		const options = ["-t", "tmpfs", "-o", `size=${mebibytes}m`];
		const { code, stderr } = await run("mount", [
			...options,
			"tmpfs",
			disk.folder,
		]);
		if (code !== 0) throw new Error(`mount: ${stderr}`);
		return disk;
	}

	private constructor(base: string) {
		this.beside = base;
		this.folder = join(base, "disk");
		mkdirSync(this.folder);
	}

	/** Until nothing more goes in. */
	fill(): void {
		fillDisk(this.folder);
	}

	/** There is room again. */
	free(): void {
		freeDisk(this.folder);
	}

	async close(): Promise<void> {
		// Lazily: a thread may hold it for a moment yet.
		await run("umount", ["-l", this.folder]);
		removeFolder(this.beside);
	}
}
