/** Who may send what to whom. Decisions from the directory alone: no DNS, no clock, no socket. */
import { domainToASCII } from "node:url";
import type { Account, Directory } from "../../sync/api.ts";
import {
	type AccountId,
	type Address,
	address,
	BadId,
	domainOf,
} from "../../sync/ids.ts";
import { SmtpRefusal } from "./reply.ts";

/** `mx`: mail from other hosts. `submission`: mail from users, STARTTLS. `submissions`: the same, TLS from the start. */
export type SmtpKind = "mx" | "submission" | "submissions";

export type PolicyDirectory = Pick<
	Directory,
	"domains" | "isLocalDomain" | "lookup" | "hasRoom"
>;

/**
 * The accounts that RCPT TO names, at least one. Throws SmtpRefusal 550: 5.1.1 for a recipient that does not exist in a
 * domain of ours, 5.7.1 for a domain of others.
 *
 * `postmaster` without a domain (RFC 5321 §4.5.1) is the postmaster of the first domain that has one. A domain has one if
 * the operator made such a user or alias: mail that nobody would ever read is better refused.
 */
export function recipientAccounts(
	text: string,
	kind: SmtpKind,
	directory: PolicyDirectory,
): readonly AccountId[] {
	const readings = addressReadings(
		text.toLowerCase() === "postmaster"
			? directory.domains().map((domain) => `postmaster@${domain}`)
			: [text],
	);
	for (const reading of readings) {
		const accounts = directory.lookup(reading);
		if (accounts.length > 0) return accounts;
	}
	const local =
		!text.includes("@") ||
		readings.some((reading) => directory.isLocalDomain(domainOf(reading)));
	if (local)
		throw new SmtpRefusal(550, "5.1.1", `<${text}>: no such user here`);
	throw new SmtpRefusal(
		550,
		"5.7.1",
		kind === "mx"
			? `<${text}>: this host does not relay; it takes mail for its own domains only`
			: `<${text}>: sending to other hosts is not part of this version`,
	);
}

/**
 * Refuses a recipient whose mailbox is full (452 4.2.2: it may have room when the mail comes again), as far as the size
 * is known: what the client declared (RFC 1870), or 0.
 */
export function checkRoom(
	text: string,
	accounts: readonly AccountId[],
	sizeBytes: number,
	directory: PolicyDirectory,
): void {
	// Of a size that is not known, at least one octet must fit.
	for (const account of accounts)
		if (!directory.hasRoom(account, Math.max(sizeBytes, 1)))
			throw new SmtpRefusal(452, "4.2.2", `<${text}>: the mailbox is full`);
}

/**
 * Refuses a sender that is not the user (553 5.7.1): its own address and its aliases are. The null sender is allowed, for
 * mail programs send disposition notifications with it (RFC 8098 §2.1).
 */
export function checkSender(
	text: string,
	user: Pick<Account, "id" | "address">,
	directory: PolicyDirectory,
): void {
	if (text === "") return;
	for (const reading of addressReadings([text]))
		if (reading === user.address || directory.lookup(reading).includes(user.id))
			return;
	throw new SmtpRefusal(
		553,
		"5.7.1",
		`<${text}>: this address is not yours; send as ${user.address} or one of its aliases`,
	);
}

/** An address as it may stand in the directory: the domain in Unicode or in ASCII, the local part without its quotes. */
function addressReadings(texts: readonly string[]): Address[] {
	const readings: Address[] = [];
	for (const text of texts) {
		const at = text.lastIndexOf("@");
		const local = text.slice(0, at).replace(/^"(.*)"$/, "$1");
		const domain = text.slice(at + 1);
		const ascii = /^[\x20-\x7e]*$/.test(domain) ? "" : domainToASCII(domain);
		for (const form of [domain, ascii])
			if (form !== "") readings.push(...parsed(`${local}@${form}`));
	}
	return readings;
}

function parsed(text: string): Address[] {
	try {
		return [address(text)];
	} catch (error) {
		// Well-formed for SMTP, but no address that a user here can have.
		if (error instanceof BadId) return [];
		throw error;
	}
}
