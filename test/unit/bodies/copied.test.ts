/**
 * Copies of another member's drive, whose files are cut, flipped, or put back to an older copy, at many offsets: what is gone
 * is noticed when the store is opened, what is wrong when it is read; nothing wrong is given out, all of it comes again from
 * the member, and the store is sound then.
 */
import { randomBytes } from "node:crypto";
import {
	closeSync,
	cpSync,
	openSync,
	readdirSync,
	readSync,
	renameSync,
	rmSync,
	statSync,
	truncateSync,
	writeSync,
} from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type DriveBodies, openBodies } from "../../../sync/bodies/bodies.ts";
import { nodeId } from "../../../sync/ids.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import { StoreDamaged } from "../../../sync/ports/store.ts";
import { realClock } from "../../../sync/real/clock.ts";
import {
	connectStreams,
	TestStreams,
	temporaryFolder,
	testLog,
} from "./pair.ts";

/** Of each file; the more, the longer. */
const OFFSETS = Number(process.env.PMNODE_DAMAGE_OFFSETS ?? 3);
/** Of what holds bodies, tree nodes and bitfields, and of what says which files do. */
const KINDS = /\.(sst|blob|log)$|MANIFEST|CURRENT/;

const folder = temporaryFolder();
const owner = make("a");
const copier = make("b");
let a: DriveBodies;
const sent: { reference: BodyRef; bytes: Buffer }[] = [];
/** The store of the copier: sound, as it was some time ago, and how long its copy was in both. */
const sound = join(folder.path, "sound");
const old = join(folder.path, "old");
let marks: ReadonlyMap<string, number>;

function make(name: string) {
	return {
		node: nodeId(`12D3Koo${name.repeat(20)}`),
		streams: new TestStreams(),
		directory: join(folder.path, name),
		log: testLog(),
	};
}

async function open(parts: typeof owner): Promise<DriveBodies> {
	const bodies = await openBodies({
		...parts,
		drive: { name: "drive", lengthBlocksAtLeast: 0 },
		clock: realClock,
	});
	if (parts !== owner) bodies.setDrives([{ node: owner.node, drive: a.drive }]);
	return bodies;
}

/** The copier runs for a while; what it had is in files of tables and values at its next start. */
async function copies(sizes: readonly number[]): Promise<void> {
	const b = await open(copier);
	const cut = await connectStreams(owner, copier);
	for (const size of sizes) {
		const bytes = randomBytes(size);
		const writer = a.create();
		await writer.write(bytes);
		const reference = await writer.commit();
		await b.fetch(reference);
		sent.push({ reference, bytes });
	}
	marks = await b.copiedLengths();
	cut();
	await b.close();
}

beforeAll(async () => {
	a = await open(owner);
	await copies([3_000, 20_000, 7_000, 300, 90_000, 4_000]);
	await copies([]);
	cpSync(copier.directory, old, { recursive: true });
	await copies([3_000, 20_000, 7_000, 300, 150_000, 4_000]);
	cpSync(copier.directory, sound, { recursive: true });
}, 60_000);
afterAll(async () => {
	await a.close();
	folder.remove();
});

function flip(file: string, at: number): void {
	const handle = openSync(file, "r+");
	const byte = Buffer.alloc(1);
	readSync(handle, byte, 0, 1, at);
	byte[0] = (byte[0] as number) ^ 0x40;
	writeSync(handle, byte, 0, 1, at);
	closeSync(handle);
}

/** As a node does: what does not open is put aside. */
async function opened(
	parts: typeof owner,
	what: string,
): Promise<{ b: DriveBodies; isAside: boolean }> {
	try {
		return { b: await open(parts), isAside: false };
	} catch (error) {
		expect(error, what).toBeInstanceOf(StoreDamaged);
		renameSync(parts.directory, `${parts.directory}.damaged`);
		return { b: await open(parts), isAside: true };
	}
}

async function healsFrom(
	damage: (directory: string) => void,
	what: string,
	isCut = false,
): Promise<string> {
	const parts = {
		...copier,
		streams: new TestStreams(),
		directory: join(folder.path, "damaged"),
	};
	cpSync(sound, parts.directory, { recursive: true });
	damage(parts.directory);
	const { b, isAside } = await opened(parts, what);
	const noticed = b.dropped ?? b.cutFiles[0] ?? (await b.shortened(marks));
	const states: string[] = [];
	for (const { reference } of sent) states.push(await b.verify(reference));
	if (states.includes("missing")) expect(noticed, what).toBeDefined();
	expect(b.cutFiles.length, what).toBe(isCut ? 1 : 0);
	const cut = await connectStreams(owner, parts);
	for (const { reference, bytes } of sent) {
		// What the copy cannot prove any more is handed over (replication/handover.ts).
		const read = b.read(reference).catch(async (error) => {
			if (!(await b.isStuck(reference))) throw error;
			await b.takeIn(reference, a.stream(reference));
			return b.read(reference);
		});
		expect(bytes.equals(await read), what).toBe(true);
	}
	cut();
	const lengths = await b.copiedLengths();
	await b.close();
	const again = await open(parts);
	expect(again.dropped, what).toBeUndefined();
	expect(await again.shortened(lengths), what).toBeUndefined();
	for (const { reference } of sent)
		expect(await again.verify(reference), what).toBe("whole");
	await again.close();
	for (const each of [parts.directory, `${parts.directory}.damaged`])
		rmSync(each, { recursive: true, force: true });
	if (isAside) return "put aside";
	const damaged = states.filter((state) => state === "damaged").length;
	return noticed !== undefined
		? "noticed"
		: damaged > 0
			? "noticed when read"
			: "none the worse";
}

it("each file cut and flipped at many offsets", async () => {
	const files = readdirSync(sound, { recursive: true, withFileTypes: true })
		.filter((each) => each.isFile() && KINDS.test(each.name))
		.map((each) => relative(sound, join(each.parentPath, each.name)))
		.filter((name) => statSync(join(sound, name)).size > 0);
	const outcomes = new Map<string, number>();
	for (const file of files)
		for (const how of ["cut", "flip"] as const)
			for (let i = 0; i < OFFSETS; i++) {
				const { size } = statSync(join(sound, file));
				const at = Math.floor((size * i) / OFFSETS);
				const what = `${how} ${file} at ${at} of ${size}`;
				const isCut = how === "cut" && file.endsWith(".blob");
				const outcome = await healsFrom(
					(directory) => {
						if (how === "cut") truncateSync(join(directory, file), at);
						else flip(join(directory, file), at);
					},
					what,
					isCut,
				);
				const kind = `${how} .${file.split(/[./]/).at(-1)}: ${outcome}`;
				outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
			}
	if (process.env.PMNODE_TEST_VERBOSE) console.log(outcomes);
	// Each way in which it may go was gone.
	expect([...outcomes.keys()]).toEqual(
		expect.arrayContaining([
			"cut .sst: put aside",
			"flip .sst: put aside",
			"cut .blob: noticed",
			"flip .blob: noticed when read",
			"cut .log: noticed",
			"flip .log: noticed",
		]),
	);
}, 300_000);

it("a file of bodies that is gone is noticed too", async () => {
	const files = readdirSync(sound, { recursive: true, encoding: "utf8" });
	const blobs = files.filter((name) => name.endsWith(".blob"));
	expect(blobs.length).toBeGreaterThan(0);
	for (const name of blobs) {
		const outcome = await healsFrom(
			(directory) => rmSync(join(directory, name)),
			`without ${name}`,
			true,
		);
		expect(outcome).toBe("noticed");
	}
});

it("an older copy in place of the newer is noticed, though it is whole", async () => {
	const outcome = await healsFrom((directory) => {
		rmSync(directory, { recursive: true });
		cpSync(old, directory, { recursive: true });
	}, "old");
	expect(outcome).toBe("noticed");
});

it("nothing where there was something is noticed too", async () => {
	const outcome = await healsFrom(
		(directory) => rmSync(directory, { recursive: true }),
		"gone",
	);
	expect(outcome).toBe("noticed");
});
