/**
 * Blocks of bodies as they lie in a drive: each one compressed by itself, so that a part of a body is read without the rest,
 * or plain where that saves nothing. Which of the two it is tells its length: a packed block is shorter than what it holds.
 * Hash and size of a body are those of its plain bytes.
 */
import { promisify } from "node:util";
import {
	constants,
	type ZstdOptions,
	zstdCompress,
	zstdCompressSync,
	zstdDecompressSync,
} from "node:zlib";
import {
	BODY_PACKED_AT_ONCE_BYTES_MAX,
	ZLIB_CHUNK_BYTES_MIN,
} from "../limits.ts";
import { BLOCK_BYTES } from "./reference.ts";

/**
 * Mail of 4 kB shrinks as much with this level as with slower ones. With the size known beforehand tables and buffer are as
 * large as that needs, which is a quarter less work: the defaults are for streams.
 */
const optionsFor = ({ length }: Uint8Array): ZstdOptions => ({
	params: { [constants.ZSTD_c_compressionLevel]: 1 },
	pledgedSrcSize: length,
	chunkSize: Math.max(ZLIB_CHUNK_BYTES_MIN, length),
});
/** Less than a sixteenth saved is not worth unpacking it with each read. */
const isWorthwhile = (packed: Uint8Array, plain: Uint8Array): boolean =>
	packed.length < plain.length - plain.length / 16;

const compress = promisify(
	(
		bytes: Uint8Array,
		done: (error: Error | null, packed: Buffer) => void,
	): void => zstdCompress(bytes, optionsFor(bytes), done),
);

export function plainBlocks(content: Uint8Array): Uint8Array[] {
	const blocks: Uint8Array[] = [];
	for (let at = 0; at < content.length; at += BLOCK_BYTES)
		blocks.push(content.subarray(at, at + BLOCK_BYTES));
	return blocks;
}

/** The blocks of these bytes, packed: of small mail at once, of more than that by other threads. */
export async function packedBlocks(content: Uint8Array): Promise<Uint8Array[]> {
	const small = content.length <= BODY_PACKED_AT_ONCE_BYTES_MAX;
	return Promise.all(
		plainBlocks(content).map(async (plain) => {
			const packed = small
				? zstdCompressSync(plain, optionsFor(plain))
				: await compress(plain);
			return isWorthwhile(packed, plain) ? packed : plain;
		}),
	);
}

/** The plain bytes of a block, which are to be so many; undefined where it does not hold them. */
export function unpackedBlock(
	block: Uint8Array,
	plainBytes: number,
): Uint8Array | undefined {
	if (block.length >= plainBytes)
		return block.length === plainBytes ? block : undefined;
	try {
		const plain = zstdDecompressSync(block, {
			maxOutputLength: plainBytes,
			// With room to see that it ends there.
			chunkSize: Math.max(ZLIB_CHUNK_BYTES_MIN, plainBytes + 1),
		});
		return plain.length === plainBytes ? plain : undefined;
	} catch {
		// No zstd, or more than it may hold: it came from another member, or was damaged.
		return undefined;
	}
}
