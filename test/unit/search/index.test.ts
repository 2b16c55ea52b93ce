/** The whole index with its thread: beside a search that reads every message, on messages of all kinds. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MemoryAccount } from "../../../node/imap/memory.ts";
import {
	MemoryBodies,
	ParsedStructures,
	ReadTexts,
} from "../../../node/imap/memory-bodies.ts";
import { type CacheRow, cacheRow } from "../../../node/mime/cache-row.ts";
import { casemap, parseMessage } from "../../../node/mime/index.ts";
import { createTextIndex, type TextIndex } from "../../../node/search/index.ts";
import { NO, type Sought, UNKNOWN, YES } from "../../../node/search/types.ts";
import {
	BODY_MEMORY_BYTES_MAX,
	SEARCH_TEXT_BYTES_MAX,
} from "../../../sync/limits.ts";
import { type BodyRef, BodyUnavailable } from "../../../sync/ports/bodies.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { until } from "../../harness/until.ts";
import { ErrorLog } from "../../transcripts/world.ts";
import { corpus, corpusNames, message } from "../mime/corpus.ts";

let folder: string;
let bodies: MemoryBodies;
let clock: SimClock;
let log: ErrorLog;
let account: MemoryAccount;
let index: TextIndex;
let structures: ParsedStructures & Primed;

/** What the cache of structures is asked and told. */
class Primed {
	readonly primed = new Map<string, Buffer>();
	readonly kept = new Map<string, CacheRow>();
	atHand(hash: string): Buffer | undefined {
		return this.primed.get(hash);
	}
	release(hash: string): void {
		this.primed.delete(hash);
	}
	isKept(hash: string): boolean {
		return this.kept.has(hash);
	}
	keep(row: CacheRow): void {
		expect(this.kept.has(row.hash)).toBe(false);
		this.kept.set(row.hash, row);
	}
}

const open = () => {
	index = createTextIndex({
		folder: join(folder, "search"),
		bodies,
		structures,
		account: (id) => (id === account.id ? account : undefined),
		clock,
		log,
	});
};
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "pmnode-search-"));
	bodies = new MemoryBodies();
	clock = new SimClock();
	log = new ErrorLog();
	account = new MemoryAccount("ann@example.org", clock);
	const primed = new Primed();
	structures = Object.assign(new ParsedStructures(bodies), {
		primed: primed.primed,
		kept: primed.kept,
		atHand: primed.atHand,
		release: primed.release,
		isKept: primed.isKept,
		keep: primed.keep,
	});
	open();
});
afterEach(async () => {
	await index.close();
	rmSync(folder, { recursive: true, force: true });
	expect(log.errors).toEqual([]);
});

const deliver = (bytes: Buffer, mailbox = "INBOX"): BodyRef => {
	const body = bodies.put(bytes);
	account.mailbox(mailbox).add({ body, flags: [] });
	return body;
};
const all = (): BodyRef[] => account.messages("INBOX").map(({ body }) => body);
const seek = (kind: "body" | "text", text: string): Sought => ({
	kind,
	mapped: casemap(text),
});

/** As a search does it: what is known, and else what is read. */
async function search(sought: Sought): Promise<boolean[]> {
	const refs = all();
	const [known] = await index.known(account.id, refs, [sought]);
	return Promise.all(
		refs.map(async (ref, at) => {
			if (known?.[at] !== UNKNOWN) return known?.[at] === YES;
			return (await index.read(account.id, ref, [sought]))[0] === true;
		}),
	);
}
async function bruteForce(sought: Sought): Promise<boolean[]> {
	const plain = new ReadTexts(bodies);
	return Promise.all(
		all().map(async (ref) =>
			Boolean((await plain.read(account.id, ref, [sought]))[0]),
		),
	);
}
const unknown = async (): Promise<number> => {
	const [known] = await index.known(account.id, all(), [seek("text", "zzz")]);
	return known?.filter((one) => one === UNKNOWN).length ?? 0;
};
/** Lets the background work until the index knows all. */
const filled = () =>
	until("the index to know all", async () => {
		await clock.advance(5_000);
		return (await unknown()) === 0;
	});

test("a search says what reading each message says, while the index grows and when it knows all", async () => {
	for (const name of corpusNames) deliver(corpus(name));
	for (let i = 0; i < 40; i++)
		deliver(
			message(
				`Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= ${i}\nFrom: a${i}@example.org\n\nNeedle${i} and caf\xe9\n`,
			),
		);
	const texts = [
		..."needle3|NEEDLE|e3|GRÜßE|café|cafe|a|@example.org|the|Subject|\r\n|zzz".split(
			"|",
		),
	];
	const refs = all();
	for (let at = 0; at < refs.length; at += 30) {
		for (const ref of refs.slice(at, at + 10))
			await index.read(account.id, ref, []);
		for (const text of texts)
			for (const kind of ["body", "text"] as const) {
				const sought = seek(kind, text);
				const [known] = await index.known(account.id, refs, [sought]);
				const wanted = await bruteForce(sought);
				for (const [i, one] of (known ?? []).entries())
					if (one !== UNKNOWN) expect(one === YES, text).toBe(wanted[i]);
			}
	}
	await fc.assert(
		fc.asyncProperty(
			fc.constantFrom("body" as const, "text" as const),
			fc.oneof(
				fc.constantFrom(...texts),
				fc.string({ minLength: 1, maxLength: 4 }),
			),
			async (kind, text) => {
				const sought = seek(kind, text);
				expect(await search(sought)).toEqual(await bruteForce(sought));
			},
		),
		{ numRuns: 60 },
	);
	expect(await unknown()).toBe(0);
});

test("who looks at an account has it indexed, other mailboxes too; what is gone leaves", async () => {
	deliver(message("Subject: one\n\nfirst\n"));
	const other = deliver(message("Subject: two\n\nsecond\n"), "Archive");
	index.looking(account);
	await filled();
	const [known] = await index.known(
		account.id,
		[other],
		[seek("body", "second")],
	);
	expect([...(known as Uint8Array)]).toEqual([YES]);
	account.mailbox("Archive").expunge(account.mailbox("Archive").uids());
	// Not again so soon.
	index.looking(account);
	await clock.advance(5_000);
	await clock.advance(11 * 60_000);
	index.looking(account);
	await until("what is gone to leave", async () => {
		await clock.advance(5_000);
		const [now] = await index.known(account.id, [other], [seek("body", "x")]);
		return now?.[0] === UNKNOWN;
	});
});

test("a message that is indexed leaves its row in the cache of structures, once", async () => {
	const bytes = corpus("nested-forward");
	const refs = [
		deliver(bytes),
		deliver(message("Subject: one\n\nfirst\n")),
		deliver(corpus("plain")),
	];
	const known = refs[2] as BodyRef;
	const knownRow = cacheRow(known.hash, parseMessage(corpus("plain")), bytes);
	structures.keep(knownRow);
	index.looking(account);
	await filled();
	expect(structures.kept.get(known.hash)).toBe(knownRow);
	const row = structures.kept.get((refs[0] as BodyRef).hash);
	const wanted = cacheRow(refs[0]?.hash ?? "", parseMessage(bytes), bytes);
	expect(row).toEqual(wanted);
	expect(structures.kept.size).toBe(3);
});

test("what came with its bytes is indexed without reading the disk", async () => {
	const refs = Array.from({ length: 70 }, (_, i) => {
		const bytes = message(`Subject: x\n\nneedle ${i}\n`);
		const ref = deliver(bytes);
		structures.primed.set(ref.hash, bytes);
		return ref;
	});
	bodies.read = async () => {
		throw new Error("read from the disk");
	};
	// The same message to two mailboxes of an account, say.
	index.arrived(account.id, [...refs.slice(0, 3), ...refs]);
	await filled();
	expect(await search(seek("body", "needle 6"))).toEqual(
		refs.map((_, i) => i === 6 || i >= 60),
	);
	expect(structures.primed.size).toBe(0);
	expect(structures.kept.size).toBe(70);
});

test("each question is about the messages that it names, as many as the last one or not", async () => {
	for (const text of ["one", "two", "three"])
		deliver(message(`Subject: x\n\n${text}\n`));
	await search(seek("body", "all are read"));
	const [one, two, three] = all() as [BodyRef, BodyRef, BodyRef];
	const ask = async (refs: readonly BodyRef[]): Promise<number[]> => [
		...((await index.known(account.id, refs, [seek("body", "two")]))[0] ?? []),
	];
	for (let i = 0; i < 2; i++) expect(await ask([one, two])).toEqual([NO, YES]);
	expect(await ask([two, three])).toEqual([YES, NO]);
	expect(await ask([])).toEqual([]);
	expect(await Promise.all([ask([three, two]), ask([three, two])])).toEqual([
		[NO, YES],
		[NO, YES],
	]);
});

test("mail that arrives is indexed without anybody looking", async () => {
	index.arrived(account.id, [deliver(message("Subject: x\n\nnew\n"))]);
	await filled();
	expect(await search(seek("body", "new"))).toEqual([true]);
});

test("a message that cannot be had costs the others nothing, and a search says so", async () => {
	const lost = deliver(message("Subject: lost\n\nlost\n"));
	deliver(message("Subject: here\n\nhere\n"));
	bodies.missing.add(lost.hash);
	index.looking(account);
	await until("the other one to be known", async () => {
		await clock.advance(5_000);
		return (await unknown()) === 1;
	});
	await expect(search(seek("body", "here"))).rejects.toBeInstanceOf(
		BodyUnavailable,
	);
});

test("of a large message only what is text is read, and all of it", async () => {
	const attachment = `${"A".repeat(76)}\n`.repeat(8000);
	const large = deliver(
		message(
			`Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst part\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n${attachment}\n--b\nContent-Type: text/html\n\n<p>last\n--b--\n`,
		),
	);
	expect(large.sizeBytes).toBeGreaterThan(BODY_MEMORY_BYTES_MAX);
	let readBytes = 0;
	const read = bodies.read.bind(bodies);
	const whole = structures.parsed.bind(structures);
	const tree = await whole({ body: large });
	structures.parsed = async () => tree;
	bodies.read = async (ref, start = 0, end = ref.sizeBytes) => {
		readBytes += end - start;
		return read(ref, start, end);
	};
	for (const text of ["first part", "<P>LAST", "AAAA"])
		expect(await search(seek("body", text))).toEqual([text !== "AAAA"]);
	expect(readBytes).toBeLessThan(1000);
});

test("a text that is too large to be kept is not even read in the background, but is found all the same", async () => {
	const lines = (count: number) => `${"words ".repeat(20)}\n`.repeat(count);
	const head = "Content-Type: text/plain\n\n";
	const huge = deliver(message(`${head}${lines(20_000)}needle\n`));
	deliver(message(`${head}${lines(5_000)}needle\n`));
	expect(huge.sizeBytes).toBeGreaterThan(2 * SEARCH_TEXT_BYTES_MAX);
	const parsed = structures.parsed.bind(structures);
	const tree = await parsed({ body: huge });
	structures.parsed = async (of) =>
		of.body.hash === huge.hash ? tree : parsed(of);
	const readOf: string[] = [];
	const read = bodies.read.bind(bodies);
	bodies.read = async (ref, start, end) => {
		readOf.push(ref.hash);
		return read(ref, start, end);
	};
	index.looking(account);
	await until("the other one to be known", async () => {
		await clock.advance(5_000);
		return (await unknown()) === 1;
	});
	expect(readOf).not.toContain(huge.hash);
	expect(await search(seek("body", "needle"))).toEqual([true, true]);
	expect(await search(seek("body", "nowhere"))).toEqual([false, false]);
	expect(readOf).toContain(huge.hash);
	// What was found out is not found out again.
	readOf.length = 0;
	expect(await search(seek("body", "needle"))).toEqual([true, true]);
	expect(await search(seek("body", "nowhere"))).toEqual([false, false]);
	expect(readOf).toEqual([]);
	expect(await search(seek("text", "nowhere"))).toEqual([false, false]);
	expect(readOf).toContain(huge.hash);
});

test("an index that is damaged, deleted or not to be opened answers all the same", async () => {
	for (let i = 0; i < 50; i++)
		deliver(message(`Subject: ${i}\n\nneedle${i}\n`));
	const file = join(folder, "search", `${account.id}.heads`);
	const expectRight = async () =>
		expect(await search(seek("body", "needle7"))).toEqual(
			await bruteForce(seek("body", "needle7")),
		);
	await expectRight();
	await index.close();
	writeFileSync(
		file,
		"no database at all, but long enough to be one ".repeat(99),
	);
	open();
	await expectRight();
	await index.close();
	rmSync(join(folder, "search"), { recursive: true });
	writeFileSync(join(folder, "search"), "in the way");
	open();
	await expectRight();
});

test("accounts that are no more leave no file", async () => {
	deliver(message("Subject: x\n\nx\n"));
	await search(seek("body", "x"));
	await index.close();
	const file = join(folder, "search", `${account.id}.heads`);
	expect(existsSync(file)).toBe(true);
	account = new MemoryAccount("bob@example.org", clock);
	open();
	expect(existsSync(file)).toBe(false);
});

test("files of a former version go, and the index fills again", async () => {
	deliver(message("Subject: x\n\nneedle\n"));
	await index.close();
	const former = join(folder, "search", `${account.id}.db`);
	for (const suffix of ["", "-wal"]) writeFileSync(former + suffix, "SQLite");
	open();
	expect(existsSync(former) || existsSync(`${former}-wal`)).toBe(false);
	index.looking(account);
	await filled();
	expect(await search(seek("body", "needle"))).toEqual([true]);
});

test("a closed index reads", async () => {
	deliver(message("Subject: x\n\nneedle\n"));
	await index.close();
	expect(await search(seek("body", "needle"))).toEqual([true]);
});
