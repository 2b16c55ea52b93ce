/** What the control socket can be asked: one row a method. Each checks its parameters and throws faults for people. */
import { ClientFault, OperatorFault } from "../../sync/faults.ts";
import { type Address, address, domainOf, isDomain } from "../../sync/ids.ts";
import {
	INVITE_TTL_MILLISECONDS_MAX,
	PASSWORD_BYTES_MAX,
} from "../../sync/limits.ts";
import { WrongUsage } from "../config.ts";
import type { ControlOptions } from "../control.ts";
import { backup, check, restore } from "./operations.ts";
import { userQuota } from "./quota.ts";

export interface Context extends ControlOptions {
	/** Aborted when who asked has gone. */
	readonly signal: AbortSignal;
	/** Sends one item of a stream. */
	readonly item: (item: unknown) => void;
}
type Params = Readonly<Record<string, unknown>>;
type Method = (context: Context, params: Params) => Promise<unknown>;

export const methods: Readonly<Record<string, Method | undefined>> = {
	__proto__: null as never,
	status: async ({ node }) => node.status(),
	watch,
	wait,
	invite,
	remove: async ({ node }, params) => node.replica.remove(text(params, "node")),
	"domain.add": async ({ node }, params) =>
		node.replica.directory.addDomain(domain(params)),
	"domain.remove": removeDomain,
	"domain.list": async ({ node }) =>
		[...node.replica.directory.domains()].sort(),
	"user.add": addUser,
	"user.remove": async ({ node }, params) =>
		node.replica.directory.removeUser(known(node, mailAddress(params))),
	"user.passwd": async (context, params) => {
		const user = known(context.node, mailAddress(params));
		const hash = await context.hashPassword(password(params));
		await context.node.replica.directory.setPasswordHash(user, hash);
	},
	"user.quota": async ({ node }, params) =>
		userQuota(node.replica.directory, known(node, mailAddress(params)), params),
	"user.list": async ({ node }) =>
		node.replica.directory
			.users()
			.map((user) => user.address)
			.sort(),
	"alias.add": addAlias,
	"alias.remove": removeAlias,
	"alias.list": async ({ node }) => [...node.replica.directory.aliases()],
	drain: later("drain"),
	undrain: later("undrain"),
	check,
	backup,
	restore,
	queue: later("queue"),
};

/** A stream of status: at once, after each change, and each second (uptime and round trips move on). */
async function watch({ node, clock, signal, item }: Context): Promise<void> {
	let tick = () => {};
	const show = () => {
		tick();
		tick = clock.after(1000, show);
		item(node.status());
	};
	// Many changes within one moment are one item: at most ten a second.
	let pending = false;
	let cancelPending = () => {};
	const forget = node.onStatus(() => {
		if (pending) return;
		pending = true;
		cancelPending = clock.after(100, () => {
			pending = false;
			show();
		});
	});
	show();
	await aborted(signal);
	tick();
	cancelPending();
	forget();
}

const aborted = (signal: AbortSignal): Promise<void> =>
	new Promise((resolve) => {
		if (signal.aborted) resolve();
		signal.addEventListener("abort", () => resolve(), { once: true });
	});

/**
 * Resolves once the node is ready (`converged`: and all reachable members have the same, but for bodies that are lost, which
 * are counted). Whoever asks sets the limit.
 */
async function wait(
	{ node, clock, signal }: Context,
	params: Params,
): Promise<{ readonly lostBodies: number }> {
	const converged = params.converged === true;
	const reached = () => {
		const status = node.status();
		return (
			status.node.state === "ready" && (!converged || status.cluster.converged)
		);
	};
	await new Promise<void>((resolve) => {
		let cancelTick = () => {};
		const evaluate = () => {
			cancelTick();
			if (reached() || signal.aborted) {
				forget();
				resolve();
			} else cancelTick = clock.after(250, evaluate); // what is measured by time has no event
		};
		const forget = node.onStatus(evaluate);
		signal.addEventListener("abort", evaluate, { once: true });
		evaluate();
	});
	return { lostBodies: node.status().mail.lostBodies ?? 0 };
}

async function invite({ node }: Context, params: Params): Promise<string> {
	const ttl = params.ttlMilliseconds;
	if (
		typeof ttl !== "number" ||
		!(ttl >= 1000 && ttl <= INVITE_TTL_MILLISECONDS_MAX)
	)
		throw new WrongUsage("--ttl must be from 1s to 720h (30 days)");
	return node.replica.invite(ttl);
}

async function removeDomain({ node }: Context, params: Params): Promise<void> {
	const name = domain(params);
	const { directory } = node.replica;
	if (!directory.isLocalDomain(name))
		throw new ClientFault("NONEXISTENT", `there is no domain ${name}`);
	const user = directory.users().find((one) => domainOf(one.address) === name);
	if (user !== undefined)
		throw new ClientFault(
			"CANNOT",
			`${name} still has users such as ${user.address}; remove them first with "pmnode user remove"`,
		);
	await directory.removeDomain(name);
}

async function addUser(context: Context, params: Params): Promise<void> {
	const { directory } = context.node.replica;
	const user = mailAddress(params);
	const secret = password(params);
	const createDomain = params.createDomain === true;
	if (directory.user(user) !== undefined)
		throw new ClientFault(
			"ALREADYEXISTS",
			`${user} exists already; "pmnode user passwd ${user}" sets a new password`,
		);
	if (!createDomain && !directory.isLocalDomain(domainOf(user)))
		throw new ClientFault(
			"NONEXISTENT",
			`there is no domain ${domainOf(user)}; add it with "pmnode domain add ${domainOf(user)}", or give --create-domain`,
		);
	const hash = await context.hashPassword(secret);
	await directory.addUser(user, hash, { createDomain });
}

async function addAlias({ node }: Context, params: Params): Promise<void> {
	const alias = mailAddress(params, "alias");
	const target = mailAddress(params, "target");
	const { directory } = node.replica;
	if (!directory.isLocalDomain(domainOf(alias)))
		throw new ClientFault(
			"NONEXISTENT",
			`there is no domain ${domainOf(alias)}; add it with "pmnode domain add ${domainOf(alias)}"`,
		);
	if (directory.user(alias) !== undefined)
		throw new ClientFault(
			"ALREADYEXISTS",
			`${alias} is a user; an alias needs an address of its own`,
		);
	await directory.addAlias(alias, target);
}

async function removeAlias({ node }: Context, params: Params): Promise<void> {
	const alias = mailAddress(params, "alias");
	const { directory } = node.replica;
	if (!directory.aliases().some((one) => one.alias === alias))
		throw new ClientFault("NONEXISTENT", `there is no alias ${alias}`);
	await directory.removeAlias(alias);
}

function known(node: Context["node"], user: Address): Address {
	if (node.replica.directory.user(user) === undefined)
		throw new ClientFault(
			"NONEXISTENT",
			`there is no user ${user}; "pmnode user list" shows who is there`,
		);
	return user;
}

function text(params: Params, name: string): string {
	const value = params[name];
	if (typeof value !== "string" || value === "")
		throw new WrongUsage(`${name} is missing`);
	return value;
}

const mailAddress = (params: Params, name = "address"): Address =>
	address(text(params, name));

function domain(params: Params): string {
	const name = text(params, "domain").normalize("NFC").toLowerCase();
	if (!isDomain(name))
		throw new WrongUsage(`not a domain: ${JSON.stringify(name.slice(0, 80))}`);
	return name;
}

function password(params: Params): string {
	const value = text(params, "password");
	if (Buffer.byteLength(value) > PASSWORD_BYTES_MAX)
		throw new WrongUsage(
			`the password is longer than ${PASSWORD_BYTES_MAX} bytes; take a shorter one`,
		);
	return value;
}

function later(name: string): Method {
	return async () => {
		throw new OperatorFault(`"${name}" is not part of this version`);
	};
}
