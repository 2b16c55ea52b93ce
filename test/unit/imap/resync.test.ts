/**
 * A QRESYNC client that believes every line at once and loses its connection after any of them (RFC 7162 §3.2 and rule
 * 16 of mailbox-consistency): after the next SELECT it has exactly the server's messages and flags.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyChange, flagsKey } from "../../../node/imap/flags.ts";
import { MemoryAccount } from "../../../node/imap/memory.ts";
import type { MemoryMailbox } from "../../../node/imap/memory-mailbox.ts";
import type { FlagChange } from "../../../sync/api.ts";
import type { Uid } from "../../../sync/ids.ts";
import { realClock } from "../../../sync/real/clock.ts";
import { RawClient } from "../../transcripts/client.ts";
import { startWorld, type World } from "../../transcripts/world.ts";

let world: World;
let accounts = 0;
beforeAll(async () => {
	world = await startWorld();
});
afterAll(() => world.stop());

const number = (text: string | undefined): number => Number(text ?? Number.NaN);

/** `1:3,7` */
function numbersOf(set: string): number[] {
	return set.split(",").flatMap((range) => {
		const [low = 0, high = low] = range.split(":").map(Number);
		return Array.from({ length: high - low + 1 }, (_, index) => low + index);
	});
}

class Client {
	readonly #user: string;
	#connection: RawClient | undefined;
	/** What survives the connection: flags by UID, and where the client stands. */
	readonly #flags = new Map<number, string>();
	#uidValidity = 0;
	#token = 0;
	/** Flags by UID as they will be once the server has said that it took the STORE. */
	readonly #pending = new Map<number, string>();
	/** Message numbers of this connection. */
	#numbers: number[] = [];
	#exists = 0;

	constructor(user: string) {
		this.#user = user;
	}

	get flags(): ReadonlyMap<number, string> {
		return this.#flags;
	}

	/** Hears `lines` responses of the command at most; then the connection is lost. */
	async #say(command: string, lines = Number.POSITIVE_INFINITY) {
		const connection = this.#connection as RawClient;
		const responses = await connection.command(`t ${command}`);
		expect(responses.at(-1)).toMatch(/^t OK/);
		for (const line of responses.slice(0, lines)) this.#hear(line);
		if (responses.length > lines) await this.connect();
	}

	#hear(line: string): void {
		const expunged = /^\* VANISHED (\(EARLIER\) )?(\S+)$/.exec(line);
		const fetched = /^\* (\d+) FETCH \((.*)\)$/.exec(line);
		const token = /HIGHESTMODSEQ (\d+)\]/.exec(line);
		const exists = /^\* (\d+) EXISTS$/.exec(line);
		if (expunged !== null)
			this.#gone(numbersOf(expunged[2] ?? ""), expunged[1] !== undefined);
		else if (fetched !== null)
			this.#heard(number(fetched[1]), fetched[2] ?? "");
		else if (exists !== null) this.#exists = number(exists[1]);
		else if (token !== null) this.#token = number(token[1]);
	}

	#gone(uids: number[], isEarlier: boolean): void {
		for (const uid of uids) {
			this.#flags.delete(uid);
			if (isEarlier) continue;
			// One that it was told of and never fetched: its number follows from its neighbours'.
			const at = Array.from(
				{ length: this.#exists },
				(_, index) => this.#numbers[index],
			).findIndex(
				(known, index) => (known ?? uid) === uid && this.#isBetween(index, uid),
			);
			expect(at).toBeGreaterThanOrEqual(0);
			this.#numbers.splice(at, 1);
			this.#exists--;
		}
	}

	#isBetween(index: number, uid: number): boolean {
		return (
			this.#numbers.slice(0, index).every((known) => known < uid) &&
			this.#numbers.slice(index + 1).every((known) => known > uid)
		);
	}

	#heard(at: number, items: string): void {
		const uid = number(/UID (\d+)/.exec(items)?.[1]);
		const flags = /FLAGS \(([^)]*)\)/.exec(items)?.[1];
		const modSeq = /MODSEQ \((\d+)\)/.exec(items)?.[1];
		const known = this.#numbers[at - 1];
		if (known !== undefined && known > 0) expect(uid).toBe(known);
		this.#numbers[at - 1] = uid;
		if (flags !== undefined) this.#flags.set(uid, flagsKey(flags.split(" ")));
		else if (modSeq !== undefined && this.#pending.has(uid))
			this.#flags.set(uid, this.#pending.get(uid) ?? "");
		if (modSeq !== undefined)
			this.#token = Math.max(this.#token, number(modSeq));
	}

	async connect(): Promise<void> {
		this.#connection?.close();
		this.#pending.clear();
		const connection = await RawClient.connect(world.server.address().port);
		this.#connection = connection;
		await connection.response();
		await connection.command(`t LOGIN ${this.#user} secret`);
		await connection.command("t ENABLE QRESYNC");
		const known =
			this.#uidValidity === 0
				? "(CONDSTORE)"
				: `(QRESYNC (${this.#uidValidity} ${this.#token}))`;
		const before = this.#token;
		this.#numbers = [];
		const responses = await connection.command(`t SELECT INBOX ${known}`);
		for (const line of responses) this.#hear(line);
		expect(this.#token).toBeGreaterThanOrEqual(before);
		if (this.#uidValidity === 0)
			await this.#say("UID FETCH 1:* (UID FLAGS MODSEQ)");
		else await this.#say("UID FETCH 1:* (UID)");
		this.#uidValidity = 1001;
		// Arrivals are fetched by name, as every client does.
		const unknown = this.#numbers.filter((uid) => !this.#flags.has(uid));
		if (unknown.length > 0)
			await this.#say(`UID FETCH ${unknown.join(",")} (UID FLAGS)`);
	}

	/** Fetches what it does not know by name. */
	async refresh(): Promise<void> {
		for (let at = 0; at < this.#exists; at++)
			if (this.#numbers[at] === undefined) {
				await this.#say("FETCH 1:* (UID FLAGS)");
				return;
			}
	}

	async noop(lines: number): Promise<void> {
		await this.#say("NOOP", lines);
	}

	async fetch(lines: number): Promise<void> {
		await this.#say("UID FETCH 1:* (UID FLAGS MODSEQ)", lines);
	}

	async store(
		pick: number,
		change: FlagChange,
		silent: boolean,
		byUid: boolean,
		lines: number,
	): Promise<void> {
		const at = this.#numbers.length === 0 ? -1 : pick % this.#numbers.length;
		const uid = this.#numbers[at];
		if (uid === undefined) return;
		const before = this.#flags.get(uid) ?? "";
		const flags = before === "" ? [] : before.split(" ");
		if (silent) this.#pending.set(uid, flagsKey(applyChange(flags, change)));
		const sign = { add: "+", remove: "-", replace: "" }[change.mode];
		await this.#say(
			`${byUid ? `UID STORE ${uid}` : `STORE ${at + 1}`} ${sign}FLAGS${silent ? ".SILENT" : ""} (${change.flags.join(" ")})`,
			lines,
		);
		this.#pending.clear();
	}

	close(): void {
		this.#connection?.close();
	}
}

const flag = fc.constantFrom("\\Seen", "\\Deleted", "$a");
const mode = fc.constantFrom("add", "remove", "replace");
const pick = fc.nat({ max: 20 });
/** Mostly the whole answer; otherwise the line after which the connection is lost. */
const lines = fc.oneof(
	{ weight: 1, arbitrary: fc.constant(1_000) },
	{ weight: 1, arbitrary: fc.nat({ max: 3 }) },
);
const step = fc.oneof(
	fc.record({ do: fc.constant("add" as const) }),
	fc.record({ do: fc.constant("expunge" as const), pick }),
	fc.record({ do: fc.constant("renumber" as const), pick }),
	fc.record({
		do: fc.constant("store" as const),
		picks: fc.array(pick, { minLength: 1, maxLength: 5 }),
		flag,
		mode,
	}),
	fc.record({ do: fc.constant("noop" as const), lines }),
	fc.record({ do: fc.constant("fetch" as const), lines }),
	fc.record({
		do: fc.constant("own" as const),
		pick,
		flag,
		mode,
		silent: fc.boolean(),
		byUid: fc.boolean(),
		lines,
	}),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function chosen(mailbox: MemoryMailbox, at: number): Uid[] {
	const uid = mailbox.uids()[at % Math.max(1, mailbox.uids().length)];
	return uid === undefined ? [] : [uid];
}

async function take(
	client: Client,
	mailbox: MemoryMailbox,
	one: Step,
): Promise<void> {
	if (one.do === "add")
		mailbox.add({ body: world.bodies.put(Buffer.from("x")), flags: [] });
	else if (one.do === "expunge") mailbox.expunge(chosen(mailbox, one.pick));
	else if (one.do === "renumber")
		for (const uid of chosen(mailbox, one.pick)) mailbox.renumber(uid);
	else if (one.do === "store")
		for (const at of one.picks)
			mailbox.store(chosen(mailbox, at), {
				mode: one.mode,
				flags: [one.flag],
			});
	else {
		await client.refresh();
		if (one.do === "noop") await client.noop(one.lines);
		else if (one.do === "fetch") await client.fetch(one.lines);
		else
			await client.store(
				one.pick,
				{ mode: one.mode, flags: [one.flag] },
				one.silent,
				one.byUid,
				one.lines,
			);
	}
}

test("after any loss of the connection, SELECT (QRESYNC) makes all known", async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.array(step, { minLength: 8, maxLength: 25 }),
			async (steps) => {
				const user = `user${++accounts}@example.org`;
				const account = new MemoryAccount(user, realClock);
				world.authenticator.add(user, "secret", account);
				const mailbox = account.mailbox("INBOX");
				for (let count = 0; count < 3; count++)
					mailbox.add({ body: world.bodies.put(Buffer.from("x")), flags: [] });
				const client = new Client(user);
				try {
					await client.connect();
					for (const one of steps) await take(client, mailbox, one);
					await client.connect();
					const there = mailbox
						.uids()
						.map((uid): [number, string] => [
							uid,
							flagsKey(mailbox.get(uid)?.flags ?? []),
						]);
					expect([...client.flags].sort((a, b) => a[0] - b[0])).toEqual(there);
				} finally {
					client.close();
				}
				expect(world.log.errors).toEqual([]);
			},
		),
		{ numRuns: 120 },
	);
}, 30_000);
