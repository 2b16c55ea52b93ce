/**
 * A client that believes what it is told, by the letter of RFC 3501, 7162, 5465 and 9586: it keeps UIDs and flags by message
 * number, and throws at whatever no server may say. Commands may be pipelined; what comes up to a tagged response
 * belongs to that command.
 */
import { applyChange, flagsKey } from "../../node/imap/flags.ts";
import type { FlagChange } from "../../sync/api.ts";
import { RawClient } from "../transcripts/client.ts";

export interface Mode {
	readonly name: string;
	/** Before SELECT, separated by CRLF, without tags. */
	readonly setup: readonly string[];
	/** After it. */
	readonly after: readonly string[];
	readonly compressed?: true;
}

interface Believed {
	uid: number | undefined;
	/** Undefined: not known. */
	flags: readonly string[] | undefined;
}

/** A STORE with .SILENT: the client knows what comes of it. */
export interface Silent {
	readonly change: FlagChange;
	readonly byUid: boolean;
	readonly from: number;
	readonly to: number;
}

interface Sent {
	readonly tag: string;
	readonly text: string;
	readonly silent: Silent | undefined;
}

export class Believer {
	readonly mode: Mode;
	messages: Believed[] = [];
	/** Nothing may be sent. */
	isIdling = false;
	readonly #client: RawClient;
	#tags = 0;
	#last: Promise<unknown> = Promise.resolve();

	private constructor(client: RawClient, mode: Mode) {
		this.#client = client;
		this.mode = mode;
	}

	static async open(
		port: number,
		login: string,
		mode: Mode,
	): Promise<Believer> {
		const client = await RawClient.connect(port);
		await client.response();
		const believer = new Believer(client, mode);
		await client.command(`a ${login}`);
		if (mode.compressed) {
			await client.command("a COMPRESS DEFLATE");
			client.startCompression();
		}
		for (const text of mode.setup) await client.command(`a ${text}`);
		await believer.run("SELECT INBOX");
		for (const text of mode.after) await believer.run(text);
		return believer;
	}

	get uidOnly(): boolean {
		return this.mode.setup.some((one) => one.includes("UIDONLY"));
	}
	get #vanishes(): boolean {
		return this.uidOnly || this.mode.setup.some((one) => /QRESYNC/.test(one));
	}
	/** Expunges come also while no command runs: numbers are of no use (RFC 5465 §6.1). */
	get hearsAnytime(): boolean {
		return this.mode.after.some((one) => one.includes("(selected ("));
	}

	/** Sends a command; resolves when it and all before it are answered. Line breaks of literals may stand in it. */
	run(text: string, silent?: Silent): Promise<string> {
		const sent: Sent = { tag: `t${++this.#tags}`, text, silent };
		this.#client.send(`${sent.tag} ${text}\r\n`);
		return this.#after(() => this.#hear(sent));
	}

	/** IDLE until `until` is fulfilled. */
	async idle(until: () => Promise<void>): Promise<void> {
		const done = this.run("IDLE");
		this.isIdling = true;
		await until();
		this.isIdling = false;
		this.#client.send("DONE\r\n");
		await done;
	}

	/** Waits for all that was sent, then compares what it believes with what is. */
	async verify(): Promise<void> {
		await this.run("NOOP");
		const believed = this.messages.map((one) => ({ ...one }));
		await this.run("UID FETCH 1:* (UID FLAGS)");
		if (this.messages.length !== believed.length)
			this.#fail(`believed in ${believed.length} messages`, "");
		const now = new Map(this.messages.map(({ uid, flags }) => [uid, flags]));
		if (now.has(undefined) || now.size < this.messages.length)
			this.#fail(`${this.messages.length} messages were announced`, "");
		for (const [index, { uid, flags }] of believed.entries()) {
			if (uid === undefined) continue;
			const is = now.get(uid);
			if (is === undefined) this.#fail(`${uid} is not there`, "");
			if (!this.uidOnly && this.messages[index]?.uid !== uid)
				this.#fail(`number ${index + 1} is not ${uid}`, "");
			if (flags && flagsKey(flags) !== flagsKey(is))
				this.#fail(`${uid} has ${is}, believed ${flags}`, "");
		}
	}

	close(): void {
		this.#client.close();
	}

	#after<T>(work: () => Promise<T>): Promise<T> {
		const result = this.#last.then(work);
		this.#last = result;
		result.catch(() => {});
		return result;
	}

	#fail(why: string, response: string): never {
		throw new Error(`${this.mode.name}: ${why}: ${response.slice(0, 200)}`);
	}

	async #hear({ tag, text, silent }: Sent): Promise<string> {
		if (silent !== undefined) this.#expect(silent);
		for (;;) {
			const response = await this.#client.response();
			if (response === undefined) this.#fail(`closed in ${text}`, "");
			if (response.startsWith("+ ")) continue;
			if (!response.startsWith("* ")) {
				if (!response.startsWith(`${tag} `))
					this.#fail(`not the answer to ${tag} ${text}`, response);
				if (silent !== undefined && !/^\S+ OK (?!\[)/.test(response))
					for (const one of this.#named(silent)) one.flags = undefined;
				if (/^\S+ OK/.test(response) && /^(CLOSE|UNSELECT)/.test(text))
					this.messages = [];
				return response;
			}
			this.#believe(response, text);
		}
	}

	#named({ byUid, from, to }: Silent): Believed[] {
		return this.messages.filter((one, index) => {
			const number = byUid ? (one.uid ?? 0) : index + 1;
			return number >= from && number <= to;
		});
	}

	#expect(silent: Silent): void {
		for (const one of this.#named(silent))
			one.flags = one.flags && applyChange(one.flags, silent.change);
		// It cannot know which of these are meant.
		for (const one of this.messages)
			if (silent.byUid && one.uid === undefined) one.flags = undefined;
	}

	#believe(response: string, text: string): void {
		const [, number = "", name = ""] =
			/^\* (\d+) ([A-Z]+)/.exec(response) ?? [];
		const value = Number(number);
		if (response.startsWith("* OK [CLOSED]")) this.messages = [];
		else if (name === "EXISTS") this.#exists(value, response);
		else if (name === "EXPUNGE") this.#expunge(value, response, text);
		else if (response.startsWith("* VANISHED ")) this.#vanished(response, text);
		else if (name === "FETCH") this.#fetched(value, response);
		else if (name === "UIDFETCH") this.#uidFetched(value, response);
		else if (response.startsWith("* BYE")) this.#fail("BYE", response);
		else if (/^\* (SEARCH|SORT)( |$)/.test(response) && !/^UID /.test(text))
			for (const one of response.match(/\d+/g) ?? [])
				if (Number(one) > this.messages.length && !response.includes("MODSEQ"))
					this.#fail("found a number beyond the last", response);
	}

	#exists(count: number, response: string): void {
		if (count < this.messages.length) this.#fail("EXISTS shrank", response);
		while (this.messages.length < count)
			this.messages.push({ uid: undefined, flags: undefined });
	}

	/** RFC 3501 §7.4.1, RFC 7162 §3.2.10.2 */
	#checkMayExpunge(response: string, text: string): void {
		if (/^(FETCH|STORE|SEARCH|SORT|THREAD)/.test(text) && !this.hearsAnytime)
			this.#fail(`expunge within ${text}`, response);
	}

	#expunge(number: number, response: string, text: string): void {
		this.#checkMayExpunge(response, text);
		if (this.#vanishes) this.#fail("EXPUNGE in place of VANISHED", response);
		if (number < 1 || number > this.messages.length)
			this.#fail("EXPUNGE of nothing", response);
		this.messages.splice(number - 1, 1);
	}

	#vanished(response: string, text: string): void {
		const isEarlier = response.startsWith("* VANISHED (EARLIER) ");
		if (!isEarlier) this.#checkMayExpunge(response, text);
		if (!this.#vanishes) this.#fail("VANISHED unasked", response);
		for (const range of response.replace(/^.* /, "").split(",")) {
			const [low = 0, high = low] = range.split(":").map(Number);
			for (let uid = low; uid <= high; uid++) {
				if (isEarlier) {
					if (this.messages.some((one) => one.uid === uid))
						this.#fail(`${uid} is there`, response);
					continue;
				}
				const index = this.#place(uid);
				if (index < 0) this.#fail(`${uid} was not there`, response);
				this.messages.splice(index, 1);
			}
		}
	}

	/** Where a UID is, or can be: they ascend, and of some that were announced it was not asked for. */
	#place(uid: number): number {
		const known = this.messages.findIndex((one) => one.uid === uid);
		if (known >= 0) return known;
		// Without numbers there is no order.
		if (this.uidOnly)
			return this.messages.findIndex((one) => one.uid === undefined);
		const above = this.messages.findIndex(
			(one) => one.uid !== undefined && one.uid > uid,
		);
		const end = above < 0 ? this.messages.length : above;
		return this.messages[end - 1]?.uid === undefined ? end - 1 : -1;
	}

	#fetched(number: number, response: string): void {
		if (this.uidOnly) this.#fail("FETCH by number", response);
		const one = this.messages[number - 1];
		if (one === undefined) this.#fail("FETCH of nothing", response);
		const uid = /[( ]UID (\d+)/.exec(response)?.[1];
		if (uid !== undefined) {
			if (one.uid !== undefined && one.uid !== Number(uid))
				this.#fail(`UID was ${one.uid}`, response);
			one.uid = Number(uid);
		}
		this.#flags(one, response);
	}

	#uidFetched(uid: number, response: string): void {
		if (!this.uidOnly) this.#fail("UIDFETCH unasked", response);
		const one = this.messages[this.#place(uid)];
		if (one === undefined) this.#fail("UIDFETCH of nothing", response);
		one.uid = uid;
		this.#flags(one, response);
	}

	#flags(one: Believed, response: string): void {
		const flags = /[( ]FLAGS \(([^)]*)\)/.exec(response)?.[1];
		if (flags !== undefined)
			one.flags = flags.split(" ").filter((flag) => flag !== "");
	}
}
