import { randomBytes } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
	packedBlocks,
	plainBlocks,
	unpackedBlock,
} from "../../../sync/bodies/packing.ts";
import { plainBytesOf } from "../../../sync/bodies/reference.ts";
import type { BodyRef, ReclaimableBodies } from "../../../sync/ports/bodies.ts";
import { idOf, realWorld } from "../../contract/bodies-worlds.ts";

const text = (bytes: number): Buffer =>
	Buffer.alloc(bytes, "Received: by mx1.example.org; all work and no play\r\n");

describe("blocks of bodies", () => {
	it("hold what was packed, and are never larger", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 90_000 })), {
					maxLength: 4,
				}),
				async (parts) => {
					const content = Buffer.concat(
						parts.map(([mail, bytes]) =>
							mail ? text(bytes) : randomBytes(bytes),
						),
					);
					const reference = { sizeBytes: content.length } as BodyRef;
					const plain = plainBlocks(content);
					const packed = await packedBlocks(content);
					expect(packed).toHaveLength(plain.length);
					for (const [index, block] of packed.entries()) {
						expect(block.length).toBeLessThanOrEqual(plain[index]?.length ?? 0);
						const bytes = plainBytesOf(reference, index);
						expect(unpackedBlock(block, bytes)).toEqual(plain[index]);
					}
				},
			),
			{ numRuns: 40 },
		);
	});

	it("that hold more, less or nothing are told, without unpacking them whole", () => {
		const bomb = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024));
		expect(unpackedBlock(bomb, 65_536)).toBeUndefined();
		expect(unpackedBlock(zstdCompressSync(text(900)), 1_000)).toBeUndefined();
		expect(unpackedBlock(randomBytes(500), 1_000)).toBeUndefined();
		expect(unpackedBlock(text(1_001), 1_000)).toBeUndefined();
	});
});

describe("a drive with packed bodies", () => {
	const world = realWorld();
	afterAll(() => world.end());
	const put = async (bodies: ReclaimableBodies, bytes: Buffer) => {
		const writer = bodies.create();
		await writer.write(bytes);
		return writer.commit();
	};
	const mails = {
		"a small mail": text(4_000),
		"a large mail": Buffer.concat([
			text(200_000),
			randomBytes(150_000),
			text(7_000_000),
		]),
		"what does not shrink": randomBytes(5_000),
		nothing: Buffer.alloc(0),
	};

	it("gives plain bytes, also parts of them, here, at a member, and after a restart; and takes less room", async () => {
		let a = await world.open("a");
		const b = await world.open("b");
		b.setDrives([{ node: idOf("a"), drive: a.drive }]);
		await world.connect("a", "b");
		const before = await put(a, text(4_000));
		a.setPacking(true);
		const stored: [Buffer, BodyRef][] = [[text(4_000), before]];
		for (const bytes of Object.values(mails))
			stored.push([bytes, await put(a, bytes)]);
		expect(stored.map(([bytes, { blob }]) => blob[3] === bytes.length)).toEqual(
			[true, false, false, true, true],
		);
		expect(a.sizeBytes()).toBeLessThan(1_000_000);
		for (const [, reference] of stored) await b.fetch(reference);
		await a.close();
		a = await world.open("a");
		for (const bodies of [a, b])
			for (const [bytes, reference] of stored) {
				expect(await bodies.verify(reference)).toBe("whole");
				expect(bytes.equals(await bodies.read(reference))).toBe(true);
				const part = await bodies.read(reference, 65_500, 400_000);
				expect(bytes.subarray(65_500, 400_000).equals(part)).toBe(true);
			}
	});
});
