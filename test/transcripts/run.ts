/**
 * Runs a transcript: a readable dialogue of one or more clients with a server on memory twins.
 *
 *     # a comment
 *     C: a1 NOOP            the client sends this and CRLF; \r \n \t \\ \0 \xHH are escapes, a final \c leaves out the CRLF
 *     S: a1 OK *            the server's next response; * stands for any text within it
 *     S? * 5 EXISTS         one of the next responses, in any order, up to the next line that is not S?
 *     C2: …, S2: …          the same of a second client; clients connect when they are first named (greeting: S lines)
 *     S: ...                any responses, up to the one of the next S line
 *     S: <closed>           the connection ends here
 *     ! deliver "…" [mailbox] [flags]   things that happen: see `events`
 *
 * A literal in a response is written with its line break as \r\n.
 */
import { LoginThrottled } from "../../node/accounts/authenticator.ts";
import { ClientFault, type FaultCode, Temporary } from "../../sync/faults.ts";
import { uid } from "../../sync/ids.ts";
import { RawClient } from "./client.ts";
import type { World } from "./world.ts";

const escapes: Readonly<Record<string, string>> = {
	r: "\r",
	n: "\n",
	t: "\t",
	"0": "\0",
	"\\": "\\",
	c: "",
};

/** UTF-8 text with escapes → octets as latin1. */
export function octetsOf(text: string): string {
	let result = "";
	for (let index = 0; index < text.length; index++) {
		const character = text[index] ?? "";
		if (character !== "\\") {
			result += Buffer.from(character, "utf8").toString("latin1");
			continue;
		}
		const next = text[++index] ?? "";
		if (next === "x") {
			result += String.fromCharCode(
				Number.parseInt(text.slice(index + 1, index + 3), 16),
			);
			index += 2;
		} else result += escapes[next] ?? `\\${next}`;
	}
	return result;
}

/** Whether a response matches; "*" is a wildcard except as the first character of an untagged response. */
export function matchesPattern(response: string, pattern: string): boolean {
	const head = pattern.startsWith("* ") ? "* " : "";
	if (!response.startsWith(head)) return false;
	const [first = "", ...rest] = pattern.slice(head.length).split("*");
	const body = response.slice(head.length);
	if (!body.startsWith(first)) return false;
	if (rest.length === 0) return body === first;
	let at = first.length;
	const last = rest.pop() ?? "";
	for (const part of rest) {
		at = body.indexOf(part, at);
		if (at < 0) return false;
		at += part.length;
	}
	return body.length - at >= last.length && body.endsWith(last);
}

const faults: Readonly<Record<string, () => Error>> = {
	temporary: () => new Temporary("no copy could be made in time"),
	bug: () => new Error("planted by a transcript"),
	throttled: () => new LoginThrottled("too many wrong passwords"),
};
const faultNamed = (name: string): Error =>
	faults[name]?.() ?? new ClientFault(name as FaultCode, `refused: ${name}`);

type Event = (world: World, args: readonly string[]) => void | Promise<void>;
const events: Readonly<Record<string, Event>> = {
	deliver: (world, [text = "", mailbox, ...flags]) =>
		world.deliver(octetsOf(text), mailbox, flags),
	/** Many messages at once. */
	fill: (world, [count = "0", mailbox]) => {
		for (let index = 1; index <= Number(count); index++)
			world.deliver(
				`Subject: message ${index}\r\n\r\nbody ${index}\r\n`,
				mailbox,
			);
	},
	/** Another session's work, visible at once. */
	store: (world, [mailbox = "", number = "", ...flags]) => {
		world.account
			.mailbox(mailbox)
			.store([uid(Number(number))], { mode: "replace", flags });
	},
	expunge: (world, [mailbox = "", ...numbers]) =>
		world.account
			.mailbox(mailbox)
			.expunge(numbers.map((number) => uid(Number(number)))),
	renumber: (world, [mailbox = "", number = ""]) => {
		world.account.mailbox(mailbox).renumber(uid(Number(number)));
	},
	/** The next operation of this name fails; once. */
	fail: (world, [operation = "", fault = ""]) => {
		const { account, bodies, authenticator } = world;
		if (operation === "login")
			authenticator.fault = () => {
				authenticator.fault = () => undefined;
				return faultNamed(fault);
			};
		else if (operation === "body")
			bodies.fault = () => {
				bodies.fault = () => undefined;
				return faultNamed(fault);
			};
		else
			account.fault = (asked) => {
				if (asked !== operation) return undefined;
				account.fault = () => undefined;
				return faultNamed(fault);
			};
	},
	/** The bodies of these messages cannot be had from now on. */
	lose: (world, [mailbox = "", ...numbers]) => {
		for (const number of numbers) {
			const message = world.account.mailbox(mailbox).get(uid(Number(number)));
			if (message !== undefined) world.bodies.missing.add(message.body.hash);
		}
	},
	/** In bytes, in messages. */
	quota: ({ account }, [storage = "", messages = ""]) => {
		account.limits = {
			storageBytesMax: Number(storage),
			messagesMax: Number(messages),
		};
	},
	delete: (world, [mailbox = ""]) => world.account.remove(mailbox),
	/** The largest UID that the mailbox was told a client named (rule 8). */
	named: (world, [mailbox = "", number = ""]) => {
		const { named } = world.account.mailbox(mailbox);
		if (named !== Number(number)) throw new Error(`named is ${named}`);
	},
	errors: (world, [count = "0"]) => {
		const found = world.log.errors.splice(0);
		if (found.length !== Number(count)) throw new Error(found.join("\n"));
	},
};

/** Words and "quoted texts" of an event line. */
function wordsOf(text: string): string[] {
	const words: string[] = [];
	for (let rest = text.trim(); rest !== ""; rest = rest.trimStart()) {
		const quoted = rest.startsWith('"');
		const end = rest.indexOf(quoted ? '"' : " ", 1);
		const stop = end < 0 ? rest.length : end;
		words.push(rest.slice(quoted ? 1 : 0, stop));
		rest = rest.slice(stop + (quoted ? 1 : 0));
	}
	return words;
}

export async function runTranscript(world: World, text: string): Promise<void> {
	const clients = new Map<string, RawClient>();
	const { port } = world.server.address();
	const clientOf = async (name: string): Promise<RawClient> => {
		const found = clients.get(name);
		if (found !== undefined) return found;
		const client = await RawClient.connect(port);
		clients.set(name, client);
		return client;
	};
	/** Responses that S? lines still want, by client. */
	let optional: { client: RawClient; patterns: string[] } | undefined;
	/** Of clients after `S: ...`. */
	const skipping = new Set<RawClient>();
	const settle = async () => {
		if (optional === undefined) return;
		const { client, patterns } = optional;
		optional = undefined;
		while (patterns.length > 0) {
			const response = (await client.response()) ?? "<closed>";
			const index = patterns.findIndex((one) => matchesPattern(response, one));
			if (index < 0)
				throw new Error(`got ${response}\nwanted one of ${patterns}`);
			patterns.splice(index, 1);
		}
	};
	const runLine = async (line: string): Promise<void> => {
		const [, side = "", name = "", kind = "", rest = ""] =
			/^([CS])(\d*)([:?]) ?(.*)$/.exec(line) ?? [];
		if (side === "S" && kind === "?") {
			optional ??= { client: await clientOf(name), patterns: [] };
			optional.patterns.push(octetsOf(rest));
			return;
		}
		await settle();
		if (line.startsWith("!")) {
			const [event = "", ...args] = wordsOf(line.slice(1));
			const run = events[event];
			if (run === undefined) throw new Error(`no event ${event}`);
			await run(world, args);
		} else if (side === "C") {
			const client = await clientOf(name);
			if (rest === "<tls>") await client.startTls();
			else if (rest === "<deflate>") client.startCompression();
			else if (rest === "<close>") client.close();
			else client.send(octetsOf(rest) + (rest.endsWith("\\c") ? "" : "\r\n"));
		} else if (side === "S") {
			const client = await clientOf(name);
			if (rest === "...") {
				skipping.add(client);
				return;
			}
			const wanted = rest === "<closed>" ? undefined : octetsOf(rest);
			let response = await client.response();
			if (skipping.delete(client))
				while (
					response !== undefined &&
					!matchesPattern(response, wanted ?? "")
				)
					response = await client.response();
			if (
				wanted === undefined
					? response !== undefined
					: response === undefined || !matchesPattern(response, wanted)
			)
				throw new Error(`got    ${JSON.stringify(response ?? "<closed>")}`);
		} else throw new Error("not a line of a transcript");
	};
	try {
		for (const [index, line] of text.split("\n").entries()) {
			if (line.trim() === "" || line.startsWith("#")) continue;
			try {
				await runLine(line.trimEnd());
			} catch (error) {
				throw new Error(`line ${index + 1}: ${line}\n${error}`);
			}
		}
		await settle();
	} finally {
		for (const client of clients.values()) client.close();
	}
}
