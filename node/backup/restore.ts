/**
 * `pmnode restore DIR --account ADDRESS` (or --all): mail of a backup back into accounts of a cluster that runs. What is
 * there already is left alone, message by message, so it may be run again and again. What is damaged in the backup is named
 * and passed over.
 */
import { join } from "node:path";
import type {
	Account,
	NewMessage,
	OperationEvent,
	Replica,
} from "../../sync/api.ts";
import { ClientFault, OperatorFault } from "../../sync/faults.ts";
import {
	type Address,
	domainOf,
	address as toAddress,
} from "../../sync/ids.ts";
import {
	RESTORE_BYTES_AT_ONCE,
	RESTORE_MESSAGES_AT_ONCE,
} from "../../sync/limits.ts";
import type { BodyRef } from "../../sync/ports/bodies.ts";
import {
	decodeList,
	type ListedMessage,
	type Manifest,
	type ManifestAccount,
	type ManifestMailbox,
	readManifest,
} from "./manifest.ts";
import { BlobLost, Packs } from "./packs.ts";

export interface RestoreOptions {
	readonly folder: string;
	/** Undefined: all of the backup. */
	readonly account: string | undefined;
	/** A mailbox below which all is put, instead of where it was. */
	readonly into: string | undefined;
	readonly replica: Pick<Replica, "account" | "bodies" | "directory">;
	readonly tell: (event: OperationEvent) => void;
	readonly signal: AbortSignal;
}

export interface RestoreResult {
	readonly accounts: number;
	/** Messages that were put back, and that were there already. */
	readonly restored: number;
	readonly present: number;
	/** Messages that the backup should have and does not, or not whole. */
	readonly missing: number;
}

/** Opens a backup, saying what of it is not as it should be. */
export async function openBackup(
	folder: string,
	tell: (event: OperationEvent) => void,
): Promise<{ manifest: Manifest; packs: Packs }> {
	const { manifest, damaged } = await readManifest(folder);
	const note = (text: string) => tell({ kind: "note", text });
	if (damaged)
		note("the manifest is damaged; the one of the backup before is used");
	const packs = await Packs.open(join(folder, "packs"));
	for (const pack of packs.scanned)
		note(`the index of ${pack}.pack is damaged; the pack is read instead`);
	for (const what of manifest.missing)
		note(`missing since the backup was made: ${what}`);
	return { manifest, packs };
}

export async function restoreAccounts(
	options: RestoreOptions,
): Promise<RestoreResult> {
	const { folder, tell } = options;
	const { manifest, packs } = await openBackup(folder, tell);
	try {
		const chosen = choose(manifest, options);
		const restore = new Restore(options, manifest, packs);
		return await restore.run(chosen);
	} finally {
		await packs.close();
	}
}

function choose(
	{ accounts }: Manifest,
	{ account, folder }: RestoreOptions,
): readonly ManifestAccount[] {
	if (account === undefined) return accounts;
	const wanted = toAddress(account);
	const found = accounts.find(({ address }) => address === wanted);
	if (found === undefined)
		throw new OperatorFault(
			`the backup in ${folder} has no account ${wanted}; it has ${
				accounts.length === 0
					? "none"
					: accounts
							.map(({ address }) => address)
							.slice(0, 5)
							.join(", ")
			}${accounts.length > 5 ? " and others" : ""}`,
		);
	return [found];
}

/** What makes two messages the same for a restore. */
const keyOf = (hash: string, internalDateMilliseconds: number): string =>
	`${hash} ${internalDateMilliseconds}`;

/** How many there are of each. */
class Counts {
	readonly #counts = new Map<string, number>();
	add(key: string): void {
		this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
	}
	/** Takes one away, if there is one. */
	take(key: string): boolean {
		const count = this.#counts.get(key) ?? 0;
		if (count > 0) this.#counts.set(key, count - 1);
		return count > 0;
	}
}

class Restore {
	readonly #options: RestoreOptions;
	readonly #manifest: Manifest;
	readonly #packs: Packs;
	#restored = 0;
	#present = 0;
	#missing = 0;
	#done = 0;
	#total = 0;

	constructor(options: RestoreOptions, manifest: Manifest, packs: Packs) {
		this.#options = options;
		this.#manifest = manifest;
		this.#packs = packs;
	}

	async run(accounts: readonly ManifestAccount[]): Promise<RestoreResult> {
		this.#total = accounts
			.flatMap(({ mailboxes }) => mailboxes)
			.reduce((sum, { messages }) => sum + messages, 0);
		for (const account of accounts) await this.#account(account);
		if (this.#options.account === undefined) await this.#aliases();
		return {
			accounts: accounts.length,
			restored: this.#restored,
			present: this.#present,
			missing: this.#missing,
		};
	}

	#lost(count: number, what: string): void {
		this.#missing += count;
		this.#options.tell({
			kind: "problem",
			what,
			todo: "an older backup, or another node's, may have it",
			mended: false,
		});
	}

	#progress(): void {
		this.#options.signal.throwIfAborted();
		this.#options.tell({
			kind: "progress",
			stage: "restoring mail",
			done: this.#done,
			total: this.#total,
		});
	}

	// ------------------------------------------------------------------ the directory

	async #account(saved: ManifestAccount): Promise<void> {
		const account = await this.#opened(saved);
		const { into } = this.#options;
		if (into === undefined)
			for (const name of saved.subscriptions)
				await account.subscribe(name, true);
		const present = await this.#presentIn(account, saved);
		for (const mailbox of saved.mailboxes) {
			const name = targetName(account, mailbox, into);
			await this.#mailbox(account, saved, mailbox, name, present);
		}
	}

	/** The account, made with its old password where there is none. */
	async #opened({ address, passwordHash }: ManifestAccount): Promise<Account> {
		const { directory } = this.#options.replica;
		const user = toAddress(address);
		let id = directory.user(user)?.account;
		if (id === undefined) {
			if (passwordHash === undefined)
				throw new OperatorFault(
					`there is no user ${user}, and the backup does not have its password; make it with "pmnode user add ${user}", then try again`,
				);
			id = await directory.addUser(user, passwordHash, { createDomain: true });
			this.#note(`made the user ${user}, with the password it had`);
		}
		const account = this.#options.replica.account(id);
		if (account === undefined) throw new Error(`no account of ${user}`);
		return account;
	}

	#note(text: string): void {
		this.#options.tell({ kind: "note", text });
	}

	async #aliases(): Promise<void> {
		const { directory } = this.#options.replica;
		for (const domain of this.#manifest.domains)
			if (!directory.isLocalDomain(domain)) await directory.addDomain(domain);
		const there = new Set(
			directory.aliases().map(({ alias, target }) => `${alias} ${target}`),
		);
		for (const { alias, target } of this.#manifest.aliases) {
			if (there.has(`${alias} ${target}`)) continue;
			if (!directory.isLocalDomain(domainOf(alias as Address))) continue;
			try {
				await directory.addAlias(toAddress(alias), toAddress(target));
			} catch (error) {
				if (!(error instanceof OperatorFault || error instanceof ClientFault))
					throw error;
				this.#note(`the alias ${alias} was not made: ${error.message}`);
			}
		}
	}

	// ------------------------------------------------------------------ what is there

	/**
	 * Messages there, by mailbox. With --into only the mailboxes below it count. Otherwise also those elsewhere that are in
	 * no mailbox of the backup where they are now: they were moved, and are not wanted back where they were.
	 */
	async #presentIn(account: Account, saved: ManifestAccount): Promise<Present> {
		const { into } = this.#options;
		const byName = new Map<string, Counts>();
		const targets = new Map(
			saved.mailboxes.map((mailbox) => [
				targetName(account, mailbox, into),
				mailbox,
			]),
		);
		const moved = new Counts();
		for (const { name } of account.mailboxes()) {
			const target = targets.get(name);
			if (into !== undefined && target === undefined) continue;
			const keys = await this.#keysIn(account, name);
			const here = new Counts();
			for (const key of keys) here.add(key);
			byName.set(name, here);
			if (into !== undefined) continue;
			const wanted = new Counts();
			if (target !== undefined)
				for await (const message of this.#listed(target))
					wanted.add(keyOf(message.hash, message.internalDateMilliseconds));
			for (const key of keys) if (!wanted.take(key)) moved.add(key);
		}
		return { byName, moved };
	}

	async #keysIn(account: Account, name: string): Promise<string[]> {
		const selected = await account.select(name);
		try {
			return selected.uids().flatMap((uid) => {
				const message = selected.get(uid);
				return message === undefined
					? []
					: [keyOf(message.body.hash, message.internalDateMilliseconds)];
			});
		} finally {
			selected.release();
		}
	}

	// ------------------------------------------------------------------ mail

	/** Messages of a mailbox, as far as their lists can be read. */
	async *#listed(
		{ lists }: ManifestMailbox,
		lost: () => void = () => {},
	): AsyncGenerator<ListedMessage> {
		for (const list of lists) {
			let messages: ListedMessage[];
			try {
				messages = decodeList(await this.#packs.get(list));
			} catch (error) {
				if (!(error instanceof BlobLost)) throw error;
				lost();
				continue;
			}
			yield* messages;
		}
	}

	async #mailbox(
		account: Account,
		{ address }: ManifestAccount,
		mailbox: ManifestMailbox,
		name: string,
		{ byName, moved }: Present,
	): Promise<void> {
		const here = byName.get(name) ?? new Counts();
		if (account.find(name) === undefined) await account.create(name);
		const before = this.#done;
		let lostLists = 0;
		let batch: ListedMessage[] = [];
		let bytes = 0;
		const flush = async () => {
			await this.#append(account, name, batch, `${address} ${mailbox.name}`);
			batch = [];
			bytes = 0;
		};
		const listed = this.#listed(mailbox, () => lostLists++);
		for await (const message of listed) {
			this.#done++;
			this.#progress();
			const key = keyOf(message.hash, message.internalDateMilliseconds);
			if (here.take(key) || moved.take(key)) {
				this.#present++;
				continue;
			}
			batch.push(message);
			bytes += message.sizeBytes;
			if (
				batch.length >= RESTORE_MESSAGES_AT_ONCE ||
				bytes >= RESTORE_BYTES_AT_ONCE
			)
				await flush();
		}
		await flush();
		const unread = mailbox.messages - (this.#done - before);
		this.#done += unread;
		if (lostLists > 0)
			this.#lost(
				unread,
				`${unread} messages of ${address} ${mailbox.name}: the list that names them is damaged`,
			);
	}

	async #append(
		account: Account,
		name: string,
		messages: readonly ListedMessage[],
		where: string,
	): Promise<void> {
		const stored = await Promise.all(
			messages.map((message) => this.#store(message, where)),
		);
		const found = stored.filter((message) => message !== undefined);
		if (found.length === 0) return;
		await account.append(name, found);
		this.#restored += found.length;
	}

	/** The message with its body in this node's drive; undefined where the backup does not have it whole. */
	async #store(
		message: ListedMessage,
		where: string,
	): Promise<NewMessage | undefined> {
		try {
			const bytes = await this.#packs.get(message.hash);
			const writer = this.#options.replica.bodies.create();
			await writer.write(bytes);
			const body: BodyRef = await writer.commit();
			const { flags, internalDateMilliseconds } = message;
			return { body, flags, internalDateMilliseconds };
		} catch (error) {
			if (!(error instanceof BlobLost)) throw error;
			const date = new Date(message.internalDateMilliseconds).toISOString();
			this.#lost(
				1,
				`a message of ${where} that came ${date} (hash ${message.hash.slice(0, 12)}): ${error.message}`,
			);
			return undefined;
		}
	}
}

interface Present {
	readonly byName: ReadonlyMap<string, Counts>;
	readonly moved: Counts;
}

/** A mailbox with a role goes where that role is now. */
function targetName(
	account: Account,
	{ name, role }: ManifestMailbox,
	into: string | undefined,
): string {
	if (into !== undefined) return `${into.replace(/\/+$/, "")}/${name}`;
	if (role === undefined) return name;
	return account.mailboxes().find((one) => one.role === role)?.name ?? name;
}
