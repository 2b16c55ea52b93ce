/** Sessions of all kinds in one mailbox that change it under each other. */
import type { FlagChange } from "../../sync/api.ts";
import { Believer, type Mode, type Silent } from "./believer.ts";
import type { Mutator } from "./mutator.ts";

const NOTIFY =
	"(MessageNew (UID FLAGS) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge MailboxName SubscriptionChange))";

export const modes: readonly Mode[] = [
	{ name: "plain", setup: [], after: [] },
	{ name: "condstore", setup: ["ENABLE CONDSTORE"], after: [] },
	{ name: "qresync", setup: ["ENABLE QRESYNC"], after: [], compressed: true },
	{ name: "uidonly", setup: ["ENABLE UIDONLY"], after: [] },
	{
		name: "uidonly with qresync",
		setup: ["ENABLE UIDONLY QRESYNC IMAP4rev2"],
		after: [],
		compressed: true,
	},
	{
		name: "notify",
		setup: [],
		after: [`NOTIFY SET (selected ${NOTIFY}`],
	},
	{
		name: "notify with qresync",
		setup: ["ENABLE QRESYNC"],
		after: [`NOTIFY SET STATUS (selected ${NOTIFY}`],
		compressed: true,
	},
	{
		name: "notify delayed",
		setup: ["ENABLE CONDSTORE"],
		after: [`NOTIFY SET (selected-delayed ${NOTIFY}`],
	},
	{
		name: "notify, uidonly",
		setup: ["ENABLE UIDONLY"],
		after: [`NOTIFY SET (selected ${NOTIFY}`],
	},
];

const flags = ["\\Seen", "\\Deleted", "\\Flagged", "$a", "$B"];
const signs: Readonly<Record<FlagChange["mode"], string>> = {
	add: "+FLAGS",
	remove: "-FLAGS",
	replace: "FLAGS",
};

class Player {
	readonly #client: Believer;
	readonly #mutator: Mutator;

	get isIdling(): boolean {
		return this.#client.isIdling;
	}

	constructor(client: Believer, mutator: Mutator) {
		this.#client = client;
		this.#mutator = mutator;
	}

	/** Starts one command, or IDLE. */
	step(others: () => Promise<void>): Promise<unknown> {
		const { below, pick } = this.#dice;
		if (below(12) === 0) return this.#client.idle(others);
		if (below(4) === 0) return this.#store();
		const message = `{${20 + below(9)}+}`;
		const octets = "Subject: x\r\n\r\n".padEnd(
			Number(message.slice(1, -2)),
			"text ",
		);
		const [set] = this.#set(this.#byUid);
		const uid = this.#byUid ? "UID " : "";
		return this.#client.run(
			pick([
				"NOOP",
				"NOOP",
				"CHECK",
				"EXPUNGE",
				`UID EXPUNGE ${this.#set(true)[0]}`,
				`${uid}FETCH ${set} (UID FLAGS)`,
				`${uid}FETCH ${set} FLAGS`,
				`${uid}FETCH ${set} (BODY[TEXT] UID)`,
				`UID FETCH 1:* (UID FLAGS)`,
				`${uid}FETCH $ (UID)`,
				`${uid}SEARCH DELETED`,
				`${uid}SEARCH RETURN (SAVE) NOT KEYWORD $a`,
				`${uid}SEARCH ${this.#byUid ? `UID ${set}` : set}`,
				`${uid}SORT (REVERSE SIZE) UTF-8 ALL`,
				`${uid}THREAD REFERENCES UTF-8 ALL`,
				`${uid}COPY ${set} INBOX`,
				`${uid}MOVE ${set} INBOX`,
				`${uid}MOVE ${this.#set(this.#byUid)[0]} Trash`,
				`APPEND INBOX (${pick(flags)}) ${message}\r\n${octets}`,
				`APPEND INBOX ${message}\r\n${octets}`,
				`APPEND INBOX ${message}\r\n${octets}`,
				`${uid}REPLACE ${set.replace(/:.*/, "")} INBOX (\\Seen) ${message}\r\n${octets}`,
				"STATUS INBOX (MESSAGES UIDNEXT HIGHESTMODSEQ)",
				"SELECT INBOX",
			]),
		);
	}

	get #dice() {
		return {
			below: (end: number) => this.#mutator.below(end),
			pick: <T>(from: readonly T[]) => this.#mutator.pick(from),
		};
	}

	get #byUid(): boolean {
		const { uidOnly, hearsAnytime } = this.#client;
		return uidOnly || hearsAnytime || this.#mutator.below(2) === 0;
	}

	/** Numbers or UIDs of what the client knows, or somewhat beyond. */
	#set(byUid: boolean): [text: string, from: number, to: number] {
		const { messages } = this.#client;
		const number = (): number => {
			const index = this.#mutator.below(messages.length + 1);
			return (byUid ? messages[index]?.uid : undefined) ?? index + 1;
		};
		const [a, b] = [number(), number()];
		const [from, to] = [Math.min(a, b), Math.max(a, b)];
		if (this.#mutator.below(2) === 0) return [`${from}`, from, from];
		return [`${from}:${to}`, from, to];
	}

	#store(): Promise<unknown> {
		const { below, pick } = this.#dice;
		const byUid = this.#byUid;
		const [set, from, to] = this.#set(byUid);
		const mode = pick(["add", "remove", "replace"] as const);
		const change = { mode, flags: [pick(flags)] };
		const isSilent = below(2) === 0;
		const condition = below(6) === 0 ? "(UNCHANGEDSINCE 1) " : "";
		const silent: Silent | undefined = isSilent
			? { change, byUid, from, to }
			: undefined;
		return this.#client.run(
			`${byUid ? "UID " : ""}STORE ${set} ${condition}${signs[mode]}${isSilent ? ".SILENT" : ""} (${change.flags[0]})`,
			silent,
		);
	}
}

/** Plays so many steps, then all compare what they believe. */
export async function play(
	port: number,
	login: string,
	mutator: Mutator,
	steps: number,
): Promise<void> {
	const clients: Believer[] = [];
	try {
		const count = 2 + mutator.below(3);
		while (clients.length < count)
			clients.push(await Believer.open(port, login, mutator.pick(modes)));
		const players = clients.map((client) => new Player(client, mutator));
		const running = new Set<Promise<unknown>>();
		const step = async (): Promise<void> => {
			const awake = players.filter(({ isIdling }) => !isIdling);
			if (awake.length > 0)
				running.add(
					mutator.pick(awake).step(async () => {
						for (let turns = mutator.below(20); turns > 0; turns--)
							await new Promise(setImmediate);
					}),
				);
			if (awake.length === 0 || mutator.below(3) === 0)
				await Promise.all([...running]);
		};
		for (let left = steps; left > 0; left--) await step();
		await Promise.all([...running]);
		for (const client of clients) await client.verify();
	} finally {
		for (const client of clients) client.close();
	}
}
