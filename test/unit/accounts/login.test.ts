import { beforeEach, describe, expect, test } from "vitest";
import {
	type Authenticator,
	LoginRefused,
	LoginThrottled,
} from "../../../node/accounts/authenticator.ts";
import { createAuthenticator } from "../../../node/accounts/login.ts";
import {
	deriveScram,
	formatScram,
	type ScramKeys,
} from "../../../node/accounts/scram.ts";
import type { Account } from "../../../sync/api.ts";
import { Temporary } from "../../../sync/faults.ts";
import {
	type AccountId,
	type Address,
	address,
	deriveId,
} from "../../../sync/ids.ts";
import {
	LOGIN_CACHE_MILLISECONDS_MAX,
	LOGIN_FAILURES_PER_ACCOUNT_MINUTE_MAX,
	LOGIN_FAILURES_PER_MINUTE_MAX,
	LOGIN_HASHES_MAX,
	LOGIN_WAITING_PER_SOURCE_MAX,
} from "../../../sync/limits.ts";
import { realRandom } from "../../../sync/real/random.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { ScramClient } from "../../harness/scram.ts";
import { MemoryLog } from "../smtp/fakes.ts";

const ann = address("ann@here.test");
const annId = deriveId<AccountId>(ann);

/** A hash here is "hash:<password>", and takes until it is released. */
class Hashing {
	/** In the order in which they began: the passwords. */
	readonly begun: string[] = [];
	running = 0;
	runningMax = 0;
	/** Undefined: hashes end at once. */
	held: (() => void)[] | undefined;
	readonly verify = async (password: string, stored: string) => {
		this.begun.push(password);
		this.running++;
		this.runningMax = Math.max(this.runningMax, this.running);
		await new Promise<void>((resolve) =>
			this.held ? this.held.push(resolve) : resolve(),
		);
		this.running--;
		return stored === `hash:${password}`;
	};
	/** Ends hashes, one after the other, until there are none. */
	async releaseAll(): Promise<void> {
		for (let next = this.held?.shift(); next; next = this.held?.shift()) {
			next();
			await settle();
		}
	}
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

let clock: SimClock;
let hashing: Hashing;
let stored: string;
let secret: Uint8Array | undefined;
let known: Map<AccountId, Account>;
let authenticator: Authenticator;
let log: MemoryLog;
beforeEach(() => {
	clock = new SimClock();
	hashing = new Hashing();
	stored = "hash:secret";
	secret = undefined;
	log = new MemoryLog();
	known = new Map([[annId, { id: annId, address: ann } as Account]]);
	authenticator = createAuthenticator({
		directory: {
			user: (of: Address) =>
				of === ann ? { address: ann, account: annId } : undefined,
			passwordHash: (id) => (id === annId ? stored : undefined),
			secret: () => secret,
		},
		account: (id) => known.get(id),
		clock,
		random: realRandom,
		log,
		verify: hashing.verify,
	});
});

const login = (password: string, ip = "192.0.2.1", user = "Ann@Here.test") =>
	authenticator.login(user, password, ip);

test("the right password opens the account, and once verified needs no hash", async () => {
	expect((await login("secret")).id).toBe(annId);
	expect((await login("secret", "198.51.100.7")).id).toBe(annId);
	expect(hashing.begun).toHaveLength(1);
	await clock.advance(LOGIN_CACHE_MILLISECONDS_MAX);
	await login("secret");
	expect(hashing.begun).toHaveLength(2);
});

test("a changed password ends the old one at once", async () => {
	await login("secret");
	stored = "hash:better";
	await expect(login("secret")).rejects.toThrow(LoginRefused);
	expect((await login("better")).id).toBe(annId);
});

test("a wrong password is not remembered as right, nor another's as one's own", async () => {
	await login("secret");
	await expect(login("Secret")).rejects.toThrow(LoginRefused);
	await expect(login("secret", "192.0.2.1", "bob@here.test")).rejects.toThrow(
		LoginRefused,
	);
});

test("an unknown user, or no address at all, costs a hash and gets the same answer", async () => {
	const answers = await Promise.all(
		["eve@here.test", "eve", "", "ann@here.test"].map((user) =>
			login("wrong", "192.0.2.1", user).catch((error: Error) => error.message),
		),
	);
	expect(new Set(answers).size).toBe(1);
	expect(hashing.begun).toHaveLength(4);
});

test("an account that has not arrived here is a matter of time, not of the password", async () => {
	known.clear();
	await expect(login("secret")).rejects.toThrow(Temporary);
});

test("no password in the log", async () => {
	await expect(login("oops-typed")).rejects.toThrow(LoginRefused);
	expect(JSON.stringify(log.lines)).not.toContain("oops-typed");
	expect(log.lines).toHaveLength(1);
});

test("a source that failed too often waits a minute; others, and who is verified, do not", async () => {
	await login("secret");
	for (let i = 0; i < LOGIN_FAILURES_PER_MINUTE_MAX; i++)
		await expect(login(`guess ${i}`, "2001:db8::1")).rejects.toThrow(
			LoginRefused,
		);
	const hashes = hashing.begun.length;
	await expect(login("guess", "2001:db8::2")).rejects.toThrow(LoginThrottled);
	expect(hashing.begun).toHaveLength(hashes);
	expect((await login("secret", "2001:db8::1")).id).toBe(annId);
	await expect(login("guess", "2001:db8:0:1::1")).rejects.toThrow(LoginRefused);
	await clock.advance(59_000);
	await expect(login("guess", "2001:db8::1")).rejects.toThrow(LoginThrottled);
	await clock.advance(1_001);
	await expect(login("guess", "2001:db8::1")).rejects.toThrow(LoginRefused);
});

test("guesses at the same time are counted too", async () => {
	hashing.held = [];
	const guesses = Array.from({ length: 60 }, (_, i) =>
		login(`guess ${i}`).catch((error: Error) => error.name),
	);
	await hashing.releaseAll();
	const names = await Promise.all(guesses);
	expect(hashing.begun.length).toBeLessThan(
		LOGIN_FAILURES_PER_MINUTE_MAX + LOGIN_HASHES_MAX,
	);
	expect(names).toContain("LoginThrottled");
});

test("few hashes at once, and sources take turns", async () => {
	hashing.held = [];
	const flood = Array.from(
		{ length: LOGIN_WAITING_PER_SOURCE_MAX + 10 },
		(_, i) => login(`flood ${i}`).catch((error: Error) => error.name),
	);
	const other = login("secret", "198.51.100.7");
	await hashing.releaseAll();
	expect((await other).id).toBe(annId);
	expect(hashing.runningMax).toBe(LOGIN_HASHES_MAX);
	expect(hashing.begun.indexOf("secret")).toBeLessThanOrEqual(
		LOGIN_HASHES_MAX + 1,
	);
	expect(await Promise.all(flood)).toContain("LoginThrottled");
});

test("guesses from many places lock an account for a minute, but not where its user logged in", async () => {
	await login("secret", "192.0.2.1");
	for (let i = 0; i < LOGIN_FAILURES_PER_ACCOUNT_MINUTE_MAX; i++)
		await expect(login(`guess ${i}`, `198.51.100.${i}`)).rejects.toThrow(
			LoginRefused,
		);
	await expect(login("guess", "203.0.113.1")).rejects.toThrow(LoginThrottled);
	// Not even with the right password, if it was not verified lately.
	await clock.advance(1_000);
	stored = "hash:changed";
	await expect(login("changed", "203.0.113.1")).rejects.toThrow(LoginThrottled);
	expect((await login("changed", "192.0.2.1")).id).toBe(annId);
	await expect(login("x", "203.0.113.1", "bob@here.test")).rejects.toThrow(
		LoginRefused,
	);
	await clock.advance(60_000);
	await expect(login("guess", "203.0.113.1")).rejects.toThrow(LoginRefused);
});

test("one source alone cannot lock an account", async () => {
	for (let i = 0; i < LOGIN_FAILURES_PER_ACCOUNT_MINUTE_MAX; i++)
		await login(`guess ${i}`, "203.0.113.1").catch(() => {});
	expect((await login("secret", "192.0.2.1")).id).toBe(annId);
});

describe("SCRAM", async () => {
	const keys = (await deriveScram("secret", realRandom)) as ScramKeys;
	const clear = {
		plus: false,
		offersPlus: false,
		binding: () => undefined,
	};
	const begin = (user: string, password: string, ip = "192.0.2.1") => {
		const client = new ScramClient({ user, password });
		const login = authenticator.scram(client.first, clear, ip);
		return { client, login };
	};
	const scram = async (user: string, password: string, ip?: string) => {
		const { client, login } = begin(user, password, ip);
		const { account, serverFinal } = await login.finish(
			client.answer(login.serverFirst),
		);
		expect(client.trusts(serverFinal)).toBe(true);
		return account.id;
	};
	const saltOf = (user: string) =>
		/,s=([^,]+),i=/.exec(begin(user, "").login.serverFirst)?.[1];
	beforeEach(() => {
		stored = `hash:secret ${formatScram(keys)}`;
	});

	test("logs in without a hash", async () => {
		expect(await scram("Ann@Here.test", "secret")).toBe(annId);
		await expect(scram("ann@here.test", "Secret")).rejects.toThrow(
			LoginRefused,
		);
		expect(hashing.begun).toHaveLength(0);
	});

	test("says nothing about who is a user", async () => {
		secret = realRandom.bytes(32);
		const shape = (user: string) =>
			begin(user, "").login.serverFirst.replace(/[A-Za-z0-9+/]/g, "x");
		expect(shape("eve@here.test")).toBe(shape("ann@here.test"));
		// Always the same for a name, however it is written; another for another name.
		expect(saltOf("eve@here.test")).toBe(saltOf("EVE@here.test"));
		expect(saltOf("eve@here.test")).not.toBe(saltOf("bob@here.test"));
		expect(saltOf("ann@here.test")).toBe(keys.salt.toString("base64"));
		await expect(scram("eve@here.test", "secret")).rejects.toThrow(
			"user name or password is wrong",
		);
	});

	test("guesses count as with passwords", async () => {
		for (let i = 0; i < LOGIN_FAILURES_PER_MINUTE_MAX; i++)
			await expect(scram("ann@here.test", `${i}`)).rejects.toThrow(
				LoginRefused,
			);
		await expect(scram("ann@here.test", "x")).rejects.toThrow(LoginThrottled);
		await expect(login("guess")).rejects.toThrow(LoginThrottled);
		expect(await scram("ann@here.test", "secret", "192.0.2.9")).toBe(annId);
	});
});
