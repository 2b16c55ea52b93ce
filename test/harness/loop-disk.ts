/**
 * A disk of its own for a node: ext4 in a file (root, mount). What a power cut leaves is what reached the file: a copy of
 * it, taken after the process was killed, lacks everything that was written and not synced.
 */
import {
	copyFileSync,
	mkdirSync,
	readFileSync,
	rmSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { removeFolder, run, temporaryFolder } from "./processes.ts";

const MEBIBYTES = 192;

async function must(command: string, args: readonly string[]): Promise<void> {
	const result = await run(command, args);
	if (result.code !== 0)
		throw new Error(`${command} ${args.join(" ")}: ${result.stderr}`);
}

export class LoopDisk {
	/** Where it is mounted. */
	readonly folder: string;
	readonly #base: string;
	#image: string;
	#cuts = 0;
	#mounted = false;

	static async create(name: string, mebibytes = MEBIBYTES): Promise<LoopDisk> {
		const disk = new LoopDisk(name);
		writeFileSync(disk.#image, "");
		truncateSync(disk.#image, mebibytes * 2 ** 20);
		await must("mkfs.ext4", ["-q", "-F", disk.#image]);
		await disk.#mount();
		return disk;
	}

	private constructor(name: string) {
		this.#base = temporaryFolder(`disk-${name}`);
		this.folder = join(this.#base, "mounted");
		mkdirSync(this.folder);
		this.#image = join(this.#base, "0.img");
	}

	/** The journal of ext4 is written out only when something is synced. */
	async #mount(): Promise<void> {
		await must("mount", ["-o", "loop,commit=600", this.#image, this.folder]);
		this.#mounted = true;
	}

	/**
	 * What has reached the file since it was mounted, whoever had it written: the kernel also writes by itself, after half a
	 * minute or when much of the machine's memory waits to be written.
	 */
	writtenSectors(): number {
		const device = readFileSync("/proc/mounts", "utf8")
			.split("\n")
			.map((line) => line.split(" "))
			.find(([, folder]) => folder === this.folder)?.[0];
		if (device === undefined) throw new Error(`${this.folder} is not mounted`);
		const stat = readFileSync(`/sys/block/${basename(device)}/stat`, "utf8");
		return Number(stat.trim().split(/\s+/)[6]);
	}

	/** After the processes on it were killed: what was not synced is gone. */
	async cutPower(): Promise<void> {
		const before = this.#image;
		this.#image = join(this.#base, `${++this.#cuts}.img`);
		copyFileSync(before, this.#image);
		await this.#unmount();
		rmSync(before);
		await this.#mount();
	}

	async #unmount(): Promise<void> {
		if (!this.#mounted) return;
		await must("umount", [this.folder]);
		this.#mounted = false;
	}

	async close(): Promise<void> {
		await this.#unmount();
		removeFolder(this.#base);
	}
}
