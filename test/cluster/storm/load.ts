/** Clients that go on whatever happens: senders that try again until their mail is taken, mail programs that change it, one that looks. */
import { setTimeout as pause } from "node:timers/promises";
import { password } from "../../harness/cluster.ts";
import {
	ImapClient,
	type Part,
	type Reply,
} from "../../harness/imap-client.ts";
import { seeded } from "../../harness/messages.ts";
import type { TestNode } from "../../harness/node.ts";
import { SmtpSender } from "../../harness/smtp-sender.ts";
import { until, within } from "../../harness/until.ts";
import { user } from "../mail.ts";
import { Observer } from "../observer.ts";
import type { Ledger, Letter } from "./ledger.ts";

const SENDERS = 2;
const WRITERS = 3;
/** A client gives up on an answer after this, and never learns what became of it. */
const ANSWER_MILLISECONDS = 10_000;
/** Between two things that one client does: a load that leaves the machine time for what is tested. */
const PAUSE_MILLISECONDS_MAX = 120;
const COMMANDS_A_SESSION = 12;
const FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "$one", "$two", "$three"];

export class Load {
	readonly observer = new Observer();
	readonly #ledger: Ledger;
	readonly #up: () => readonly TestNode[];
	readonly #random: () => number;
	#isOver = false;
	#isAbandoned = false;
	#clients: Promise<void>[] = [];

	/** `up` are the nodes that clients may turn to. */
	constructor(ledger: Ledger, up: () => readonly TestNode[], seed: number) {
		this.#ledger = ledger;
		this.#up = up;
		this.#random = seeded(seed * 104_729 + 3);
	}

	start(): void {
		this.#isOver = false;
		const times = (count: number, run: (index: number) => Promise<void>) =>
			Array.from({ length: count }, (_, index) => run(index));
		this.#clients = [
			...times(SENDERS, () => this.#goOn(() => this.#send())),
			...times(WRITERS, (index) => this.#goOn(() => this.#write(index))),
			this.#goOn(() => this.#look()),
		];
	}

	/** Resolves when every client has ended what it was at: each sender when its last message was taken. */
	async end(): Promise<void> {
		this.#isOver = true;
		await Promise.all(this.#clients);
	}

	/** As end(), but what is not taken stays so: the storm has failed already. */
	async abandon(): Promise<void> {
		this.#isAbandoned = true;
		await this.end();
	}

	/** Until so many more things were acknowledged. */
	async acknowledges(more: number): Promise<void> {
		const wanted = this.#ledger.acknowledgements + more;
		await until(
			`${more} acknowledgements`,
			() => this.#ledger.acknowledgements >= wanted,
			{
				timeoutMilliseconds: 120_000,
				seen: () => `${this.#ledger.acknowledgements - wanted + more}`,
			},
		);
	}

	async #goOn(step: () => Promise<void>): Promise<void> {
		while (!this.#isOver) {
			// A connection that breaks off is the storm's doing; what it leaves open is in the ledger.
			await step().catch(() => {});
			await this.#pause();
		}
	}

	#pause(): Promise<void> {
		return pause(this.#random() * PAUSE_MILLISECONDS_MAX);
	}

	#pick<T>(list: readonly T[]): T | undefined {
		return list[Math.floor(this.#random() * list.length)];
	}

	/** One message, tried again here and there with the same envelope until it is taken. */
	async #send(): Promise<void> {
		const letter = this.#ledger.write("SMTP");
		while (letter.place === "asked" && !this.#isAbandoned) {
			await this.#trySend(letter).catch(() => {});
			await this.#pause();
		}
	}

	async #trySend(letter: Letter): Promise<void> {
		const node = this.#pick(this.#up());
		if (node === undefined) return;
		const smtp = await SmtpSender.connect(await node.reach("smtp"));
		try {
			await within(
				"the answer to DATA",
				ANSWER_MILLISECONDS,
				smtp.send("storm@sender.test", [user], letter.bytes),
			);
			letter.place = "inbox";
			this.#ledger.acknowledgements += 1;
		} finally {
			smtp.close();
		}
	}

	/** A session of some commands on one node. */
	async #write(writer: number): Promise<void> {
		const node = this.#pick(this.#up());
		if (node === undefined) return;
		const client = await ImapClient.connect(await node.reach("imap"));
		const session = new Session(client, node.name);
		try {
			await client.login(user, password);
			// Told of UIDs that are gone, it knows what its next command may miss.
			await client.ok("ENABLE QRESYNC");
			await client.select("INBOX");
			for (let done = 0; done < COMMANDS_A_SESSION && !this.#isOver; done++) {
				await this.#change(session, writer);
				await this.#pause();
			}
		} finally {
			client.close();
		}
	}

	async #change(session: Session, writer: number): Promise<void> {
		const chance = this.#random();
		if (chance < 0.35) return await this.#append(session);
		// Each message is changed by one client only, so that it is known what becomes of it.
		const letter = this.#pick(
			this.#ledger.letters.filter(
				({ number, place }) => number % WRITERS === writer && place === "inbox",
			),
		);
		if (letter === undefined) return;
		const uid = await session.find(letter);
		if (uid === undefined) return; // it has not come here yet
		if (chance < 0.7) await this.#flag(session, letter, uid);
		else if (chance < 0.8) await this.#copy(session, letter, uid);
		else if (chance < 0.9) await this.#move(session, letter, uid);
		else await this.#expunge(session, letter, uid);
	}

	async #append(session: Session): Promise<void> {
		const letter = this.#ledger.write("APPEND");
		const { status } = await session.command([
			"APPEND INBOX ($appended) ",
			letter.bytes,
		]);
		letter.place = status === "OK" ? "inbox" : "refused";
		if (status !== "OK") return;
		letter.flags.set("$appended", "yes");
		this.#ledger.acknowledgements += 1;
	}

	/** Sets a flag, and takes it back in the same session at times: it has seen what it takes back. */
	async #flag(session: Session, letter: Letter, uid: number): Promise<void> {
		const flag = this.#pick(FLAGS.filter((each) => !letter.flags.has(each)));
		if (flag === undefined) return;
		if (!(await this.#store(session, letter, uid, `+${flag}`))) return;
		if (this.#random() < 0.3)
			await this.#store(session, letter, uid, `-${flag}`);
	}

	/** Whether it was acknowledged. */
	async #store(
		session: Session,
		letter: Letter,
		uid: number,
		change: string,
	): Promise<boolean> {
		const flag = change.slice(1);
		const isSet = change.startsWith("+");
		letter.flags.set(flag, "maybe");
		const reply = await session.command(
			`UID STORE ${uid} ${change[0]}FLAGS (${flag})`,
		);
		if (reply.status !== "OK") return false;
		const isTold = reply.untagged.some(
			({ text }) =>
				new RegExp(`FETCH \\(.*\\bUID ${uid}\\b`).test(text) &&
				text.includes(flag) === isSet,
		);
		if (!this.#isDone(session, uid, `STORE ${change}`, isTold)) return false;
		letter.flags.set(flag, isSet ? "yes" : "no");
		return true;
	}

	async #copy(session: Session, letter: Letter, uid: number): Promise<void> {
		if (letter.copied !== "no") return;
		letter.copied = "maybe";
		const { status, text } = await session.command(`UID COPY ${uid} Copied`);
		if (status !== "OK") return;
		if (this.#isDone(session, uid, "COPY", text.includes("COPYUID")))
			letter.copied = "yes";
	}

	async #move(session: Session, letter: Letter, uid: number): Promise<void> {
		letter.place = "inbox or moved";
		const { status, text, untagged } = await session.command(
			`UID MOVE ${uid} Moved`,
		);
		if (status !== "OK") return;
		const told = [text, ...untagged.map((line) => line.text)].join();
		if (this.#isDone(session, uid, "MOVE", told.includes("COPYUID")))
			letter.place = "moved";
	}

	async #expunge(session: Session, letter: Letter, uid: number): Promise<void> {
		letter.place = "inbox or expunged";
		const deleted = `UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`;
		if ((await session.command(deleted)).status !== "OK") return;
		const wasGone = session.isGone(uid);
		if ((await session.command(`UID EXPUNGE ${uid}`)).status !== "OK") return;
		if (wasGone) return;
		if (this.#isDone(session, uid, "EXPUNGE", session.isGone(uid)))
			letter.place = "expunged";
	}

	/** An acknowledged command was done, unless its session was told that the UID is gone: it has another one now. */
	#isDone(
		{ isGone, node }: Session,
		uid: number,
		what: string,
		isTold: boolean,
	): boolean {
		if (isTold) this.#ledger.acknowledgements += 1;
		else if (!isGone(uid))
			this.#ledger.faults.push(`${what} of UID ${uid} on ${node} did nothing`);
		return isTold;
	}

	/** Opens INBOX somewhere and reads a message: numbers and bytes must be right at any time. */
	async #look(): Promise<void> {
		const node = this.#pick(this.#up());
		if (node === undefined) return;
		const client = await ImapClient.connect(await node.reach("imap"));
		try {
			await client.login(user, password);
			await client.select("INBOX", "EXAMINE");
			const messages = await client.list();
			this.observer.saw(node.name, messages);
			const one = this.#pick(messages);
			const letter = one && this.#ledger.letter(one.messageId);
			if (one === undefined || letter === undefined) return;
			const body = await client.body(one.uid);
			if (!this.#ledger.isWhole(letter, body))
				this.#ledger.faults.push(
					`${node.name} served other bytes than were sent for UID ${one.uid}, ${letter.id}`,
				);
		} finally {
			client.close();
		}
	}
}

/** A connection with INBOX selected that remembers which UIDs it was told are gone. */
class Session {
	readonly node: string;
	readonly #client: ImapClient;
	readonly #gone: (readonly [number, number])[] = [];

	constructor(client: ImapClient, node: string) {
		this.#client = client;
		this.node = node;
		client.onUntagged(({ text }) => {
			const set = /^VANISHED (?:\(EARLIER\) )?(\S+)/.exec(text)?.[1];
			for (const part of set?.split(",") ?? []) {
				const [first = 0, last = first] = part.split(":").map(Number);
				this.#gone.push([first, last]);
			}
		});
	}

	readonly isGone = (uid: number): boolean =>
		this.#gone.some(([first, last]) => first <= uid && uid <= last);

	command(parts: Part | readonly Part[]): Promise<Reply> {
		return this.#client.command(parts, {
			timeoutMilliseconds: ANSWER_MILLISECONDS,
		});
	}

	/** The UID of a message, where it has come. */
	async find({ id }: Letter): Promise<number | undefined> {
		const { untagged } = await this.command(
			`UID SEARCH HEADER Message-ID "${id}"`,
		);
		for (const { text } of untagged) {
			const uid = /^SEARCH (\d+)/.exec(text)?.[1];
			if (uid !== undefined) return Number(uid);
		}
		return undefined;
	}
}
