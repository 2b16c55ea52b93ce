/**
 * Blobs of a backup, named by their SHA-256, in pack files that are written once and never changed. Each blob lies behind
 * a header of its own, so a pack is readable without its index, and damage costs only what it hits. What is in an earlier
 * pack is not written again: that is what makes backups incremental.
 */
import { createHash } from "node:crypto";
import {
	type FileHandle,
	mkdir,
	open,
	readdir,
	readFile,
	rm,
	stat,
} from "node:fs/promises";
import { join } from "node:path";
import { BACKUP_PACK_BYTES, BODY_BYTES_MAX } from "../../sync/limits.ts";

/** "PMP1", length of what follows, its SHA-256. */
const MAGIC = Buffer.from("PMP1");
const HEADER_BYTES = 4 + 4 + 32;
/** In the index: hash, offset of the blob, its length. */
const ROW_BYTES = 32 + 6 + 4;

interface Place {
	readonly pack: string;
	readonly offset: number;
	readonly length: number;
	/** Named by the backup in the making. */
	used: boolean;
}

/** A blob that the backup should have, and has not, or not whole. */
export class BlobLost extends Error {
	override name = "BlobLost";
}

export const hashOf = (bytes: Uint8Array): string =>
	createHash("sha256").update(bytes).digest("hex");

export async function syncFolder(folder: string): Promise<void> {
	const handle = await open(folder, "r");
	await handle.sync().finally(() => handle.close());
}

export class Packs {
	readonly #folder: string;
	readonly #places = new Map<string, Place>();
	readonly #sizes = new Map<string, number>();
	readonly #readers = new Map<string, FileHandle>();
	#writer: PackWriter | undefined;
	#next = 1;
	#written = 0;
	/** Puts go one after the other. */
	#last: Promise<unknown> = Promise.resolve();
	/** Packs whose index could not be used, and which were read whole instead. */
	readonly scanned: string[] = [];

	private constructor(folder: string) {
		this.#folder = folder;
	}

	static async open(folder: string): Promise<Packs> {
		const packs = new Packs(folder);
		const names = (await readdir(folder).catch(() => [])).sort();
		for (const name of names)
			if (/^\d{8}\.pack$/.test(name)) await packs.#load(name.slice(0, 8));
		return packs;
	}

	get writtenBytes(): number {
		return this.#written;
	}

	async #load(pack: string): Promise<void> {
		this.#next = Math.max(this.#next, Number(pack) + 1);
		const { size } = await stat(join(this.#folder, `${pack}.pack`));
		this.#sizes.set(pack, size);
		const rows = await this.#index(pack, size);
		if (rows === undefined) this.scanned.push(pack);
		for (const [hash, offset, length] of rows ?? (await this.#scan(pack, size)))
			this.#places.set(hash, { pack, offset, length, used: false });
	}

	async #index(
		pack: string,
		size: number,
	): Promise<[string, number, number][] | undefined> {
		const bytes = await readFile(join(this.#folder, `${pack}.index`)).catch(
			() => undefined,
		);
		if (bytes === undefined || bytes.length < 32) return undefined;
		const rows = bytes.subarray(0, -32);
		if (!createHash("sha256").update(rows).digest().equals(bytes.subarray(-32)))
			return undefined;
		const found: [string, number, number][] = [];
		for (let at = 0; at + ROW_BYTES <= rows.length; at += ROW_BYTES) {
			const offset = rows.readUIntBE(at + 32, 6);
			const length = rows.readUInt32BE(at + 38);
			// A pack that lost its tail has lost these.
			if (offset + length > size) continue;
			found.push([rows.toString("hex", at, at + 32), offset, length]);
		}
		return found;
	}

	/** Finds the blobs of a pack by their headers; skips what is damaged. */
	async #scan(pack: string, size: number): Promise<[string, number, number][]> {
		const found: [string, number, number][] = [];
		const file = await this.#reader(pack);
		let at = 0;
		while (at + HEADER_BYTES <= size) {
			const header = await readAt(file, at, HEADER_BYTES);
			const length = header.readUInt32BE(4);
			const hash = header.toString("hex", 8, 40);
			const offset = at + HEADER_BYTES;
			const whole =
				header.subarray(0, 4).equals(MAGIC) &&
				length <= BODY_BYTES_MAX &&
				offset + length <= size;
			if (whole && hashOf(await readAt(file, offset, length)) === hash) {
				found.push([hash, offset, length]);
				at = offset + length;
			} else at = await this.#nextHeader(file, at + 1, size);
		}
		return found;
	}

	async #nextHeader(
		file: FileHandle,
		from: number,
		size: number,
	): Promise<number> {
		const step = 256 * 1024;
		for (let at = from; at < size; at += step) {
			const chunk = await readAt(file, at, Math.min(step + 3, size - at));
			const found = chunk.indexOf(MAGIC);
			if (found >= 0) return at + found;
		}
		return size;
	}

	/** Whether the blob is there already; it then belongs to the backup in the making. */
	use(hash: string): boolean {
		const place = this.#places.get(hash);
		if (place !== undefined) place.used = true;
		return place !== undefined;
	}

	has(hash: string): boolean {
		return this.#places.has(hash);
	}

	/** Writes the blob unless it is there; returns its hash. */
	put(bytes: Uint8Array, hash = hashOf(bytes)): Promise<string> {
		const done = this.#last.then(() => this.#put(bytes, hash));
		this.#last = done.catch(() => {});
		return done;
	}

	async #put(bytes: Uint8Array, hash: string): Promise<string> {
		if (this.use(hash)) return hash;
		if (this.#writer !== undefined && this.#writer.size >= BACKUP_PACK_BYTES)
			await this.#finish();
		this.#writer ??= await PackWriter.create(this.#folder, this.#next++);
		const { pack } = this.#writer;
		const offset = await this.#writer.append(bytes, hash);
		this.#places.set(hash, { pack, offset, length: bytes.length, used: true });
		this.#written += bytes.length + HEADER_BYTES;
		return hash;
	}

	/** Throws BlobLost. */
	async get(hash: string): Promise<Buffer> {
		const place = this.#places.get(hash);
		if (place === undefined)
			throw new BlobLost(`blob ${hash.slice(0, 16)} is not in the backup`);
		let bytes: Buffer;
		try {
			const file = await this.#reader(place.pack);
			bytes = await readAt(file, place.offset, place.length);
		} catch (error) {
			throw new BlobLost(
				`${place.pack}.pack cannot be read (${(error as Error).message})`,
			);
		}
		if (hashOf(bytes) !== hash)
			throw new BlobLost(
				`${place.pack}.pack is damaged at byte ${place.offset}`,
			);
		return bytes;
	}

	async #reader(pack: string): Promise<FileHandle> {
		let file = this.#readers.get(pack);
		if (file === undefined) {
			file = await open(join(this.#folder, `${pack}.pack`), "r");
			this.#readers.set(pack, file);
		}
		return file;
	}

	async #finish(): Promise<void> {
		const writer = this.#writer;
		this.#writer = undefined;
		if (writer === undefined) return;
		this.#sizes.set(writer.pack, writer.size);
		await writer.finish();
	}

	/** All that was put is durable when this resolves. */
	async flush(): Promise<void> {
		await this.#last;
		await this.#finish();
	}

	/**
	 * Packs that are mostly of no use any more, their rest copied to others. Remove them with removePacks() once the new
	 * backup is durable.
	 */
	async retire(): Promise<readonly string[]> {
		const used = new Map<string, number>();
		for (const { pack, length, used: is } of this.#places.values())
			if (is) used.set(pack, (used.get(pack) ?? 0) + length + HEADER_BYTES);
		const retired = [...this.#sizes]
			.filter(([pack, size]) => (used.get(pack) ?? 0) < size / 2)
			.map(([pack]) => pack);
		for (const [hash, { pack, used: is }] of [...this.#places]) {
			if (!retired.includes(pack)) continue;
			const bytes = is
				? await this.get(hash).catch(() => undefined)
				: undefined;
			this.#places.delete(hash);
			if (bytes !== undefined) await this.put(bytes, hash);
		}
		await this.#finish();
		return retired;
	}

	async removePacks(packs: readonly string[]): Promise<void> {
		for (const pack of packs) {
			await this.#readers.get(pack)?.close();
			this.#readers.delete(pack);
			for (const kind of ["pack", "index"])
				await rm(join(this.#folder, `${pack}.${kind}`), { force: true });
		}
		if (packs.length > 0) await syncFolder(this.#folder);
	}

	async close(): Promise<void> {
		await this.#writer?.abandon();
		this.#writer = undefined;
		for (const file of this.#readers.values()) await file.close();
		this.#readers.clear();
	}
}

class PackWriter {
	readonly pack: string;
	readonly #folder: string;
	readonly #file: FileHandle;
	readonly #rows: Buffer[] = [];
	size = 0;

	private constructor(folder: string, pack: string, file: FileHandle) {
		this.#folder = folder;
		this.pack = pack;
		this.#file = file;
	}

	static async create(folder: string, number: number): Promise<PackWriter> {
		await mkdir(folder, { recursive: true, mode: 0o700 });
		const pack = String(number).padStart(8, "0");
		const file = await open(join(folder, `${pack}.pack`), "wx", 0o600);
		return new PackWriter(folder, pack, file);
	}

	/** Resolves to the offset of the blob. */
	async append(bytes: Uint8Array, hash: string): Promise<number> {
		const at = this.size;
		const offset = at + HEADER_BYTES;
		this.size = offset + bytes.length;
		const header = Buffer.alloc(HEADER_BYTES);
		MAGIC.copy(header);
		header.writeUInt32BE(bytes.length, 4);
		header.write(hash, 8, "hex");
		const row = Buffer.alloc(ROW_BYTES);
		row.write(hash, 0, "hex");
		row.writeUIntBE(offset, 32, 6);
		row.writeUInt32BE(bytes.length, 38);
		this.#rows.push(row);
		await writeAll(this.#file, Buffer.concat([header, bytes]), at);
		return offset;
	}

	async finish(): Promise<void> {
		await this.#file.sync();
		await this.#file.close();
		const rows = Buffer.concat(this.#rows);
		const index = await open(
			join(this.#folder, `${this.pack}.index`),
			"wx",
			0o600,
		);
		const digest = createHash("sha256").update(rows).digest();
		await writeAll(index, Buffer.concat([rows, digest]), 0);
		await index.sync();
		await index.close();
		await syncFolder(this.#folder);
	}

	/** What it wrote so far stays; the next run finds it by its headers. */
	async abandon(): Promise<void> {
		await this.#file.close();
	}
}

async function writeAll(
	file: FileHandle,
	bytes: Buffer,
	position: number,
): Promise<void> {
	for (let at = 0; at < bytes.length; ) {
		const { bytesWritten } = await file.write(
			bytes,
			at,
			bytes.length - at,
			position + at,
		);
		at += bytesWritten;
	}
}

async function readAt(
	file: FileHandle,
	position: number,
	length: number,
): Promise<Buffer> {
	const bytes = Buffer.allocUnsafe(length);
	for (let at = 0; at < length; ) {
		const { bytesRead } = await file.read(
			bytes,
			at,
			length - at,
			position + at,
		);
		if (bytesRead === 0) throw new Error("cut short");
		at += bytesRead;
	}
	return bytes;
}
