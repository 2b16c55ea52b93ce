/** A running node without a replica's parts, for tests of what talks to nodes: control socket, HTTP, command line. */

import type { RunningNode } from "../../node/running.ts";
import type { StatusJson } from "../../node/status.ts";
import type { Directory, QuotaLimits, Replica, User } from "../../sync/api.ts";
import { ClientFault, OperatorFault } from "../../sync/faults.ts";
import {
	type AccountId,
	type Address,
	deriveId,
	domainOf,
} from "../../sync/ids.ts";

export const STATUS: StatusJson = {
	node: {
		name: "a",
		id: "12D3KooWAAAAAAAAAAAAAAAAAAAA",
		state: "ready",
		version: "0.1.0",
		pid: 4242,
		uptimeSeconds: 12,
	},
	cluster: { id: "c1", members: 3, up: 2, converged: true },
	listeners: {
		smtp: "127.0.0.1:2525",
		submission: "127.0.0.1:2587",
		submissions: "127.0.0.1:2465",
		imap: "127.0.0.1:2143",
		imaps: "127.0.0.1:2993",
		http: "127.0.0.1:2080",
		dns: "off",
		p2p: "127.0.0.1:2401",
	},
	peers: [
		{
			name: "b",
			id: "12D3KooWBBBBBBBBBBBBBBBBBBBB",
			state: "up",
			rttMilliseconds: 1.24,
			missingChanges: 0,
			missingBodies: 0,
		},
		{
			name: "c",
			id: "12D3KooWCCCCCCCCCCCCCCCCCCCC",
			state: "suspect",
			rttMilliseconds: 35.2,
			missingChanges: 12,
			missingBodies: 1,
		},
	],
	mail: { accounts: 2, messages: 1042, bodiesWithTooFewCopies: 0, queue: 0 },
};

const NOTHING_HELD = {
	storageBytes: 1536,
	messages: 7,
	storageBytesMax: undefined,
	messagesMax: undefined,
};

export interface FakeNode extends RunningNode {
	/** What status() gives from now on; listeners are told. */
	show(status: StatusJson): void;
	readonly calls: string[];
	stopped: boolean;
}

export function fakeNode(initial: StatusJson = STATUS): FakeNode {
	let status = initial;
	const watchers = new Set<() => void>();
	const calls: string[] = [];
	const node: FakeNode = {
		calls,
		stopped: false,
		status: () => status,
		show(next) {
			status = next;
			for (const run of watchers) run();
		},
		replica: {
			directory: fakeDirectory(),
			async invite(ttlMilliseconds: number) {
				calls.push(`invite ${ttlMilliseconds}`);
				return "pmnode:link";
			},
			async remove(name: string) {
				if (name !== "c") throw new OperatorFault(`there is no node ${name}`);
				calls.push(`remove ${name}`);
			},
		} as Partial<Replica> as Replica,
		ended: () => new Promise<Error>(() => {}),
		onStatus(run) {
			watchers.add(run);
			return () => watchers.delete(run);
		},
		async backUp(directory) {
			calls.push(`backUp ${directory}`);
			return { accounts: 0, messages: 0, newBytes: 0, missing: 0 };
		},
		async restore({ directory }) {
			calls.push(`restore ${directory}`);
			return { accounts: 0, restored: 0, present: 0, missing: 0 };
		},
		async stop() {
			node.stopped = true;
		},
	};
	return node;
}

function fakeDirectory(): Directory {
	const domains = new Set<string>();
	const users = new Map<Address, { user: User; hash: string }>();
	const quotas = new Map<AccountId, QuotaLimits>();
	const aliases: { alias: Address; target: Address }[] = [];
	const directory: Partial<Directory> = {
		domains: () => [...domains],
		isLocalDomain: (domain) => domains.has(domain),
		addDomain: async (domain) => void domains.add(domain),
		removeDomain: async (domain) => void domains.delete(domain),
		users: () => [...users.values()].map(({ user }) => user),
		user: (address) => users.get(address)?.user,
		async addUser(address, hash, { createDomain }) {
			if (createDomain) domains.add(domainOf(address));
			if (!domains.has(domainOf(address)))
				throw new ClientFault("NONEXISTENT", "no such domain");
			const account = deriveId<AccountId>(address);
			users.set(address, { user: { address, account }, hash });
			return account;
		},
		removeUser: async (address) => void users.delete(address),
		async setPasswordHash(address, hash) {
			const found = users.get(address);
			if (found !== undefined) found.hash = hash;
		},
		passwordHash: (account) =>
			[...users.values()].find(({ user }) => user.account === account)?.hash,
		secret: () => undefined,
		quota: (account) => ({ ...NOTHING_HELD, ...quotas.get(account) }),
		async setQuota(address, limits) {
			const user = users.get(address)?.user;
			if (user !== undefined) quotas.set(user.account, limits);
		},
		aliases: () => aliases,
		addAlias: async (alias, target) => void aliases.push({ alias, target }),
		async removeAlias(alias) {
			aliases.splice(
				0,
				aliases.length,
				...aliases.filter((a) => a.alias !== alias),
			);
		},
	};
	return directory as Directory;
}
