/** URLs of messages and their parts in this account (RFC 5092), as CATENATE names them (RFC 4469 §3). */
import type { Message } from "../../sync/api.ts";
import type { Uid } from "../../sync/ids.ts";
import { Refusal } from "./answer.ts";
import { parseFetchItems, type SectionItem } from "./fetch/items.ts";
import { renderSection } from "./fetch/render.ts";
import { octetsOf } from "./names.ts";
import { ParseFault, Parser } from "./parser.ts";
import { accountOf, type Session } from "./session.ts";

interface Place {
	/** Empty: the selected one. */
	readonly mailbox: string;
	readonly uidValidity: number | undefined;
	readonly uid: number;
	/** As FETCH names it. */
	readonly section: string;
	readonly partial: string;
}

/** Gives the octets that a URL names to `write`. Refusal BADURL where it names none. */
export async function writeUrl(
	session: Session,
	url: string,
	write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
	const place = parseUrl(url);
	if (place === undefined) throw badUrl(url);
	const message = await find(session, place);
	const item = sectionOf(place);
	if (message === undefined || item === undefined) throw badUrl(url);
	const { bodies } = session.surroundings;
	const piece = await renderSection(session.surroundings, item, message, 0);
	if (typeof piece === "string") throw badUrl(url);
	if (piece instanceof Uint8Array) return write(piece);
	const { start, end } = piece.range;
	for await (const chunk of bodies.stream(piece.body, start, end))
		await write(chunk);
}

const badUrl = (url: string): Refusal =>
	new Refusal("NO", `BADURL ${octetsOf(url)}`, "The URL names no octets here");

/** `/INBOX;UIDVALIDITY=785799047/;UID=113330/;SECTION=1.5.9/;PARTIAL=0.1024`; names as UTF-8 in percent encoding. */
function parseUrl(url: string): Place | undefined {
	const [path = "", ...fields] = url.split("/;");
	const [mailbox = "", ...more] = path.split(";");
	const values = new Map<string, string>();
	for (const field of [...more, ...fields]) {
		const equals = field.indexOf("=");
		if (equals < 0) return undefined;
		values.set(field.slice(0, equals).toUpperCase(), field.slice(equals + 1));
	}
	const validity = values.get("UIDVALIDITY");
	const uidValidity = numberOf(validity);
	const uid = numberOf(values.get("UID"));
	const name = decodePercent(
		mailbox.startsWith("/") ? mailbox.slice(1) : mailbox,
	);
	const section = decodePercent(values.get("SECTION") ?? "");
	const partial = values.get("PARTIAL") ?? "";
	if (name === undefined || section === undefined || uid === undefined)
		return undefined;
	if (validity !== undefined && uidValidity === undefined) return undefined;
	return { mailbox: name, uidValidity, uid, section, partial };
}

function numberOf(text: string | undefined): number | undefined {
	const value = Number(text ?? Number.NaN);
	return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function decodePercent(text: string): string | undefined {
	try {
		return decodeURIComponent(text);
	} catch (error) {
		if (error instanceof URIError) return undefined;
		throw error;
	}
}

async function find(
	session: Session,
	{ mailbox, uidValidity, uid }: Place,
): Promise<Message | undefined> {
	const account = accountOf(session);
	const { selected } = session;
	const id = mailbox === "" ? selected?.mailbox.id : account.find(mailbox)?.id;
	if (id === undefined) return undefined;
	if (selected !== undefined && id === selected.mailbox.id)
		return isRight(selected.mailbox.uidValidity, uidValidity)
			? selected.mailbox.resolve(uid as Uid)
			: undefined;
	const other = await account.select(mailbox);
	try {
		return isRight(other.uidValidity, uidValidity)
			? other.resolve(uid as Uid)
			: undefined;
	} finally {
		other.release();
	}
}

const isRight = (is: number, wanted: number | undefined): boolean =>
	wanted === undefined || wanted === is;

/** Sections are written as FETCH has them; a part of one as `0.1024` (RFC 5092 §6). */
function sectionOf({ section, partial }: Place): SectionItem | undefined {
	const [offset = "", length] = partial.split(".");
	const range =
		partial === "" ? "" : `<${offset}.${length ?? Number.MAX_SAFE_INTEGER}>`;
	try {
		const parser = new Parser(Buffer.from(`BODY.PEEK[${section}]${range}`));
		const { sections } = parseFetchItems(parser);
		parser.end();
		return sections.length === 1 ? sections[0] : undefined;
	} catch (error) {
		if (error instanceof ParseFault) return undefined;
		throw error;
	}
}
