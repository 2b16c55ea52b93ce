/**
 * ENVELOPE, BODY and BODYSTRUCTURE as they go over the wire (RFC 9051 §7.5.2). The strings hold one character an octet:
 * write them with encoding "latin1". Strings that cannot be quoted are literals within them.
 */
import type {
	Disposition,
	Envelope,
	EnvelopeAddress,
	Parameters,
	Parsed,
	Structure,
} from "./types.ts";

/** Printable ASCII without `"` and `\`: goes between quotes as it is. */
const isPlain = (text: string): boolean => /^[ !#-[\]-~]*$/.test(text);
const isQuotable = (text: string): boolean => /^[ -~]*$/.test(text);

/** A string: quoted where that is legal and sure to be understood, else a literal. NUL may not be in either. */
function string(text: string): string {
	if (isPlain(text)) return `"${text}"`;
	if (isQuotable(text)) return `"${text.replace(/["\\]/g, "\\$&")}"`;
	// As Dovecot: U+FFFD in UTF-8 stands for NUL.
	const octets = text.replaceAll("\0", "\xef\xbf\xbd");
	return `{${octets.length}}\r\n${octets}`;
}

const nstring = (text: string | undefined): string =>
	text === undefined ? "NIL" : string(text);

function address(of: EnvelopeAddress): string {
	if ("group" in of)
		return of.group === null
			? "(NIL NIL NIL NIL)"
			: `(NIL NIL ${string(of.group)} NIL)`;
	return `(${nstring(of.name)} ${nstring(of.route)} ${string(of.mailbox)} ${string(of.host)})`;
}

const addressList = (list: readonly EnvelopeAddress[] | undefined): string =>
	list === undefined || list.length === 0
		? "NIL"
		: `(${list.map(address).join("")})`;

function envelope(of: Envelope): string {
	const from = addressList(of.from);
	return `(${nstring(of.date)} ${nstring(of.subject)} ${from} ${
		of.sender === undefined ? from : addressList(of.sender)
	} ${of.replyTo === undefined ? from : addressList(of.replyTo)} ${addressList(
		of.to,
	)} ${addressList(of.cc)} ${addressList(of.bcc)} ${nstring(
		of.inReplyTo,
	)} ${nstring(of.messageId)})`;
}

/** The value of ENVELOPE, parentheses included. */
export const envelopeImap = (parsed: Parsed): string =>
	envelope(parsed.envelope);

const parameterList = (parameters: Parameters): string =>
	parameters.length === 0 ? "NIL" : `(${parameters.map(string).join(" ")})`;

/** RFC 2045 §5.2 and RFC 2046 §4.1.2: text without a charset is US-ASCII; servers say so. */
function typeParameters(structure: Structure): string {
	const { parameters } = structure;
	const labelled =
		structure.type.toLowerCase() !== "text" ||
		parameters.some(
			(name, index) => index % 2 === 0 && /^charset(\*.*)?$/i.test(name),
		);
	return parameterList(
		labelled ? parameters : [...parameters, "charset", "us-ascii"],
	);
}

const dispositionOf = (disposition: Disposition | undefined): string =>
	disposition === undefined
		? "NIL"
		: `(${string(disposition.type)} ${parameterList(disposition.parameters)})`;

function languageOf(language: readonly string[] | undefined): string {
	if (language === undefined || language.length === 0) return "NIL";
	return `(${language.map(string).join(" ")})`;
}

/** body-ext: what stands at the end of single parts and multiparts alike. */
const extensions = (of: Structure): string =>
	`${dispositionOf(of.disposition)} ${languageOf(of.language)} ${nstring(of.location)}`;

/** What a multipart without parts and a message that cannot be looked into are said to contain: the grammar wants some. */
const emptyText = (extensible: boolean): string =>
	`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0${
		extensible ? " NIL NIL NIL NIL" : ""
	})`;

function multipart(
	of: Structure,
	children: readonly Structure[],
	extensible: boolean,
): string {
	const parts =
		children.length === 0
			? emptyText(extensible)
			: children.map((child) => body(child, extensible)).join("");
	const extension = extensible
		? ` ${parameterList(of.parameters)} ${extensions(of)}`
		: "";
	return `(${parts} ${string(of.subtype)}${extension})`;
}

function body(of: Structure, extensible: boolean): string {
	if (of.children !== undefined) return multipart(of, of.children, extensible);
	const type = of.type.toLowerCase();
	let specific = "";
	if (type === "text") specific = ` ${of.lines}`;
	else if (type === "message" && /^(rfc822|global)$/i.test(of.subtype))
		specific = ` ${envelope(of.message?.envelope ?? {})} ${
			of.message === undefined
				? emptyText(extensible)
				: body(of.message.structure, extensible)
		} ${of.lines}`;
	const extension = extensible ? ` ${nstring(of.md5)} ${extensions(of)}` : "";
	return `(${string(of.type)} ${string(of.subtype)} ${typeParameters(of)} ${nstring(
		of.id,
	)} ${nstring(of.description)} ${string(of.encoding ?? "7bit")} ${
		of.end - of.bodyStart
	}${specific}${extension})`;
}

/** The value of BODY, or with `extensible` that of BODYSTRUCTURE, parentheses included. */
export const bodyStructureImap = (
	parsed: Pick<Parsed, "structure">,
	extensible: boolean,
): string => body(parsed.structure, extensible);
