/**
 * `pmnode restore DIR --data NEW`: a whole node out of a backup, on an empty folder, while nothing runs there. The state
 * gets its name last, so what breaks off leaves no half a node behind. Its first start begins a new life (another origin,
 * other UID slots), as others may have seen what this copy does not know of.
 */
import { chmod, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { OperationEvent } from "../../sync/api.ts";
import { markRestored } from "../../sync/backup/rehome.ts";
import { OperatorFault } from "../../sync/faults.ts";
import {
	BACKUP_BLOCK_BYTES,
	BACKUP_BODIES_AT_ONCE,
} from "../../sync/limits.ts";
import type { Bodies, BodyRef } from "../../sync/ports/bodies.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import type { Store } from "../../sync/ports/store.ts";
import {
	decodeList,
	exists,
	type ListedMessage,
	type Manifest,
} from "./manifest.ts";
import { BlobLost, type Packs, syncFolder } from "./packs.ts";
import { openBackup, type RestoreResult } from "./restore.ts";

export interface RestoreNodeOptions {
	readonly folder: string;
	readonly dataDirectory: string;
	readonly openStore: (file: string) => Store;
	/** Opens the folder of bodies, with a new drive of this name. */
	readonly openBodies: (directory: string, drive: string) => Promise<Bodies>;
	readonly clock: Clock;
	readonly tell: (event: OperationEvent) => void;
	readonly signal: AbortSignal;
}

export interface RestoreNodeResult extends RestoreResult {
	readonly name: string;
	readonly copiedMilliseconds: number;
}

/** What a data folder may hold already: what this very process made of it, and the operator's settings. */
const HARMLESS = new Set(["lock", "pid", "format", "pmnode.toml"]);

export async function restoreNode(
	options: RestoreNodeOptions,
): Promise<RestoreNodeResult> {
	const { folder, dataDirectory, tell } = options;
	const found = (await readdir(dataDirectory)).filter(
		(name) => !HARMLESS.has(name) && !name.startsWith("restoring"),
	);
	if (found.length > 0)
		throw new OperatorFault(
			found.includes("state.db")
				? `${dataDirectory} holds a node already; give another folder with --data, or name what to put back with --account or --all`
				: `${dataDirectory} is not empty; give another folder with --data`,
		);
	const { manifest, packs } = await openBackup(folder, tell);
	try {
		return await new NodeRestore(options, manifest, packs).run();
	} finally {
		await packs.close();
	}
}

class NodeRestore {
	readonly #options: RestoreNodeOptions;
	readonly #manifest: Manifest;
	readonly #packs: Packs;
	#restored = 0;
	#missing = 0;

	constructor(options: RestoreNodeOptions, manifest: Manifest, packs: Packs) {
		this.#options = options;
		this.#manifest = manifest;
		this.#packs = packs;
	}

	async run(): Promise<RestoreNodeResult> {
		const { dataDirectory, clock } = this.#options;
		const { copiedMilliseconds, node, accounts } = this.#manifest;
		const restoring = join(dataDirectory, "restoring");
		await rm(restoring, { recursive: true, force: true });
		await mkdir(restoring, { mode: 0o700 });
		const state = join(restoring, "state.db");
		await this.#state(state);
		const drive = `restored-${copiedMilliseconds}`;
		const bodies = await this.#options.openBodies(
			join(restoring, "bodies"),
			drive,
		);
		const store = this.#options.openStore(state);
		try {
			for await (const places of this.#bodies(bodies))
				markRestored(store, places, bodies.drive, {
					atMilliseconds: clock.now(),
					copiedMilliseconds,
				});
		} finally {
			await bodies.close();
			store.close();
		}
		await this.#files(restoring);
		// The state last: a folder without it holds no node.
		const names = (await readdir(restoring)).filter(
			(name) => name !== "state.db",
		);
		for (const name of [...names, "state.db"]) {
			const to = join(dataDirectory, name);
			if (name === "pmnode.toml" && (await exists(to))) continue;
			await rename(join(restoring, name), to);
		}
		await rm(restoring, { recursive: true, force: true });
		await syncFolder(dataDirectory);
		return {
			name: node.name,
			copiedMilliseconds,
			accounts: accounts.length,
			restored: this.#restored,
			present: 0,
			missing: this.#missing,
		};
	}

	#progress(stage: string, done: number, total: number): void {
		this.#options.signal.throwIfAborted();
		this.#options.tell({ kind: "progress", stage, done, total });
	}

	async #state(file: string): Promise<void> {
		const { blocks, sizeBytes } = this.#manifest.state;
		const handle = await open(file, "wx", 0o600);
		try {
			const hashes = (await this.#packs.get(blocks)).toString("hex");
			for (let i = 0, at = 0; at < sizeBytes; i++, at += BACKUP_BLOCK_BYTES) {
				const hash = hashes.slice(i * 64, (i + 1) * 64);
				const block = await this.#packs.get(hash);
				await handle.write(block, 0, block.length, at);
				this.#progress("putting the state back", at + block.length, sizeBytes);
			}
			await handle.sync();
		} catch (error) {
			if (!(error instanceof BlobLost)) throw error;
			throw new OperatorFault(
				`the state of the node is damaged in this backup (${error.message}); start a node on an empty folder instead, and put the mail back with "pmnode restore ${this.#options.folder} --all"`,
			);
		} finally {
			await handle.close();
		}
	}

	async #files(restoring: string): Promise<void> {
		for (const { path, blob } of this.#manifest.files) {
			const to = join(restoring, path);
			try {
				const bytes = await this.#packs.get(blob);
				await mkdir(dirname(to), { recursive: true, mode: 0o700 });
				const handle = await open(to, "wx", 0o600);
				await handle.writeFile(bytes);
				await handle.sync();
				await handle.close();
				await chmod(to, 0o600);
			} catch (error) {
				if (!(error instanceof BlobLost)) throw error;
				// Without its key it would be another node with this one's state.
				if (path === "identity.key")
					throw new OperatorFault(
						`the key of the node is damaged in this backup; start a node on an empty folder instead, and put the mail back with "pmnode restore ${this.#options.folder} --all"`,
					);
				this.#lost(1, `the file ${path}: ${error.message}`);
			}
		}
	}

	#lost(count: number, what: string): void {
		this.#missing += count;
		this.#options.tell({
			kind: "problem",
			what,
			todo: "other members may have it, or an older backup",
			mended: false,
		});
	}

	/** Where each body lies now, in slices. Always at least one. */
	async *#bodies(
		bodies: Bodies,
	): AsyncGenerator<readonly (readonly [hash: string, ref: BodyRef])[]> {
		const { accounts } = this.#manifest;
		const seen = new Set<string>();
		const total = accounts
			.flatMap(({ mailboxes }) => mailboxes)
			.reduce((sum, { messages }) => sum + messages, 0);
		let done = 0;
		yield [];
		for (const { address, mailboxes } of accounts)
			for (const { name, lists } of mailboxes)
				for (const list of lists) {
					const messages = await this.#listed(list, `${address} ${name}`);
					const places: [string, BodyRef][] = [];
					for (let i = 0; i < messages.length; i += AT_ONCE) {
						const some = messages
							.slice(i, i + AT_ONCE)
							.filter(({ hash }) => !seen.has(hash) && seen.add(hash));
						const stored = await Promise.all(
							some.map((message) =>
								this.#store(bodies, message, `${address} ${name}`),
							),
						);
						places.push(...stored.filter((place) => place !== undefined));
						done += Math.min(AT_ONCE, messages.length - i);
						this.#progress("putting mail back", done, total);
					}
					this.#restored += messages.length;
					yield places;
				}
	}

	/** The state names these messages all the same, and members may have their bodies. */
	async #listed(
		list: string,
		where: string,
	): Promise<readonly ListedMessage[]> {
		try {
			return decodeList(await this.#packs.get(list));
		} catch (error) {
			if (!(error instanceof BlobLost)) throw error;
			this.#lost(
				1,
				`bodies of a list of messages of ${where}: ${error.message}`,
			);
			return [];
		}
	}

	async #store(
		bodies: Bodies,
		{ hash, internalDateMilliseconds }: ListedMessage,
		where: string,
	): Promise<[string, BodyRef] | undefined> {
		try {
			const writer = bodies.create();
			await writer.write(await this.#packs.get(hash));
			return [hash, await writer.commit()];
		} catch (error) {
			if (!(error instanceof BlobLost)) throw error;
			this.#restored--;
			const date = new Date(internalDateMilliseconds).toISOString();
			this.#lost(
				1,
				`the body of a message of ${where} that came ${date} (hash ${hash.slice(0, 12)}): ${error.message}`,
			);
			return undefined;
		}
	}
}

const AT_ONCE = BACKUP_BODIES_AT_ONCE * 8;
