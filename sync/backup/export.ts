/**
 * What a store says of accounts and mail, in terms that outlive its own shapes: names, flags, dates and bodies. Reads a
 * store that nobody writes (a copy), so what it gives is of one moment. Knows no files.
 */

import { walk } from "../check/walk.ts";
import { AccountState } from "../directory/accounts.ts";
import { ClusterState } from "../directory/cluster.ts";
import { OpenDocuments } from "../documents/open.ts";
import { accountDocument, CLUSTER } from "../documents/shapes.ts";
import type { AccountId, EntryId, MailboxId } from "../ids.ts";
import { ChangeLog } from "../log/log.ts";
import {
	decodeFacts,
	type EntryRow,
	flagsOf,
	lives,
	rowKey,
	uidOf,
} from "../mailbox/rows.ts";
import { driveName, loadIdentity } from "../membership/identity.ts";
import type { BodyRef } from "../ports/bodies.ts";
import type { Store } from "../ports/store.ts";

export { DamagedDocument } from "../documents/flat.ts";

export interface ExportedMailbox {
	readonly id: MailboxId;
	/** Full name, as clients see it. */
	readonly name: string;
	readonly role: string | undefined;
}

export interface ExportedAccount {
	readonly account: AccountId;
	readonly address: string;
	readonly passwordHash: string | undefined;
	readonly subscriptions: readonly string[];
	readonly mailboxes: readonly ExportedMailbox[];
}

export interface ExportedMessage {
	readonly entry: EntryId;
	readonly uid: number;
	readonly body: BodyRef;
	readonly flags: readonly string[];
	readonly internalDateMilliseconds: number;
}

/** Whose store this is; undefined where it holds no node. */
export function lifeIn(store: Store):
	| {
			readonly cluster: string;
			readonly origin: string;
			readonly drive: string;
	  }
	| undefined {
	const identity = loadIdentity(store);
	return (
		identity && {
			cluster: identity.cluster,
			origin: identity.origin,
			drive: driveName(identity),
		}
	);
}

export class Export {
	readonly #store: Store;
	readonly #cluster: ClusterState;
	readonly #documents: OpenDocuments;

	/** Throws where the store holds no node, or the cluster's document cannot be opened. */
	constructor(store: Store) {
		this.#store = store;
		const identity = loadIdentity(store);
		if (identity === undefined) throw new Error("the store holds no node");
		const log = new ChangeLog(store);
		const documents = new OpenDocuments(store, identity.origin, (at) => {
			const { record, previous } = log.read(at);
			return { change: record.change, previous };
		});
		this.#documents = documents;
		this.#cluster = new ClusterState(
			() => documents.get(CLUSTER),
			() => {},
		);
		this.#cluster.load();
	}

	#hasMail(mailbox: MailboxId): boolean {
		const text = this.#store.get(`box/${mailbox}`);
		return text !== undefined && JSON.parse(text as string).live > 0;
	}

	domains(): readonly string[] {
		return this.#cluster.domains();
	}
	aliases(): readonly { readonly alias: string; readonly target: string }[] {
		return this.#cluster.aliases();
	}
	users(): readonly {
		readonly address: string;
		readonly account: AccountId;
	}[] {
		return this.#cluster.users();
	}

	/** Throws where the account's document cannot be opened. */
	account(address: string, account: AccountId): ExportedAccount {
		const state = AccountState.of(
			account,
			this.#documents.get(accountDocument(account)),
			(mailbox) => this.#hasMail(mailbox),
		);
		return {
			account,
			address,
			passwordHash: state.passwordHash,
			subscriptions: state.subscriptions(),
			mailboxes: state
				.mailboxes()
				.map(({ id, name, role }) => ({ id, name, role })),
		};
	}

	/** Messages that live, in slices, in no order. */
	*messages(mailbox: MailboxId): Generator<readonly ExportedMessage[]> {
		const prefix = rowKey(mailbox, "" as EntryId);
		for (const rows of walk(this.#store, prefix))
			yield rows.flatMap(([key, value]) => {
				const row = JSON.parse(value as string) as EntryRow;
				if (!lives(row)) return [];
				const facts = decodeFacts(row.f as string);
				return [
					{
						entry: key.slice(prefix.length) as EntryId,
						uid: uidOf(row),
						body: facts.body,
						flags: flagsOf(row),
						internalDateMilliseconds: facts.internalDateMilliseconds,
					},
				];
			});
	}
}
