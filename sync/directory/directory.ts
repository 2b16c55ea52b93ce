/** The Directory of api.ts on the cluster and account documents. */
import type { Directory, User } from "../api.ts";
import { accountDocument, CLUSTER, keys } from "../documents/shapes.ts";
import { ClientFault, OperatorFault } from "../faults.ts";
import {
	type AccountId,
	type Address,
	deriveId,
	domainOf,
	isDomain,
} from "../ids.ts";
import type { Transaction } from "../log/ledger.ts";
import type { NameRegister } from "../mailbox/tree.ts";
import { ROLES, roleMailbox } from "./accounts.ts";
import type { Context } from "./context.ts";
import { claimUidValidity, nextStamp, subscribeEdit } from "./naming.ts";
import { hasRoom, quotaOf, writeQuota } from "./quota.ts";

export function createDirectory(context: Context): Directory {
	const { cluster, accounts, ledger } = context;
	const write = async (work: (tx: Transaction) => void): Promise<void> =>
		context.second(await ledger.write(work));

	const mustHaveUser = (address: Address): AccountId => {
		const account = cluster.account(address);
		if (account === undefined)
			throw new OperatorFault(
				`there is no user ${address}; "pmnode user list" shows all`,
			);
		return account;
	};

	return {
		domains: () => cluster.domains(),
		isLocalDomain: (domain) => cluster.isLocalDomain(domain.toLowerCase()),
		addDomain: (domain) =>
			write((tx) => addDomain(tx, context, domain.toLowerCase())),
		removeDomain: (domain) =>
			write((tx) => removeDomain(tx, context, domain.toLowerCase())),
		users: () => cluster.users(),
		user: (address): User | undefined => {
			const account = cluster.account(address);
			return account && { address, account };
		},
		async addUser(address, passwordHash, { createDomain }) {
			await write((tx) =>
				addUser(tx, context, address, passwordHash, createDomain),
			);
			return mustHaveUser(address);
		},
		removeUser: (address) =>
			write((tx) => {
				const account = mustHaveUser(address);
				tx.edit(CLUSTER, { key: keys.user(address), remove: true });
				tx.edit(CLUSTER, { key: keys.gone(account), set: true });
			}),
		setPasswordHash: (address, passwordHash) =>
			write((tx) => {
				tx.edit(accountDocument(mustHaveUser(address)), {
					key: keys.password,
					set: passwordHash,
				});
				makeSecret(tx, context);
			}),
		secret: () => cluster.secret(),
		quota: (account) => quotaOf(context, account),
		hasRoom: (account, sizeBytes) => hasRoom(context, account, sizeBytes),
		setQuota: (address, limits) =>
			write((tx) => writeQuota(tx, mustHaveUser(address), limits)),
		passwordHash: (account) => accounts.get(account).passwordHash,
		aliases: () => cluster.aliases(),
		addAlias: (alias, target) =>
			write((tx) => addAlias(tx, context, alias, target)),
		removeAlias: (alias) =>
			write((tx) => {
				const targets = cluster.targets(alias);
				if (targets.length === 0)
					throw new OperatorFault(
						`there is no alias ${alias}; "pmnode alias list" shows all`,
					);
				for (const target of targets)
					tx.edit(CLUSTER, { key: keys.alias(alias, target), remove: true });
			}),
		lookup(address) {
			const account = cluster.account(address);
			if (account !== undefined) return [account];
			return cluster
				.targets(address)
				.map((target) => cluster.account(target))
				.filter((found) => found !== undefined);
		},
	};
}

function addDomain(tx: Transaction, context: Context, domain: string): void {
	if (!isDomain(domain))
		throw new OperatorFault(
			`"${domain}" is not a domain name; give one such as example.org`,
		);
	if (!context.cluster.isLocalDomain(domain))
		tx.edit(CLUSTER, { key: keys.domain(domain), add: true });
}

function removeDomain(tx: Transaction, context: Context, domain: string): void {
	const { cluster } = context;
	if (!cluster.isLocalDomain(domain))
		throw new OperatorFault(
			`there is no domain ${domain}; "pmnode domain list" shows all`,
		);
	const left = cluster
		.users()
		.filter(({ address }) => domainOf(address) === domain);
	if (left.length > 0)
		throw new OperatorFault(
			`${domain} still has ${left.length} users; remove them first, ${left[0]?.address} and so on`,
		);
	tx.edit(CLUSTER, { key: keys.domain(domain), remove: true });
}

function addAlias(
	tx: Transaction,
	context: Context,
	alias: Address,
	target: Address,
): void {
	const { cluster } = context;
	if (cluster.account(target) === undefined)
		throw new OperatorFault(
			`there is no user ${target} to receive the alias's mail; add the user first`,
		);
	if (cluster.account(alias) !== undefined)
		throw new OperatorFault(`${alias} is a user and cannot be an alias too`);
	if (!cluster.isLocalDomain(domainOf(alias)))
		throw new OperatorFault(
			`${domainOf(alias)} is not a domain of this cluster; run "pmnode domain add ${domainOf(alias)}" first`,
		);
	tx.edit(CLUSTER, { key: keys.alias(alias, target), add: true });
}

function addUser(
	tx: Transaction,
	context: Context,
	address: Address,
	passwordHash: string,
	createDomain: boolean,
): void {
	const { cluster } = context;
	const domain = domainOf(address);
	if (cluster.account(address) !== undefined)
		throw new ClientFault(
			"ALREADYEXISTS",
			`there is a user ${address} already`,
		);
	if (cluster.targets(address).length > 0)
		throw new OperatorFault(
			`${address} is an alias; run "pmnode alias remove ${address}" first`,
		);
	if (!cluster.isLocalDomain(domain)) {
		if (!createDomain)
			throw new OperatorFault(
				`${domain} is not a domain of this cluster; run "pmnode domain add ${domain}" or give --create-domain`,
			);
		addDomain(tx, context, domain);
	}
	makeSecret(tx, context);
	const account = newAccountId(context, address);
	tx.edit(CLUSTER, { key: keys.user(address), set: account });
	tx.edit(accountDocument(account), { key: keys.password, set: passwordHash });
	for (const [role, leaf] of ROLES) {
		const mailbox = roleMailbox(account, role);
		const register: NameRegister = {
			parent: null,
			leaf,
			stamp: nextStamp(context, account),
			role,
		};
		tx.edit(accountDocument(account), {
			key: keys.mailboxName(mailbox),
			set: JSON.stringify(register),
		});
		claimUidValidity(tx, context, account, mailbox);
		subscribeEdit(tx, account, leaf, true);
	}
}

/** Made on two sides of a split, one of the two remains. */
function makeSecret(tx: Transaction, { cluster, random }: Context): void {
	if (cluster.secret() === undefined)
		tx.edit(CLUSTER, {
			key: keys.secret,
			set: Buffer.from(random.bytes(32)).toString("hex"),
		});
}

/**
 * The same on two sides of a split that both add the user, so the two become one; another one when an account of that
 * address was there before and was removed.
 */
function newAccountId(context: Context, address: Address): AccountId {
	for (let life = 0; ; life++) {
		const account = deriveId<AccountId>("account", address, String(life));
		if (context.accounts.get(account).passwordHash === undefined)
			return account;
	}
}
