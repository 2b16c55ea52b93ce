/** What a body store promises, kept by the real one (two stores joined over loopback) and by its simulated twin. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { DriveShort } from "../../sync/bodies/bodies.ts";
import { ClientFault } from "../../sync/faults.ts";
import type { BodyHash } from "../../sync/ids.ts";
import {
	BODY_BYTES_MAX,
	BODY_COPY_MILLISECONDS_MAX,
	BODY_FETCH_MILLISECONDS_MAX,
	BODY_HOPE_MILLISECONDS,
	BODY_MEMORY_BYTES_MAX,
} from "../../sync/limits.ts";
import {
	type AppendedBodies,
	type Bodies,
	type BodyPiece,
	type BodyRef,
	BodyUnavailable,
	type ReclaimableBodies,
} from "../../sync/ports/bodies.ts";
import { until } from "../harness/until.ts";
import {
	driveOf,
	idOf,
	realWorld,
	simulatedWorld,
	type World,
} from "./bodies-worlds.ts";

const pattern = (sizeBytes: number, seed = 1): Uint8Array => {
	const bytes = new Uint8Array(sizeBytes);
	for (let i = 0; i < sizeBytes; i++)
		bytes[i] = (i * 31 + (i >> 8) * seed) & 255;
	return bytes;
};
const sha256 = (bytes: Uint8Array): string =>
	createHash("sha256").update(bytes).digest("hex");

async function put(
	bodies: Bodies,
	bytes: Uint8Array,
	chunkBytes = 10_000,
): Promise<BodyRef> {
	const writer = bodies.create();
	for (let at = 0; at < bytes.length; at += chunkBytes)
		await writer.write(bytes.subarray(at, at + chunkBytes));
	return writer.commit();
}

async function drain(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of stream) chunks.push(chunk);
	return Buffer.concat(chunks);
}

const same = (a: Uint8Array, b: Uint8Array): boolean =>
	Buffer.compare(a, b) === 0;

/** Sizes around everything that changes the way a body takes. */
const SIZES = [
	0,
	1,
	4_000,
	65_535,
	65_536,
	65_537,
	BODY_MEMORY_BYTES_MAX,
	BODY_MEMORY_BYTES_MAX + 1,
	5_000_000,
];

let world: World;
afterEach(() => world.end());

describe.each([
	["simulated", simulatedWorld],
	["hyperdrive", realWorld],
] as const)("bodies, %s", (_, makeWorld) => {
	async function pair(): Promise<[ReclaimableBodies, ReclaimableBodies]> {
		world = makeWorld();
		const a = await world.open("a");
		const b = await world.open("b");
		const drives = [
			{ node: idOf("a"), drive: a.drive },
			{ node: idOf("b"), drive: b.drive },
		];
		a.setDrives(drives);
		b.setDrives(drives);
		return [a, b];
	}

	/** In steps, each of which lets real parts go on. */
	async function passUntil(
		done: () => boolean,
		milliseconds = BODY_HOPE_MILLISECONDS * 2,
	): Promise<void> {
		let left = milliseconds;
		await until(
			"it to happen in time",
			async () => {
				if (left <= 0) return done();
				left -= 100;
				await world.pass(100);
				return done();
			},
			{ everyMilliseconds: 1 },
		);
	}

	it.each(SIZES)("stores, reads and copies %i bytes", async (size) => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const bytes = pattern(size);
		const reference = await world.run(put(a, bytes));
		expect(reference).toMatchObject({
			hash: sha256(bytes),
			sizeBytes: size,
			drive: a.drive,
		});
		expect(await a.has(reference)).toBe(true);
		expect(same(await a.read(reference), bytes)).toBe(true);
		expect(same(await drain(a.stream(reference)), bytes)).toBe(true);
		await world.run(b.fetch(reference));
		expect(await b.has(reference)).toBe(true);
		expect(same(await b.read(reference), bytes)).toBe(true);
	});

	it("knows its size while it is written", async () => {
		const [a] = await pair();
		const writer = a.create();
		expect(writer.sizeBytes).toBe(0);
		await writer.write(pattern(300_000));
		await writer.write(pattern(5));
		expect(writer.sizeBytes).toBe(300_005);
		writer.abort();
	});

	it("gives a small body whole once it is durable, and none that failed", async () => {
		const [a] = await pair();
		const writer = a.create();
		await writer.write(pattern(100));
		await writer.write(pattern(50_000, 3));
		expect(writer.whole).toBeUndefined();
		const reference = await world.run(writer.commit());
		const whole = writer.whole ?? new Uint8Array();
		expect(reference.hash).toBe(sha256(whole));
		expect(same(await a.read(reference), whole)).toBe(true);
		const given = a.create();
		await given.write(pattern(100));
		given.abort();
		expect(given.whole).toBeUndefined();
	});

	it("reads any range exactly, here and from a member", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		await world.run(put(a, pattern(70_000, 9)));
		const bytes = pattern(200_000, 3);
		const reference = await world.run(put(a, bytes));
		await world.run(b.fetch(reference));
		const offset = fc.integer({ min: 0, max: 210_000 });
		await fc.assert(
			fc.asyncProperty(offset, offset, async (start, end) => {
				const expected = bytes.subarray(start, Math.max(start, end));
				for (const bodies of [a, b]) {
					const read = await bodies.read(reference, start, end);
					const streamed = await drain(bodies.stream(reference, start, end));
					if (!same(read, expected) || !same(streamed, expected)) return false;
				}
				return true;
			}),
			{
				numRuns: 50,
				examples: [
					[0, 0],
					[0, 65_536],
					[65_535, 65_537],
					[131_072, 200_000],
				],
			},
		);
	});

	it("fetches a body that a read asks for", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const bytes = pattern(150_000);
		const reference = await world.run(put(a, bytes));
		expect(await b.has(reference)).toBe(false);
		const part = await world.run(b.read(reference, 100_000, 100_010));
		expect(same(part, bytes.subarray(100_000, 100_010))).toBe(true);
		expect(await b.has(reference)).toBe(true);
	});

	it("waits for a member to come, and goes through a third one", async () => {
		const [a, b] = await pair();
		const c = await world.open("c");
		c.setDrives([{ node: idOf("a"), drive: a.drive }]);
		const reference = await world.run(put(a, pattern(20_000)));
		await world.connect("a", "c");
		await world.run(c.fetch(reference));
		world.cut();
		const fetching = b.fetch(reference);
		await world.connect("c", "b");
		await world.run(fetching);
		expect(await b.has(reference)).toBe(true);
	});

	it("gives up after the bound", async () => {
		const [a, b] = await pair();
		const reference = await world.run(put(a, pattern(4_000)));
		let settled = 0;
		const count = (error: unknown) => {
			settled++;
			return error;
		};
		const fetched = b.fetch(reference).catch(count);
		const read = b.read(reference).catch(count);
		// A client is told soon, as there is nobody that could have it; and again at once.
		await world.pass(BODY_HOPE_MILLISECONDS - 200);
		expect(settled).toBe(0);
		await passUntil(() => settled === 1);
		expect(await read).toBeInstanceOf(BodyUnavailable);
		await expect(b.read(reference)).rejects.toThrow(BodyUnavailable);
		await world.pass(BODY_COPY_MILLISECONDS_MAX - 1_000 - 2_200);
		expect(settled).toBe(1);
		await world.pass(2_000);
		expect(await fetched).toBeInstanceOf(BodyUnavailable);
		// And it can be had later.
		await world.connect("a", "b");
		await world.run(b.fetch(reference));
	});

	it("waits long for a body whose owner is connected, and soon no more when it is gone", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const good = await world.run(put(a, pattern(4_000)));
		await world.run(b.fetch(good));
		// As if it were still on its way.
		const coming: BodyRef = {
			...good,
			hash: sha256(pattern(9)) as BodyHash,
			blob: [4_000, 1, 1, 4_000],
		};
		let settled = 0;
		const read = () =>
			b.read(coming).catch((error: unknown) => {
				settled++;
				return error;
			});
		const first = read();
		await world.pass(BODY_FETCH_MILLISECONDS_MAX - 200);
		expect(settled).toBe(0);
		await world.pass(400);
		expect(await first).toBeInstanceOf(BodyUnavailable);
		const second = read();
		await world.pass(BODY_HOPE_MILLISECONDS * 2);
		expect(settled).toBe(1);
		world.cut();
		await passUntil(() => settled === 2, BODY_FETCH_MILLISECONDS_MAX / 2);
		expect(await second).toBeInstanceOf(BodyUnavailable);
	});

	it("reads what nobody had a moment ago as soon as a member has it", async () => {
		const [a, b] = await pair();
		const c = await world.open("c");
		c.setDrives([{ node: idOf("a"), drive: a.drive }]);
		const bytes = pattern(20_000);
		const reference = await world.run(put(a, bytes));
		await world.connect("c", "b");
		let settled = false;
		const read = b.read(reference).catch((error: unknown) => {
			settled = true;
			return error;
		});
		await passUntil(() => settled);
		expect(await read).toBeInstanceOf(BodyUnavailable);
		await world.connect("a", "c");
		await world.run(c.fetch(reference));
		await until("b to hear of it", async () =>
			same(await world.run(b.read(reference)), bytes),
		);
	});

	it("refuses a body that is not what its hash says, and keeps others", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const good = await world.run(put(a, pattern(100_000)));
		const wrong = { ...good, hash: sha256(pattern(7)) as BodyHash };
		await expect(world.run(b.fetch(wrong))).rejects.toThrow(BodyUnavailable);
		expect(await b.has(wrong)).toBe(false);
		expect(await a.has(wrong)).toBe(false);
		await expect(world.run(a.read(wrong))).rejects.toThrow(BodyUnavailable);
		await world.run(b.fetch(good));
		await expect(world.run(b.fetch(wrong))).rejects.toThrow(BodyUnavailable);
		expect(await b.has(good)).toBe(true);
		expect(same(await b.read(good), pattern(100_000))).toBe(true);
		expect(same(await a.read(good), pattern(100_000))).toBe(true);
	});

	it("gives no small body for a hash that is not its own, whoever asks first", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const good = await world.run(put(a, pattern(1_000)));
		await world.run(b.fetch(good));
		const wrong = { ...good, hash: sha256(pattern(7)) as BodyHash };
		for (const bodies of [a, b]) {
			await expect(world.run(bodies.read(wrong))).rejects.toThrow(
				BodyUnavailable,
			);
			expect(await bodies.has(wrong)).toBe(false);
			expect(same(await bodies.read(good), pattern(1_000))).toBe(true);
		}
	});

	it("keeps a body that a wrong reference reaches into", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const good = await world.run(put(a, pattern(100_000)));
		await world.run(put(a, pattern(30_000)));
		await world.run(b.fetch(good));
		const sizeBytes = 3 * 65_536;
		const reaching = {
			...good,
			sizeBytes,
			blob: [0, 0, 3, sizeBytes],
		} as const;
		await expect(world.run(b.fetch(reaching))).rejects.toThrow(BodyUnavailable);
		world.cut();
		expect(same(await b.read(good), pattern(100_000))).toBe(true);
	});

	it("refuses references that cannot be right", async () => {
		const [a] = await pair();
		const good = await world.run(put(a, pattern(100)));
		const bad: BodyRef[] = [
			{ ...good, sizeBytes: 99 },
			{ ...good, sizeBytes: 2 ** 40, blob: [0, 0, 2 ** 24, 2 ** 40] },
			{ ...good, blob: [0, -1, 1, 100] },
			{ ...good, blob: [0, 0, 70, 100] },
			{ ...good, drive: "x" },
			{ ...good, hash: "x" as BodyHash },
		];
		for (const reference of bad) {
			expect(await a.has(reference)).toBe(false);
			await expect(a.fetch(reference)).rejects.toThrow(BodyUnavailable);
			await expect(a.read(reference)).rejects.toThrow(BodyUnavailable);
		}
	});

	it("leaves nothing of an aborted body", async () => {
		const [a] = await pair();
		const before = a.lengthBlocks();
		for (const size of [1_000, 1_000_000]) {
			const writer = a.create();
			await writer.write(pattern(size));
			writer.abort();
			writer.abort();
			expect(() => writer.write(pattern(1))).toThrow();
			await expect(writer.commit()).rejects.toThrow();
		}
		expect(a.lengthBlocks()).toBe(before);
		expect(a.sizeBytes()).toBe(0);
	});

	it("commits a body once", async () => {
		const [a] = await pair();
		const writer = a.create();
		const reference = await world.run(writer.commit());
		await expect(writer.commit()).rejects.toThrow();
		writer.abort();
		expect(await a.has(reference)).toBe(true);
	});

	it("refuses more than the largest body", async () => {
		const [a] = await pair();
		const writer = a.create();
		const chunk = new Uint8Array(4 * 1024 * 1024);
		for (let left = BODY_BYTES_MAX; left > 0; left -= chunk.length)
			await writer.write(chunk.subarray(0, left));
		await expect(writer.write(Uint8Array.of(1))).rejects.toThrow(ClientFault);
		writer.abort();
	});

	it("keeps many bodies apart that come at once", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const sizes = Array.from({ length: 60 }, (_, i) => (i * 7_919) % 300_000);
		const references = await world.run(
			Promise.all(sizes.map((size, i) => put(a, pattern(size, i)))),
		);
		await world.run(
			Promise.all(references.map((reference) => b.fetch(reference))),
		);
		for (const [i, reference] of references.entries()) {
			const bytes = pattern(sizes[i] ?? 0, i);
			expect(same(await a.read(reference), bytes)).toBe(true);
			expect(same(await b.read(reference), bytes)).toBe(true);
		}
	});

	it("keeps all after a restart, copies too, and appends behind it", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const first = await world.run(put(a, pattern(200_000, 2)));
		await world.run(b.fetch(first));
		const mark = a.lengthBlocks();
		expect(mark).toBe(4);
		expect(a.sizeBytes()).toBe(200_000);
		world.cut();
		await world.run(a.close());
		await world.run(b.close());
		const again = await world.open("a", {
			name: "a",
			lengthBlocksAtLeast: mark,
		});
		const copy = await world.open("b");
		expect(again.drive).toBe(a.drive);
		expect(again.lengthBlocks()).toBe(mark);
		for (const bodies of [again, copy]) {
			expect(await bodies.has(first)).toBe(true);
			expect(same(await bodies.read(first), pattern(200_000, 2))).toBe(true);
		}
		const second = await world.run(put(again, pattern(10)));
		expect(second.blob).toEqual([200_000, 4, 1, 10]);
	});

	it("does not append to a drive that lost its tail, and still reads it", async () => {
		const [a] = await pair();
		const old = await world.run(put(a, pattern(100)));
		const mark = a.lengthBlocks();
		await world.run(a.close());
		await expect(
			world.open("a", { name: "a", lengthBlocksAtLeast: mark + 1 }),
		).rejects.toThrow(DriveShort);
		const next = await world.open("a", driveOf("a2"));
		expect(next.drive).not.toBe(a.drive);
		next.setDrives([{ node: idOf("a"), drive: a.drive }]);
		expect(same(await next.read(old), pattern(100))).toBe(true);
		const reference = await world.run(put(next, pattern(50)));
		expect(reference.drive).toBe(next.drive);
	});

	it("a lost disk is another drive, and gets its bodies back from members", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const reference = await world.run(put(a, pattern(30_000)));
		await world.run(b.fetch(reference));
		world.cut();
		await world.run(a.close());
		await world.loseDisk("a");
		const again = await world.open("a");
		expect(again.drive).not.toBe(a.drive);
		expect(await again.has(reference)).toBe(false);
		again.setDrives([{ node: idOf("a"), drive: a.drive }]);
		await world.connect("a", "b");
		await world.run(again.fetch(reference));
		expect(same(await again.read(reference), pattern(30_000))).toBe(true);
	});

	it("clears what is told, here alone, and keeps its neighbours; a fetch brings it back", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const sizes = [4_000, 70_000, 200_000, 4_000];
		const references: BodyRef[] = [];
		for (const size of sizes)
			references.push(await world.run(put(a, pattern(size, size))));
		for (const reference of references) await world.run(b.fetch(reference));
		const [first, second, third, last] = references as [
			BodyRef,
			BodyRef,
			BodyRef,
			BodyRef,
		];
		const lying = [{ start: 0, end: 8 }];
		expect(await world.run(b.held(a.drive))).toEqual(lying);
		const ranges = [second, third].map(({ blob }) => ({
			start: blob[1],
			end: blob[1] + blob[2],
		}));
		const clearing = b.clear(a.drive, ranges);
		// Asked for in the same turn: it is not told to be here when it is about to go.
		const has = b.has(second);
		await world.run(clearing);
		expect(await world.run(has)).toBe(false);
		expect(await world.run(b.has(third))).toBe(false);
		expect(await world.run(b.held(a.drive))).toEqual([
			{ start: 0, end: 1 },
			{ start: 7, end: 8 },
		]);
		expect(await world.run(a.held(a.drive))).toEqual(lying);
		for (const reference of [first, last]) {
			expect(await world.run(b.has(reference))).toBe(true);
			const bytes = await world.run(b.read(reference));
			expect(same(bytes, pattern(4_000, 4_000))).toBe(true);
		}
		await world.run(b.compact());
		await world.run(b.fetch(second));
		expect(await world.run(b.has(second))).toBe(true);
		expect(await world.run(b.has(third))).toBe(false);
	});

	it("an owner that cleared a body appends behind it, and gets it back from a copy", async () => {
		const [a, b] = await pair();
		await world.connect("a", "b");
		const reference = await world.run(put(a, pattern(90_000)));
		await world.run(b.fetch(reference));
		await world.run(a.clear(a.drive, [{ start: 0, end: 2 }]));
		expect(await world.run(a.held(a.drive))).toEqual([]);
		expect(await world.run(a.has(reference))).toBe(false);
		const next = await world.run(put(a, pattern(5_000)));
		expect(next.blob[1]).toBe(2);
		await world.run(b.fetch(next));
		await world.run(a.fetch(reference));
		expect(same(await world.run(a.read(reference)), pattern(90_000))).toBe(
			true,
		);
		expect(await world.run(a.held("ab".repeat(32)))).toEqual([]);
	});

	/** What a appends from now on; b has what came before. */
	async function followed(
		a: Bodies,
		b: Bodies,
	): Promise<readonly AppendedBodies[]> {
		await world.connect("a", "b");
		await world.run(b.fetch(await world.run(put(a, pattern(300, 7)))));
		const appended: AppendedBodies[] = [];
		a.onAppended((one) => void appended.push(one));
		return appended;
	}
	const piecesOf = (appended: readonly AppendedBodies[]): BodyPiece[] =>
		appended.map(({ piece }) => {
			if (piece === undefined) throw new Error("no piece");
			return piece;
		});
	const takeAll = async (by: Bodies, pieces: readonly BodyPiece[]) => {
		const taken: boolean[] = [];
		for (const one of pieces)
			taken.push(await world.run(by.take(idOf("a"), one)));
		return taken;
	};

	it("takes what the owner sends unasked, without a way back to it", async () => {
		const [a, b] = await pair();
		const appended = await followed(a, b);
		await until("a to know how long b's copy is", () => {
			return a.lengthAt(idOf("b")) === 1;
		});
		const references = await Promise.all(
			[4_000, 0, 70_000, 12].map((size) => world.run(put(a, pattern(size)))),
		);
		const all = appended.flatMap(({ bodies }) => bodies);
		expect(all.map(({ hash }) => hash).sort()).toEqual(
			references.map(({ hash }) => hash).sort(),
		);
		world.cut();
		const pieces = piecesOf(appended.filter(({ piece }) => piece));
		// In one turn: each follows what came before.
		const taken = pieces.map((one) => b.take(idOf("a"), one));
		// Who wants one meanwhile gets that.
		await world.run(Promise.all(references.map((one) => b.fetch(one))));
		expect(await world.run(Promise.all(taken))).toEqual(pieces.map(() => true));
		for (const reference of references)
			expect(
				same(await world.run(b.read(reference)), pattern(reference.sizeBytes)),
			).toBe(true);
		expect(await world.run(b.verify(references[2] as BodyRef))).toBe("whole");
	});

	it("tells of a large body that is appended, and does not send it", async () => {
		const [a] = await pair();
		const appended: AppendedBodies[] = [];
		a.onAppended((one) => void appended.push(one));
		const large = await world.run(put(a, pattern(BODY_MEMORY_BYTES_MAX + 1)));
		expect(appended).toEqual([{ bodies: [large] }]);
	});

	it("takes nothing out of order, twice, of others, or that is not what it says, and fetches all that", async () => {
		const [a, b] = await pair();
		const appended = await followed(a, b);
		const references: BodyRef[] = [];
		for (const size of [1_000, 2_000, 3_000])
			references.push(await world.run(put(a, pattern(size))));
		const [first, second, third] = piecesOf(appended) as [
			BodyPiece,
			BodyPiece,
			BodyPiece,
		];
		const [block] = first.blocks as [Uint8Array];
		const flipped = Uint8Array.from(block);
		flipped[5] = (flipped[5] as number) ^ 1;
		const wrong = [
			{ ...first, blocks: [flipped] },
			{ ...first, bodies: second.bodies },
			{ ...first, bodies: [] },
			{ ...first, blocks: [] },
			{ ...first, drive: b.drive },
			{ ...first, drive: "ab".repeat(32) },
			second,
			third,
		];
		expect(await takeAll(b, wrong)).toEqual(wrong.map(() => false));
		expect(await world.run(b.take(idOf("c"), first))).toBe(false);
		expect(await world.run(b.has(references[0] as BodyRef))).toBe(false);
		expect(await takeAll(b, [first, first, third])).toEqual([
			true,
			false,
			false,
		]);
		await world.run(Promise.all(references.map((one) => b.fetch(one))));
		expect(await world.run(b.has(references[2] as BodyRef))).toBe(true);
		// What it asked for brought its copy up to date: the next one fits.
		const last = await world.run(put(a, pattern(4_000)));
		const [piece] = piecesOf(appended).slice(-1) as [BodyPiece];
		expect(await takeAll(b, [piece])).toEqual([true]);
		expect(await world.run(b.verify(last))).toBe("whole");
	});

	it("ends what waits when it is closed", async () => {
		const [a, b] = await pair();
		const reference = await world.run(put(a, pattern(4_000)));
		const fetching = b.fetch(reference);
		const failing = expect(fetching).rejects.toThrow(BodyUnavailable);
		await world.run(b.close());
		await failing;
		expect(() => b.create()).toThrow();
		await expect(b.fetch(reference)).rejects.toThrow(BodyUnavailable);
		const begun = a.create();
		begun.write(pattern(9));
		const late = a.create();
		const committing = begun.commit();
		await world.run(a.close());
		expect((await world.run(committing)).sizeBytes).toBe(9);
		await expect(late.commit()).rejects.toThrow("closed");
	});
});
