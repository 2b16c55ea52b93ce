/** The store alone on a full disk: what it took stays readable, is carried over when there is room, and it opens after a power cut. */
import {
	closeSync,
	copyFileSync,
	existsSync,
	mkdirSync,
	openSync,
	rmSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { StoreFull } from "../../sync/ports/store.ts";
import { openStore } from "../../sync/real/store.ts";
import { removeFolder, run, temporaryFolder } from "../harness/processes.ts";
import { until } from "../harness/until.ts";

const isRoot = process.getuid?.() === 0;
const sizes = {
	carryBytes: 100_000,
	journalBytesMax: 1_000_000,
	pageRows: 100,
};

function fill(file: string): void {
	const handle = openSync(file, "w");
	try {
		for (let size = 1 << 20; size >= 512; )
			try {
				writeSync(handle, Buffer.alloc(size));
			} catch {
				size >>= 1;
			}
	} finally {
		closeSync(handle);
	}
}

test.runIf(isRoot)(
	"commits on a full disk are kept in order, and a copy of the files opens with all of them",
	async () => {
		const base = temporaryFolder("full-store");
		const mounted = join(base, "disk");
		mkdirSync(mounted);
		const mount = await run("mount", [
			"-t",
			"tmpfs",
			"-o",
			"size=16m",
			"tmpfs",
			mounted,
		]);
		expect(mount.code, mount.stderr).toBe(0);
		const file = join(mounted, "state.db");
		const store = openStore(file, sizes);
		let number = 0;
		const write = () => {
			store.commit([[`k${number + 1}`, "x".repeat(1_000)]]);
			number++;
		};
		const whole = (at: string) => {
			const copy = join(base, at);
			for (const part of ["", "-wal", "-journal1", "-journal2"])
				if (existsSync(file + part)) copyFileSync(file + part, copy + part);
			const opened = openStore(copy, sizes);
			expect([...opened.range("k", "l")]).toHaveLength(number);
			opened.close();
		};
		try {
			// Both journals get a length that they are used within while nothing can grow.
			await until("journals of some length", () => {
				for (let more = 0; more < 100; more++) write();
				return number >= 1_500;
			});
			fill(join(mounted, "ballast"));
			let refused: unknown;
			for (let round = 0; round < 1_000 && refused === undefined; round++) {
				try {
					write();
				} catch (error) {
					refused = error;
				}
				if (round % 20 === 0) await new Promise(setImmediate);
			}
			expect(refused).toBeInstanceOf(StoreFull);
			const atFull = number;
			const began = performance.now();
			expect(atFull).toBeGreaterThan(1_500);
			// The thread has said that it cannot; more is asked of it every second.
			await until(
				"two more refusals",
				() => {
					expect(() => {
						for (let more = 0; more < 2_000; more++) write();
					}).toThrow(StoreFull);
					return performance.now() - began > 2_500;
				},
				{ everyMilliseconds: 100 },
			);
			expect([...store.range("k", "l")]).toHaveLength(number);
			whole("at-full");
			rmSync(join(mounted, "ballast"));
			await until("commits to be taken again", () => {
				write();
				return true;
			});
			await until("what waited to be carried over", () => {
				for (let more = 0; more < 10; more++) write();
				return number > atFull + 500;
			});
			whole("after");
			expect([...store.range("k", "l")]).toHaveLength(number);
		} finally {
			store.close();
			// The thread of the store may hold it for a moment yet.
			await run("umount", ["-l", mounted]);
			removeFolder(base);
		}
	},
	60_000,
);
