/** Packs and manifest of a backup on a real disk: what is written once, what damage costs, what a broken-off run leaves. */
import {
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
	BACKUP_FORMAT,
	decodeList,
	encodeList,
	type Manifest,
	readManifest,
	writeManifest,
} from "../../../node/backup/manifest.ts";
import { BlobLost, hashOf, Packs } from "../../../node/backup/packs.ts";
import { removeFolder, temporaryFolder } from "../../harness/processes.ts";

const folders: string[] = [];
const fresh = (): string => {
	const folder = temporaryFolder("packs");
	folders.push(folder);
	return folder;
};
afterEach(() => {
	for (const folder of folders.splice(0)) removeFolder(folder);
});

const blob = (number: number): Buffer => Buffer.alloc(1_000 + number, number);

/** Blobs 0…count-1, flushed; returns their hashes. */
async function filled(folder: string, count: number): Promise<string[]> {
	const packs = await Packs.open(folder);
	const hashes: string[] = [];
	for (let i = 0; i < count; i++) hashes.push(await packs.put(blob(i)));
	await packs.flush();
	await packs.close();
	return hashes;
}

function flip(file: string, at: number): void {
	const bytes = readFileSync(file);
	bytes[at] = (bytes[at] as number) ^ 0x20;
	writeFileSync(file, bytes);
}

async function whole(folder: string, hashes: readonly string[]) {
	const packs = await Packs.open(folder);
	const found = await Promise.all(
		hashes.map((hash) =>
			packs.get(hash).then(
				(bytes) => {
					expect(hashOf(bytes), "never given out damaged").toBe(hash);
					return true;
				},
				(error) => {
					expect(error).toBeInstanceOf(BlobLost);
					return false;
				},
			),
		),
	);
	const { scanned } = packs;
	await packs.close();
	return { found, scanned };
}

describe("packs", () => {
	it("keep each blob once, also when it comes twice at the same time, readable by their user only", async () => {
		const folder = fresh();
		const packs = await Packs.open(folder);
		await Promise.all([1, 2, 1, 2, 1].map((n) => packs.put(blob(n))));
		await packs.flush();
		await packs.close();
		const { size, mode } = statSync(join(folder, "00000001.pack"));
		expect(size).toBe(1_001 + 1_002 + 2 * 40);
		expect(mode & 0o777).toBe(0o600);
		const again = await Packs.open(folder);
		await again.put(blob(2));
		await again.put(blob(3));
		await again.flush();
		expect(again.writtenBytes).toBe(1_003 + 40);
		await again.close();
		expect(readdirSync(folder).sort()).toEqual([
			"00000001.index",
			"00000001.pack",
			"00000002.index",
			"00000002.pack",
		]);
	});

	it("lose to damage only what it hits, wherever it is", async () => {
		const folder = fresh();
		const hashes = await filled(folder, 8);
		const file = join(folder, "00000001.pack");
		const size = statSync(file).size;
		const intact = readFileSync(file);
		for (let at = 7; at < size; at += 331) {
			flip(file, at);
			// With an index headers do not matter; without one they do.
			for (const withIndex of [true, false]) {
				const index = join(folder, "00000001.index");
				const kept = readFileSync(index);
				if (!withIndex) rmSync(index);
				const { found, scanned } = await whole(folder, hashes);
				expect(scanned).toEqual(withIndex ? [] : ["00000001"]);
				expect(found.filter((is) => !is).length, `byte ${at}`).toBeLessThan(2);
				writeFileSync(index, kept);
			}
			writeFileSync(file, intact);
		}
	});

	it("are read without their index when that is damaged", async () => {
		const folder = fresh();
		const hashes = await filled(folder, 5);
		flip(join(folder, "00000001.index"), 40);
		expect(await whole(folder, hashes)).toEqual({
			found: hashes.map(() => true),
			scanned: ["00000001"],
		});
	});

	it("that lost their tail have lost just that, and it is written again", async () => {
		const folder = fresh();
		const hashes = await filled(folder, 6);
		const file = join(folder, "00000001.pack");
		truncateSync(file, statSync(file).size - 1_500);
		expect((await whole(folder, hashes)).found).toEqual([
			true,
			true,
			true,
			true,
			false,
			false,
		]);
		const packs = await Packs.open(folder);
		for (let i = 0; i < 6; i++) await packs.put(blob(i));
		await packs.flush();
		await packs.close();
		expect((await whole(folder, hashes)).found).not.toContain(false);
	});

	it("of a run that broke off are gone on with", async () => {
		const folder = fresh();
		const packs = await Packs.open(folder);
		const hash = await packs.put(blob(1));
		await packs.close(); // no flush: no index
		const next = await Packs.open(folder);
		expect(next.use(hash)).toBe(true);
		await next.put(blob(1));
		expect(next.writtenBytes).toBe(0);
		await next.close();
	});

	it("that are mostly of no use any more go, and what is used of them stays", async () => {
		const folder = fresh();
		const hashes = await filled(folder, 9);
		const packs = await Packs.open(folder);
		packs.use(hashes[3] as string);
		const retired = await packs.retire();
		expect(retired).toEqual(["00000001"]);
		// As long as the manifest is not written, the old ones are there.
		expect(readdirSync(folder)).toContain("00000001.pack");
		await packs.removePacks(retired);
		await packs.close();
		expect(readdirSync(folder)).toEqual(["00000002.index", "00000002.pack"]);
		const { found } = await whole(folder, hashes);
		expect(found.flatMap((is, i) => (is ? [i] : []))).toEqual([3]);
	});
});

const manifest = (copiedMilliseconds: number): Manifest => ({
	format: BACKUP_FORMAT,
	version: "0.1.0",
	copiedMilliseconds,
	node: { id: "n", name: "a" },
	cluster: "c",
	domains: [],
	aliases: [],
	accounts: [],
	files: [],
	state: { blocks: "0".repeat(64), sizeBytes: 0 },
	missing: [],
});

describe("manifest", () => {
	it("comes back, and the one before it where it is damaged", async () => {
		const folder = fresh();
		await writeManifest(folder, manifest(1));
		await writeManifest(folder, manifest(2));
		expect(await readManifest(folder)).toEqual({
			manifest: manifest(2),
			damaged: false,
		});
		flip(join(folder, "manifest.json"), 40);
		expect(await readManifest(folder)).toEqual({
			manifest: manifest(1),
			damaged: true,
		});
		flip(join(folder, "manifest.before.json"), 40);
		await expect(readManifest(folder)).rejects.toThrow("is damaged");
		expect(statSync(join(folder, "manifest.json")).mode & 0o777).toBe(0o600);
	});

	it("of a newer pmnode is refused with a word about it", async () => {
		const folder = fresh();
		await writeManifest(folder, {
			...manifest(1),
			format: BACKUP_FORMAT + 1,
			version: "9.0.0",
		});
		await expect(readManifest(folder)).rejects.toThrow(
			/format 2, newer than this version knows \(1\); run pmnode 9.0.0/,
		);
	});

	it("is missed where there is none", async () => {
		await expect(readManifest(fresh())).rejects.toThrow(
			/there is no backup in/,
		);
	});

	it("lists come back with odd flags", () => {
		const list = [
			{
				hash: "a".repeat(64),
				sizeBytes: 3,
				internalDateMilliseconds: 17,
				flags: ["\\Seen", '$"odd\\'],
			},
		];
		expect(decodeList(encodeList(list))).toEqual(list);
		expect(decodeList(encodeList([]))).toEqual([]);
	});
});
