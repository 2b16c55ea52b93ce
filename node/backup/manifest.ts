/** The table of contents of a backup: written last, whole or not at all; the one before it stays beside it. */
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { OperatorFault } from "../../sync/faults.ts";
import { hashOf, syncFolder } from "./packs.ts";

/** Raised when an older pmnode could not read what a newer one writes. */
export const BACKUP_FORMAT = 1;

export interface ManifestMailbox {
	readonly name: string;
	readonly role?: string | undefined;
	readonly messages: number;
	/** Blobs of message lists, in UID order. */
	readonly lists: readonly string[];
}

export interface ManifestAccount {
	readonly address: string;
	readonly passwordHash?: string | undefined;
	readonly subscriptions: readonly string[];
	readonly mailboxes: readonly ManifestMailbox[];
}

export interface Manifest {
	readonly format: number;
	/** By which pmnode. */
	readonly version: string;
	/** When the copy of the state was made: what came later is not in it. */
	readonly copiedMilliseconds: number;
	readonly node: { readonly id: string; readonly name: string };
	readonly cluster: string;
	readonly domains: readonly string[];
	readonly aliases: readonly {
		readonly alias: string;
		readonly target: string;
	}[];
	readonly accounts: readonly ManifestAccount[];
	/** The node's own files beside its state: path within the data folder, blob. */
	readonly files: readonly { readonly path: string; readonly blob: string }[];
	/** The copy of state.db in blocks: the blob of the list of their hashes. */
	readonly state: { readonly blocks: string; readonly sizeBytes: number };
	/** What could not be copied, one line each. */
	readonly missing: readonly string[];
}

/** One message of a list. */
export interface ListedMessage {
	readonly hash: string;
	readonly sizeBytes: number;
	readonly internalDateMilliseconds: number;
	readonly flags: readonly string[];
}

export const encodeList = (messages: readonly ListedMessage[]): Buffer =>
	gzipSync(
		messages
			.map(({ hash, sizeBytes, internalDateMilliseconds, flags }) =>
				JSON.stringify([hash, sizeBytes, internalDateMilliseconds, flags]),
			)
			.join("\n"),
	);

export const decodeList = (bytes: Uint8Array): ListedMessage[] =>
	gunzipSync(bytes)
		.toString("utf8")
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => {
			const [hash, sizeBytes, internalDateMilliseconds, flags] =
				JSON.parse(line);
			return { hash, sizeBytes, internalDateMilliseconds, flags };
		});

const FILE = "manifest.json";
const BEFORE = "manifest.before.json";

/** Durable, under its name, when it resolves. */
export async function writeManifest(
	folder: string,
	manifest: Manifest,
): Promise<void> {
	const text = JSON.stringify(manifest, null, "\t");
	const temporary = join(folder, `${FILE}.new`);
	await rm(temporary, { force: true });
	const file = await open(temporary, "wx", 0o600);
	await file.writeFile(`${text}\n${hashOf(Buffer.from(text))}\n`);
	await file.sync();
	await file.close();
	await rename(join(folder, FILE), join(folder, BEFORE)).catch((error) => {
		if (error.code !== "ENOENT") throw error;
	});
	await rename(temporary, join(folder, FILE));
	await syncFolder(folder);
}

/** The newest whole manifest; `damaged` says that it is not the last one written. Throws OperatorFault. */
export async function readManifest(
	folder: string,
): Promise<{ manifest: Manifest; damaged: boolean }> {
	const [now, before] = await Promise.all(
		[FILE, BEFORE].map((name) => parsed(join(folder, name))),
	);
	const manifest = now ?? before;
	if (manifest === undefined)
		throw new OperatorFault(
			now === undefined && (await exists(join(folder, FILE)))
				? `the manifest of the backup in ${folder} is damaged, and there is no earlier one; take another backup`
				: `there is no backup in ${folder}; give the folder that "pmnode backup" was given`,
		);
	if (manifest.format > BACKUP_FORMAT)
		throw new OperatorFault(
			`the backup in ${folder} has format ${manifest.format}, newer than this version knows (${BACKUP_FORMAT}); run pmnode ${manifest.version} or newer`,
		);
	return { manifest, damaged: now === undefined };
}

/** Undefined where there is none, or none that is whole. */
async function parsed(file: string): Promise<Manifest | undefined> {
	const text = await readFile(file, "utf8").catch((error) => {
		if (error.code === "ENOENT" || error.code === "ENOTDIR") return "";
		throw new OperatorFault(
			`cannot read ${file} (${error.code}); run as the user who made the backup`,
		);
	});
	const end = text.trimEnd().lastIndexOf("\n");
	const json = text.slice(0, end);
	if (end < 0 || hashOf(Buffer.from(json)) !== text.slice(end).trim())
		return undefined;
	return JSON.parse(json) as Manifest;
}

export const exists = (file: string): Promise<boolean> =>
	open(file, "r").then(
		async (handle) => {
			await handle.close();
			return true;
		},
		() => false,
	);

export async function makeBackupFolder(folder: string): Promise<void> {
	try {
		await mkdir(folder, { recursive: true, mode: 0o700 });
	} catch (error) {
		throw new OperatorFault(
			`cannot make ${folder} (${(error as NodeJS.ErrnoException).code}); choose a folder that this user may write to`,
		);
	}
}
