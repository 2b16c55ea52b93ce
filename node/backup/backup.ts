/**
 * `pmnode backup DIR`: a consistent copy while the node runs. First the state is copied as of one moment, then all that
 * the copy names: lists of messages and bodies. Bodies never change, so what an earlier run wrote is not written again. The
 * manifest is written last: a run that ends before leaves the backup before it whole.
 */
import { open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { OperationEvent } from "../../sync/api.ts";
import {
	DamagedDocument,
	Export,
	type ExportedMailbox,
	type ExportedMessage,
} from "../../sync/backup/export.ts";
import { OperatorFault } from "../../sync/faults.ts";
import {
	BACKUP_BLOCK_BYTES,
	BACKUP_BODIES_AT_ONCE,
} from "../../sync/limits.ts";
import {
	type Bodies,
	type BodyRef,
	BodyUnavailable,
} from "../../sync/ports/bodies.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import { type Store, StoreFailed, StoreFull } from "../../sync/ports/store.ts";
import {
	BACKUP_FORMAT,
	encodeList,
	type Manifest,
	type ManifestAccount,
	type ManifestMailbox,
	makeBackupFolder,
	readManifest,
	writeManifest,
} from "./manifest.ts";
import { hashOf, Packs } from "./packs.ts";

export interface BackupOptions {
	readonly folder: string;
	readonly dataDirectory: string;
	readonly node: { readonly id: string; readonly name: string };
	readonly cluster: string;
	readonly version: string;
	/** Copies the state as of one moment into a new file. */
	readonly copyState: (
		file: string,
		signal: AbortSignal,
		progress: (done: number, total: number) => void,
	) => Promise<void>;
	/** Opens such a copy. */
	readonly openCopy: (file: string) => Store;
	readonly bodies: Pick<Bodies, "has" | "verify" | "fetch" | "read">;
	readonly clock: Clock;
	readonly tell: (event: OperationEvent) => void;
	readonly signal: AbortSignal;
}

export interface BackupResult {
	readonly accounts: number;
	readonly messages: number;
	/** What this run wrote. */
	readonly newBytes: number;
	/** What could not be copied. */
	readonly missing: number;
}

export async function backUp(options: BackupOptions): Promise<BackupResult> {
	const { folder } = options;
	await makeBackupFolder(folder);
	await refuseOthers(options);
	const packs = await Packs.open(join(folder, "packs"));
	try {
		return await new Backup(options, packs).run();
	} catch (error) {
		options.signal.throwIfAborted();
		throw faultOf(error, folder);
	} finally {
		await packs.close();
	}
}

function faultOf(error: unknown, folder: string): unknown {
	const { code } = error as NodeJS.ErrnoException;
	if (error instanceof StoreFull || code === "ENOSPC" || code === "EDQUOT")
		return new OperatorFault(
			`no room on the disk of ${folder}; make room there and run it again, it goes on where it was`,
		);
	if (code === "EACCES" || code === "EROFS" || code === "EPERM")
		return new OperatorFault(
			`cannot write to ${folder} (${code}); choose a folder that the node's user may write to`,
		);
	return error;
}

/** A folder is for one node: another one would take away what this one has there. */
async function refuseOthers({ folder, node }: BackupOptions): Promise<void> {
	const names = await readdir(folder);
	if (names.length === 0) return;
	if (!names.some((name) => /^(manifest\.|packs$|state\.copying)/.test(name)))
		throw new OperatorFault(
			`${folder} holds something else than a backup; choose an empty folder`,
		);
	if (!names.some((name) => name.startsWith("manifest."))) return;
	// One that is damaged is replaced; one of a newer version is left alone.
	const found = await readManifest(folder).catch((error: Error) => {
		if (/newer than this version/.test(error.message)) throw error;
	});
	if (found !== undefined && found.manifest.node.id !== node.id)
		throw new OperatorFault(
			`${folder} holds a backup of node ${found.manifest.node.name}; each node needs a folder of its own`,
		);
}

/** Files of a data folder that are a node's own and nobody else can give back. */
const OWN_FILES = /^(identity\.key|pmnode\.toml|tls\/[^/]+)$/;

class Backup {
	readonly #options: BackupOptions;
	readonly #packs: Packs;
	readonly #missing: string[] = [];
	#messages = 0;
	#done = 0;
	#total = 0;

	constructor(options: BackupOptions, packs: Packs) {
		this.#options = options;
		this.#packs = packs;
	}

	async run(): Promise<BackupResult> {
		const { folder, clock, node, cluster, version } = this.#options;
		for (const pack of this.#packs.scanned)
			this.#note(
				`the index of ${pack}.pack of an earlier run is damaged or missing; the pack was read instead`,
			);
		const file = join(folder, "state.copying");
		try {
			await this.#options.copyState(file, this.#options.signal, (done, total) =>
				this.#progress("copying the state", done, total),
			);
			const copiedMilliseconds = clock.now();
			const content = await this.#content(file);
			const manifest: Manifest = {
				format: BACKUP_FORMAT,
				version,
				copiedMilliseconds,
				node,
				cluster,
				...content,
				files: await this.#files(),
				state: await this.#state(file),
				missing: this.#missing,
			};
			await this.#packs.flush();
			const retired = await this.#packs.retire();
			this.#options.signal.throwIfAborted();
			await writeManifest(folder, manifest);
			await this.#packs.removePacks(retired);
			return {
				accounts: manifest.accounts.length,
				messages: this.#messages,
				newBytes: this.#packs.writtenBytes,
				missing: this.#missing.length,
			};
		} finally {
			for (const suffix of [
				"",
				"-wal",
				"-shm",
				"-journal",
				"-journal1",
				"-journal2",
			])
				await rm(file + suffix, { force: true });
		}
	}

	#progress(stage: string, done: number, total: number): void {
		this.#options.tell({ kind: "progress", stage, done, total });
	}
	#note(text: string): void {
		this.#options.tell({ kind: "note", text });
	}
	#lost(what: string, todo: string): void {
		this.#missing.push(what);
		this.#options.tell({ kind: "problem", what, todo, mended: false });
	}

	/** Lets others have a turn, and ends the run where that was asked for. */
	async #breathe(): Promise<void> {
		this.#options.signal.throwIfAborted();
		await new Promise<void>((resolve) => {
			this.#options.clock.after(0, resolve);
		});
	}

	// ------------------------------------------------------------------ what the copy names

	async #content(
		file: string,
	): Promise<Pick<Manifest, "accounts" | "domains" | "aliases">> {
		const store = this.#options.openCopy(file);
		try {
			const all = new Export(store);
			const accounts: ManifestAccount[] = [];
			this.#total = countLive(store);
			for (const { address, account } of all.users())
				accounts.push(await this.#account(all, address, account));
			return { accounts, domains: all.domains(), aliases: all.aliases() };
		} finally {
			store.close();
		}
	}

	async #account(
		all: Export,
		address: string,
		id: Parameters<Export["account"]>[1],
	): Promise<ManifestAccount> {
		try {
			const { passwordHash, subscriptions, mailboxes } = all.account(
				address,
				id,
			);
			const found: ManifestMailbox[] = [];
			for (const mailbox of mailboxes)
				found.push(await this.#mailbox(all, address, mailbox));
			return { address, passwordHash, subscriptions, mailboxes: found };
		} catch (error) {
			if (!(error instanceof DamagedDocument)) throw error;
			this.#lost(
				`account ${address} (${error.message})`,
				'run "pmnode check --repair", then another backup',
			);
			return { address, subscriptions: [], mailboxes: [] };
		}
	}

	async #mailbox(
		all: Export,
		address: string,
		{ id, name, role }: ExportedMailbox,
	): Promise<ManifestMailbox> {
		const messages: ExportedMessage[] = [];
		for (const some of all.messages(id)) {
			messages.push(...some);
			await this.#breathe();
		}
		messages.sort((a, b) => a.uid - b.uid || (a.entry < b.entry ? -1 : 1));
		await this.#bodies(messages, `${address} ${name}`);
		const lists: string[] = [];
		for (const some of pieces(messages)) {
			lists.push(
				await this.#packs.put(
					encodeList(
						some.map(({ body, internalDateMilliseconds, flags }) => ({
							hash: body.hash,
							sizeBytes: body.sizeBytes,
							internalDateMilliseconds,
							flags,
						})),
					),
				),
			);
			await this.#breathe();
		}
		this.#messages += messages.length;
		return { name, role, messages: messages.length, lists };
	}

	async #bodies(
		messages: readonly ExportedMessage[],
		where: string,
	): Promise<void> {
		let reading: Promise<void>[] = [];
		for (const message of messages) {
			this.#progress("copying mail", ++this.#done, this.#total);
			if (this.#packs.use(message.body.hash)) continue;
			reading.push(this.#body(message, where));
			if (reading.length < BACKUP_BODIES_AT_ONCE) continue;
			await Promise.all(reading);
			reading = [];
			await this.#breathe();
		}
		await Promise.all(reading);
	}

	/** From here, or from another member where it is damaged or has not arrived. */
	async #body({ body, uid }: ExportedMessage, where: string): Promise<void> {
		const { bodies } = this.#options;
		try {
			let bytes = await this.#lying(body);
			if (bytes === undefined) {
				await bodies.verify(body); // forgets that it was whole
				await bodies.fetch(body);
				bytes = await bodies.read(body);
			}
			await this.#packs.put(bytes, body.hash);
		} catch (error) {
			if (!(error instanceof BodyUnavailable)) throw error;
			this.#lost(
				`the body of message ${uid} of ${where} (hash ${body.hash.slice(0, 12)}) is neither here nor at a member that is up`,
				"bring the member back that has it, and take another backup",
			);
		}
	}

	/** The body as it lies here, if that is what its hash says. */
	async #lying(body: BodyRef): Promise<Uint8Array | undefined> {
		const { bodies } = this.#options;
		if (!(await bodies.has(body))) return undefined;
		try {
			const bytes = await bodies.read(body);
			return hashOf(bytes) === body.hash ? bytes : undefined;
		} catch (error) {
			if (error instanceof BodyUnavailable || error instanceof StoreFailed)
				return undefined;
			throw error;
		}
	}

	// ------------------------------------------------------------------ the node's own

	async #state(file: string): Promise<Manifest["state"]> {
		const { size } = await stat(file);
		const handle = await open(file, "r");
		const hashes: string[] = [];
		try {
			for (let at = 0; at < size; at += BACKUP_BLOCK_BYTES) {
				const block = Buffer.alloc(Math.min(BACKUP_BLOCK_BYTES, size - at));
				await handle.read(block, 0, block.length, at);
				hashes.push(await this.#packs.put(block));
				this.#progress("keeping the state", at + block.length, size);
				if (hashes.length % 64 === 0) await this.#breathe();
			}
		} finally {
			await handle.close();
		}
		const blocks = await this.#packs.put(Buffer.from(hashes.join(""), "hex"));
		return { blocks, sizeBytes: size };
	}

	async #files(): Promise<Manifest["files"]> {
		const { dataDirectory } = this.#options;
		const paths = (await readdir(dataDirectory, { recursive: true })).filter(
			(path) => OWN_FILES.test(path),
		);
		const files: { path: string; blob: string }[] = [];
		for (const path of paths.sort())
			files.push({
				path,
				blob: await this.#packs.put(await readFile(join(dataDirectory, path))),
			});
		return files;
	}
}

function countLive(store: Store): number {
	let sum = 0;
	for (const [, value] of store.range("box/", "box0"))
		sum += Math.max(0, JSON.parse(value as string).live);
	return sum;
}

/**
 * Cuts a list where a message's id says so, not at every so many: what comes or goes then changes one piece, and the
 * others are those of the last backup.
 */
function* pieces(
	messages: readonly ExportedMessage[],
): Generator<readonly ExportedMessage[]> {
	let piece: ExportedMessage[] = [];
	for (const message of messages) {
		piece.push(message);
		const cut =
			Buffer.from(message.entry.slice(-4), "base64url").readUInt16BE(0) %
			PIECE_MESSAGES;
		if (cut !== 0 && piece.length < PIECE_MESSAGES_MAX) continue;
		yield piece;
		piece = [];
	}
	if (piece.length > 0) yield piece;
}
const PIECE_MESSAGES = 256;
const PIECE_MESSAGES_MAX = 4_096;
