/** How a command ends: the tagged response, and which error becomes which one. */
import { ClientFault, Temporary } from "../../sync/faults.ts";
import { BodyUnavailable } from "../../sync/ports/bodies.ts";
import { StoreFailed, StoreFull } from "../../sync/ports/store.ts";
import { LoginRefused, LoginThrottled } from "../accounts/authenticator.ts";
import { ParseFault } from "./parser.ts";

/** A command that a client gets NO or BAD for; `code` is a response code without brackets (RFC 3501 §7.1, RFC 5530). */
export class Refusal extends Error {
	override name = "Refusal";
	readonly status: "NO" | "BAD";
	readonly code: string | undefined;
	constructor(status: "NO" | "BAD", code: string | undefined, message: string) {
		super(message);
		this.status = status;
		this.code = code;
	}
}

/** The connection must end: `* BYE` with this text. */
export class Bye extends Error {
	override name = "Bye";
	readonly code: string | undefined;
	constructor(message: string, code?: string) {
		super(message);
		this.code = code;
	}
}

/** The client is gone. */
export class Disconnected extends Error {
	override name = "Disconnected";
}

/** Text of a response: printable ASCII, one line, whatever an error message holds. */
export function responseText(text: string): string {
	if (isResponseText(text)) return text;
	let clean = "";
	for (const character of text.slice(0, TEXT_MAX))
		clean += character >= " " && character <= "~" ? character : "?";
	return clean === "" ? "Failed" : clean;
}

function isResponseText(text: string): boolean {
	for (let index = 0; index < text.length; index++) {
		const unit = text.charCodeAt(index);
		if (unit < 0x20 || unit > 0x7e) return false;
	}
	return text.length > 0 && text.length <= TEXT_MAX;
}
const TEXT_MAX = 400;

export const status = (
	name: "OK" | "NO" | "BAD" | "BYE",
	code: string | undefined,
	text: string,
): string =>
	`${name} ${code === undefined ? "" : `[${code}] `}${responseText(text)}`;

/** NO or BAD for what a command threw; undefined when it was a bug (or the end of the connection). */
export function refusalOf(error: unknown): Refusal | undefined {
	if (error instanceof Refusal) return error;
	if (error instanceof ParseFault)
		return new Refusal("BAD", undefined, error.message);
	if (error instanceof ClientFault)
		return new Refusal("NO", error.code, error.message);
	if (
		error instanceof Temporary ||
		error instanceof BodyUnavailable ||
		error instanceof LoginThrottled
	)
		return new Refusal("NO", "UNAVAILABLE", error.message);
	if (error instanceof StoreFull)
		return new Refusal("NO", "UNAVAILABLE", "No room on the server's disk");
	if (error instanceof StoreFailed)
		return new Refusal("NO", "UNAVAILABLE", "The server's disk has failed");
	if (error instanceof LoginRefused)
		return new Refusal(
			"NO",
			"AUTHENTICATIONFAILED",
			"Wrong user name or password",
		);
	return undefined;
}
