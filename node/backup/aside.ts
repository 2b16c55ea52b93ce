/**
 * A folder that a node put aside (its state and bodies, as they were), read as a backup: one is made of it, within it, and
 * `pmnode restore` goes on with that. Nothing of what was put aside is changed but that.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { OperationEvent } from "../../sync/api.ts";
import { lifeIn } from "../../sync/backup/export.ts";
import { OperatorFault } from "../../sync/faults.ts";
import { type Bodies, BodyUnavailable } from "../../sync/ports/bodies.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import { type Store, StoreFailed } from "../../sync/ports/store.ts";
import { type BackupOptions, backUp } from "./backup.ts";

export interface AsideOptions {
	readonly version: string;
	readonly clock: Clock;
	readonly openStore: (file: string) => Store & {
		copyTo(...how: Parameters<BackupOptions["copyState"]>): Promise<void>;
	};
	/** Opens a folder of bodies with this drive, without other members. */
	readonly openBodies: (
		directory: string,
		drive: string,
	) => Promise<Bodies & { close(): Promise<void> }>;
	readonly tell: (event: OperationEvent) => void;
	readonly signal: AbortSignal;
}

/** The folder itself, if it is a backup or nothing that was put aside; else the backup made of it. */
export async function asBackup(
	folder: string,
	options: AsideOptions,
): Promise<string> {
	if (!existsSync(join(folder, "state.db"))) return folder;
	const isBackup = readdirSync(folder).some((name) =>
		name.startsWith("manifest."),
	);
	if (isBackup) return folder;
	if (!existsSync(join(folder, "bodies")))
		throw new OperatorFault(
			`${folder} holds no bodies of messages, so there is no mail to put back; give a backup, or a folder "forked-…" of a node`,
		);
	const backup = join(folder, "backup");
	try {
		await backUpAside(folder, backup, options);
	} catch (error) {
		if (!(error instanceof StoreFailed)) throw error;
		throw new OperatorFault(`${folder} cannot be read: ${error.message}`);
	}
	return backup;
}

async function backUpAside(
	folder: string,
	backup: string,
	options: AsideOptions,
): Promise<void> {
	const store = options.openStore(join(folder, "state.db"));
	try {
		const life = lifeIn(store);
		if (life === undefined)
			throw new OperatorFault(`${folder} holds no node; give another folder`);
		const bodies = await options.openBodies(join(folder, "bodies"), life.drive);
		try {
			await backUp({
				...options,
				folder: backup,
				dataDirectory: folder,
				node: { id: life.origin, name: basename(folder) },
				cluster: life.cluster,
				copyState: (file, signal, progress) =>
					store.copyTo(file, signal, progress),
				openCopy: options.openStore,
				bodies: withoutOthers(bodies),
			});
		} finally {
			await bodies.close();
		}
	} finally {
		store.close();
	}
}

/** What is not here is nowhere: nothing is waited for. */
function withoutOthers(
	bodies: Bodies,
): Pick<Bodies, "has" | "verify" | "fetch" | "read"> {
	return {
		has: (reference) => bodies.has(reference),
		verify: (reference) => bodies.verify(reference),
		read: (...of) => bodies.read(...of),
		fetch: async ({ hash }) => {
			throw new BodyUnavailable(`body ${hash.slice(0, 16)} is not here`);
		},
	};
}
