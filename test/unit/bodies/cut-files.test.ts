/** The sizes of RocksDB's blob files, as its MANIFEST has them: in every state of a store those that the files have. */
import { randomBytes } from "node:crypto";
import {
	readdirSync,
	readFileSync,
	statSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type DriveBodies, openBodies } from "../../../sync/bodies/bodies.ts";
import { cutFiles } from "../../../sync/bodies/cut-files.ts";
import { blobFilesOf, UnknownManifest } from "../../../sync/bodies/manifest.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import { realClock } from "../../../sync/real/clock.ts";
import { TestStreams, temporaryFolder, testLog } from "./pair.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
	folder = temporaryFolder();
});
afterEach(() => folder.remove());

const database = () => join(folder.path, "drives", "db");
const open = (): Promise<DriveBodies> =>
	openBodies({
		directory: folder.path,
		drive: { name: "drive", lengthBlocksAtLeast: 0 },
		streams: new TestStreams(),
		clock: realClock,
		log: testLog(),
	});

async function write(bodies: DriveBodies, count: number): Promise<BodyRef[]> {
	const references: BodyRef[] = [];
	for (let i = 0; i < count; i++) {
		const writer = bodies.create();
		await writer.write(randomBytes(1_000 * (i + 1)));
		references.push(await writer.commit());
	}
	return references;
}

const manifest = (): Buffer => {
	const name = readFileSync(join(database(), "CURRENT"), "latin1").trim();
	return readFileSync(join(database(), name));
};

/** Those that are there, as the MANIFEST has to have them. */
function onDisk(): Map<string, number> {
	const names = readdirSync(database()).filter((name) =>
		name.endsWith(".blob"),
	);
	return new Map(
		names.sort().map((name) => [name, statSync(join(database(), name)).size]),
	);
}

const named = () => new Map([...blobFilesOf(manifest())].sort());

it("names each blob file with its size: after starts, with garbage in it, when some were removed", async () => {
	let clearable: BodyRef[] = [];
	const seen = new Set<string>();
	for (let life = 0; life < 6; life++) {
		const bodies = await open();
		expect(bodies.cutFiles).toEqual([]);
		expect(named()).toEqual(onDisk());
		for (const name of onDisk().keys()) seen.add(name);
		const some = await write(bodies, 12);
		if (life === 2)
			// All of one file, and half of another.
			await bodies.clear(
				bodies.drive,
				[...clearable, ...some.slice(6)].map(({ blob }) => ({
					start: blob[1],
					end: blob[1] + blob[2],
				})),
			);
		if (life === 3) await bodies.compact();
		clearable = some;
		await bodies.close();
		expect(named()).toEqual(onDisk());
	}
	// One with each life, of which those with something cleared were written anew.
	expect(seen.size).toBeGreaterThan(4);
	expect(onDisk().size).toBeGreaterThan(1);
	expect(onDisk().size).toBeLessThan(seen.size);
}, 60_000);

it("a MANIFEST of another kind tells nothing, and says so", async () => {
	const bodies = await open();
	await write(bodies, 3);
	await bodies.close();
	await (await open()).close();
	const [name] = onDisk().keys();
	truncateSync(join(database(), name as string), 100);
	expect(await cutFiles(database(), testLog())).toHaveLength(1);
	const current = readFileSync(join(database(), "CURRENT"), "latin1").trim();
	const unknown = manifest();
	// What the first record says first.
	unknown[7] = 0x7f;
	expect(() => blobFilesOf(unknown)).toThrow(UnknownManifest);
	writeFileSync(join(database(), current), unknown);
	const log = testLog();
	expect(await cutFiles(database(), log)).toEqual([]);
	expect(log.lines.map(({ level }) => level)).toEqual(["warn"]);
});
