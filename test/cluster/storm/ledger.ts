/** What clients were told about their mail, and whether what a node shows agrees with it. */
import type { Fetched } from "../../harness/imap-client.ts";
import { MessageMaker } from "../../harness/messages.ts";
import { user } from "../mail.ts";

export const BOXES = ["INBOX", "Moved", "Copied"] as const;
export type Box = (typeof BOXES)[number];

/** yes and no were acknowledged; maybe was asked for, and no answer came. */
export type Known = "yes" | "no" | "maybe";

/** Where a message is: how often it may lie in INBOX and in Moved. */
const PLACES = {
	/** Handed in, and not answered (yet). */
	asked: ["00", "10"],
	refused: ["00"],
	inbox: ["10"],
	moved: ["01"],
	"inbox or moved": ["10", "01"],
	expunged: ["00"],
	"inbox or expunged": ["10", "00"],
} as const;

export interface Letter {
	readonly number: number;
	readonly id: string;
	readonly bytes: Buffer;
	readonly via: "SMTP" | "APPEND";
	place: keyof typeof PLACES;
	copied: Known;
	readonly flags: Map<string, Known>;
}

/** One message as a node shows it. */
export interface Shown extends Fetched {
	readonly body: Buffer;
}
export interface ShownBox {
	readonly uidValidity: number;
	readonly messages: readonly Shown[];
}
export type View = Readonly<Record<Box, ShownBox>>;

/** Above what is held in memory, so that it takes the way over the disk. */
const LARGE_BYTES = 300_000;
const LARGE_EVERY = 37;

export class Ledger {
	readonly letters: Letter[] = [];
	/** Of all kinds, so far. */
	acknowledgements = 0;
	/** What clients met that must never be. */
	readonly faults: string[] = [];
	readonly #byId = new Map<string, Letter>();
	readonly #small: MessageMaker;
	readonly #large: MessageMaker;

	constructor(run: string) {
		this.#small = new MessageMaker(run, 2_500);
		this.#large = new MessageMaker(run, LARGE_BYTES);
	}

	/** A new message, to be handed in. */
	write(via: Letter["via"]): Letter {
		const number = this.letters.length;
		const maker =
			number % LARGE_EVERY === LARGE_EVERY - 1 ? this.#large : this.#small;
		const letter: Letter = {
			number,
			id: maker.messageId(number),
			bytes: maker.make(number, user),
			via,
			place: "asked",
			copied: "no",
			flags: new Map(),
		};
		this.letters.push(letter);
		this.#byId.set(letter.id, letter);
		return letter;
	}

	letter(messageId: string): Letter | undefined {
		return this.#byId.get(messageId);
	}

	/** Whether these are the bytes that were handed in: only trace headers may stand before what came by SMTP. */
	isWhole({ bytes, via }: Letter, body: Buffer): boolean {
		const from = via === "SMTP" ? Math.max(0, body.length - bytes.length) : 0;
		return body.subarray(from).equals(bytes);
	}

	/** What a node shows otherwise than clients were told; empty when all agrees. */
	problems(view: View): string[] {
		const shown = new Map<string, Map<Box, Shown[]>>();
		const found: string[] = [];
		for (const box of BOXES)
			for (const message of view[box].messages) {
				const places = shown.get(message.messageId) ?? new Map<Box, Shown[]>();
				shown.set(message.messageId, places);
				places.set(box, [...(places.get(box) ?? []), message]);
				if (!this.#byId.has(message.messageId))
					found.push(
						`${box} has UID ${message.uid}, ${message.messageId || "no Message-ID"}, which nobody sent`,
					);
			}
		for (const letter of this.letters)
			found.push(...this.#problemsOf(letter, shown.get(letter.id)));
		return found;
	}

	#problemsOf(
		letter: Letter,
		places: ReadonlyMap<Box, readonly Shown[]> | undefined,
	): string[] {
		const inBox = (box: Box): readonly Shown[] => places?.get(box) ?? [];
		const count = (box: Box): number => inBox(box).length;
		const what = `${letter.id} (${letter.via}, ${letter.place})`;
		const found: string[] = [];
		const allowed: readonly string[] = PLACES[letter.place];
		if (!allowed.includes(`${count("INBOX")}${count("Moved")}`))
			found.push(
				`${what} is ${count("INBOX")} times in INBOX, ${count("Moved")} times in Moved`,
			);
		const copies = { yes: [1], no: [0], maybe: [0, 1] }[letter.copied];
		if (!copies.includes(count("Copied")))
			found.push(
				`${what}, copied: ${letter.copied}, is ${count("Copied")} times in Copied`,
			);
		for (const { flags } of [...inBox("INBOX"), ...inBox("Moved")])
			for (const [flag, isSet] of letter.flags)
				if (isSet !== "maybe" && (isSet === "yes") !== flags.includes(flag))
					found.push(
						`${what} has flags ${flags.join(" ")}, and ${flag}: ${isSet} was acknowledged`,
					);
		for (const box of BOXES)
			for (const { uid, body } of inBox(box))
				if (!this.isWhole(letter, body))
					found.push(
						`${what} in ${box} under UID ${uid} has other bytes than were sent (${body.length} for ${letter.bytes.length})`,
					);
		return found;
	}
}
