/** What this server says of a message, field by field beside what Dovecot says of the same octets. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseMessage, type Structure } from "../../node/mime/index.ts";
import { ImapClient, type Line } from "../harness/imap-client.ts";
import { startWorld, type World } from "../transcripts/world.ts";
import { corpus, corpusNames } from "../unit/mime/corpus.ts";
import { type Dovecot, startDovecot, whyNoDovecot } from "./dovecot.ts";
import { fetched, type Value } from "./value.ts";

const reason = whyNoDovecot();
if (reason !== undefined)
	process.stderr.write(`beside Dovecot: ${reason}, left out\n`);

/** Dovecot makes CRLF of LF and refuses NUL when it takes a message, so both get it like that. */
const octetsOf = (name: string): Buffer =>
	Buffer.from(
		corpus(name)
			.toString("latin1")
			.replace(/\r?\n/g, "\r\n")
			.replaceAll("\0", "?"),
		"latin1",
	);

let dovecot: Dovecot;
let world: World;
let ours: ImapClient;
const names = corpusNames.filter((name) => octetsOf(name).length > 0);

describe.skipIf(reason !== undefined)("beside Dovecot", () => {
	beforeAll(async () => {
		dovecot = await startDovecot();
		world = await startWorld();
		ours = await ImapClient.connect({
			host: "127.0.0.1",
			port: world.server.address().port,
		});
		await ours.login("ann@example.org", "secret");
		for (const client of [ours, dovecot.client]) {
			await client.ok("CREATE corpus");
			for (const name of names)
				await client.append(
					"corpus",
					octetsOf(name),
					"",
					"01-Jan-2026 12:00:00 +0000",
				);
			await client.select("corpus");
		}
	});
	afterAll(async () => {
		await ours?.logout();
		await world?.stop();
		await dovecot?.stop();
	});

	const fetch = async (
		client: ImapClient,
		number: number,
		items: string,
	): Promise<Map<string, Value>> => {
		const { untagged } = await client.ok(`FETCH ${number} (${items})`);
		const line = untagged.find(({ text }) => text.includes("FETCH (")) as Line;
		return fetched(line);
	};

	test.each(names)("%s", async (name) => {
		const number = names.indexOf(name) + 1;
		const items = itemsOf(octetsOf(name)).join(" ");
		const wanted = await fetch(dovecot.client, number, items);
		const found = await fetch(ours, number, items);
		const differing = [...wanted].flatMap(([item, value]) =>
			JSON.stringify(found.get(item)) === JSON.stringify(value) ? [] : [item],
		);
		const known = differences[name];
		// A difference that is no more must leave the list.
		expect(differing.sort(), describeThem(found, wanted, differing)).toEqual(
			[...(known?.items ?? [])].sort(),
		);
	});

	test.each([
		"SORT (ARRIVAL) UTF-8 ALL",
		"SORT (SUBJECT) UTF-8 COMPARABLE",
		"SORT (REVERSE SUBJECT DATE) UTF-8 COMPARABLE",
		"SORT (SIZE) UTF-8 ALL",
		"SORT (FROM) UTF-8 ALL",
		"SORT (TO) UTF-8 ALL",
		"SORT (CC) UTF-8 ALL",
		"SORT (DATE) UTF-8 ALL",
		"SORT (DISPLAYFROM) UTF-8 ALL",
		"SORT (DISPLAYTO) UTF-8 ALL",
		"SEARCH SUBJECT subject",
		"SEARCH FROM ann",
		"SEARCH HEADER Message-ID example",
		"SEARCH HEADER Content-Type multipart",
		"SEARCH SENTON 1-Jan-2026 HEADER Date 2026",
		"SEARCH SENTBEFORE 1-Jan-2026 HEADER Date 20",
		"SEARCH LARGER 300",
	])("%s", async (text) => {
		const command = text.replace("COMPARABLE", comparable());
		expect(await answer(ours, command)).toBe(
			await answer(dovecot.client, command),
		);
	});

	describe("THREAD and base subjects", () => {
		beforeAll(async () => {
			for (const client of [ours, dovecot.client]) {
				await client.ok("CREATE threads");
				for (const message of threadMessages(120))
					await client.append(
						"threads",
						message,
						"",
						"01-Jan-2026 12:00:00 +0000",
					);
				await client.select("threads");
			}
		});
		test.each([
			"THREAD REFERENCES UTF-8 ALL",
			"THREAD ORDEREDSUBJECT UTF-8 ALL",
			"THREAD REFERENCES UTF-8 1:60",
			"SORT (SUBJECT) UTF-8 ALL",
			"SORT (REVERSE DATE) UTF-8 ALL",
		])("%s", async (command) => {
			expect(await answer(ours, command)).toBe(
				await answer(dovecot.client, command),
			);
		});
	});
});

/** Without those whose subjects are bare Latin 1, which Dovecot takes for nothing, or several, of which it takes the first. */
const comparable = (): string =>
	names
		.flatMap((name, index) =>
			name === "latin1-raw-header" || name === "repeated-fields"
				? []
				: [index + 1],
		)
		.join(",");

const describeThem = (
	found: ReadonlyMap<string, Value>,
	wanted: ReadonlyMap<string, Value>,
	items: readonly string[],
): string =>
	items
		.map(
			(item) =>
				`${item}\n  ours    ${JSON.stringify(found.get(item))}\n  Dovecot ${JSON.stringify(wanted.get(item))}`,
		)
		.join("\n");

async function answer(client: ImapClient, command: string): Promise<string> {
	const { untagged } = await client.ok(command);
	const [name = ""] = command.split(" ", 1);
	return untagged.find(({ text }) => text.startsWith(name))?.text ?? "";
}

/** Everything that can be asked of a message: each section of each part, too. */
function itemsOf(bytes: Buffer): string[] {
	const items = [
		"RFC822.SIZE",
		"ENVELOPE",
		"BODY",
		"BODYSTRUCTURE",
		"BODY.PEEK[]",
		"BODY.PEEK[HEADER]",
		"BODY.PEEK[TEXT]",
		"BODY.PEEK[HEADER.FIELDS (SUBJECT From)]",
		"BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT From)]",
		"BODY.PEEK[]<5.20>",
	];
	const add = (path: string, part: Structure) => {
		items.push(`BODY.PEEK[${path}]`, `BODY.PEEK[${path}.MIME]`);
		if (part.message !== undefined) {
			const { structure } = part.message;
			items.push(
				`BODY.PEEK[${path}.HEADER]`,
				`BODY.PEEK[${path}.TEXT]`,
				`BODY.PEEK[${path}.HEADER.FIELDS (SUBJECT)]`,
			);
			within(`${path}.`, structure);
		} else if (part.children !== undefined) within(`${path}.`, part);
	};
	const within = (prefix: string, of: Structure) => {
		if (of.children === undefined) {
			items.push(`BODY.PEEK[${prefix}1]`);
			if (prefix !== "" && of.message !== undefined) add(`${prefix}1`, of);
		} else
			for (const [index, child] of of.children.entries())
				add(`${prefix}${index + 1}`, child);
	};
	within("", parseMessage(bytes).structure);
	return items.slice(0, 60);
}

/** Messages that answer one another, from a fixed seed. */
function threadMessages(count: number): Buffer[] {
	let state = 4711;
	const pick = (below: number): number => {
		state = (Math.imul(state, 1103515245) + 12345) >>> 0;
		return (state >>> 8) % below;
	};
	const marks = [
		"",
		"",
		"Re: ",
		"Fwd: ",
		"[list] ",
		"Re: [list] Re: ",
		"RE[2]: ",
	];
	const subjects = ["apples", "pears", "", "Kuchen (fwd)", "[x] [y]", "plums"];
	return Array.from({ length: count }, (_, i) => {
		const refs = Array.from({ length: pick(4) }, () => `<m${pick(count)}@x>`);
		const subject =
			marks[pick(marks.length)] + (subjects[pick(subjects.length)] ?? "");
		const day = String(1 + pick(28)).padStart(2, "0");
		const lines = [
			`From: u${pick(9)}@example.org`,
			`Subject: ${subject}`,
			`Date: ${day} Jan 2026 10:${String(pick(60)).padStart(2, "0")}:00 +0${pick(4)}00`,
			`Message-ID: <m${i}@x>`,
			...(refs.length > 0
				? [`${pick(4) === 0 ? "In-Reply-To" : "References"}: ${refs.join(" ")}`]
				: []),
		];
		return Buffer.from(`${lines.join("\r\n")}\r\n\r\nx\r\n`);
	});
}

/** RFC 2046 §5.1.1: the line break before a boundary line belongs to it. Dovecot gives it to a part that has parts. */
const breakBeforeBoundary = (...items: string[]) => ({
	items,
	why: "the line break before a boundary belongs to the boundary (RFC 2046 §5.1.1), also after parts within",
});
/** The blank line that a header lacks. */
const headerAtBoundary = (...items: string[]) => ({
	items,
	why: "a header that runs into a boundary keeps the line break of its last line, so that it still is a header",
});
const bodies = ["BODY", "BODYSTRUCTURE"];
const defaultType = {
	items: bodies,
	why: "a Content-Type that cannot be read means text/plain (RFC 2045 §5.2), not an empty type",
};

/** Where the two differ on purpose, and why. */
const differences: Readonly<
	Record<string, { readonly items: readonly string[]; readonly why: string }>
> = {
	addresses: {
		items: ["ENVELOPE"],
		why: "empty elements of an address list are passed over (RFC 5322 §4.4), and spaces beside dots go",
	},
	"addresses-broken": {
		items: ["ENVELOPE"],
		why: "a display name that holds an @ is kept, and so is what can be read of an address that is not closed",
	},
	"group-and-route": {
		items: ["ENVELOPE"],
		why: "spaces beside dots and the @ are allowed (RFC 5322 §4.4 obs-local-part, obs-domain)",
	},
	"folded-everything": {
		items: ["ENVELOPE"],
		why: "unfolding takes out line breaks and nothing else (RFC 5322 §2.2.3); a value begins after its white space",
	},
	"boundary-in-preamble": headerAtBoundary("BODY[1.MIME]", "BODY[3.MIME]"),
	"embedded-header-only": headerAtBoundary("BODY[1.HEADER]", "BODY[2.HEADER]"),
	"part-headers-only": headerAtBoundary(
		"BODY[1.MIME]",
		"BODY[2.MIME]",
		"BODY[4.MIME]",
	),
	"header-only": {
		items: ["BODY[HEADER.FIELDS.NOT (SUBJECT FROM)]"],
		why: "the blank line is always there (RFC 3501 §6.4.5)",
	},
	"boundary-is-prefix": breakBeforeBoundary("BODY[1]"),
	"same-boundary-nested": breakBeforeBoundary("BODY[1]"),
	"deep-nesting": breakBeforeBoundary(
		...Array.from({ length: 12 }, (_, depth) => `BODY[1${".1".repeat(depth)}]`),
	),
	"rfc822-base64": breakBeforeBoundary("BODY", "BODYSTRUCTURE", "BODY[1]"),
	"boundary-with-spaces": {
		items: [...bodies, "BODY[1]"],
		why: "no boundary ends with white space (RFC 2046 §5.1.1)",
	},
	"message-global": {
		items: bodies,
		why: "message/global is looked into as message/rfc822 is (RFC 9051 §7.5.2)",
	},
	"parameters-broken": {
		items: bodies,
		why: "the parameters that can be read are told",
	},
	"unknown-encoding": {
		items: bodies,
		why: "an encoding is told also when it is unknown: calling it 7bit would have clients show it",
	},
	"type-empty": defaultType,
	"type-without-subtype": defaultType,
	"wrong-content-type": defaultType,
};
