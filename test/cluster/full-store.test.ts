/** The store alone on a full disk: what it took stays readable, is carried over when there is room, and it opens after a power cut. */
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { StoreFull } from "../../sync/ports/store.ts";
import { openStore } from "../../sync/real/store.ts";
import { SmallDisk } from "../harness/small-disk.ts";
import { until } from "../harness/until.ts";

const isRoot = process.getuid?.() === 0;
const sizes = {
	carryBytes: 100_000,
	journalBytesMax: 1_000_000,
	pageRows: 100,
};

test.runIf(isRoot)(
	"commits on a full disk are kept in order, and a copy of the files opens with all of them",
	async () => {
		const disk = await SmallDisk.create("full-store", 16);
		const file = join(disk.folder, "state.db");
		const store = openStore(file, sizes);
		let number = 0;
		const write = () => {
			store.commit([[`k${number + 1}`, "x".repeat(1_000)]]);
			number++;
		};
		const whole = (at: string) => {
			const copy = join(disk.beside, at);
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
			disk.fill();
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
			disk.free();
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
			await disk.close();
		}
	},
	180_000,
);
