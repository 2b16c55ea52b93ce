import type { Quota } from "../../../sync/api.ts";
import { Refusal } from "../answer.ts";
import { decodeName, encodeName } from "../names.ts";
import { accountOf, type Invocation, type Session } from "../session.ts";

/** All mailboxes of an account are under one quota root (RFC 9208 §3.2); an account without limits has none. */
const ROOT = '""';
const STORAGE_UNIT_BYTES = 1024;

/** GETQUOTA, RFC 9208 §4.1.1. */
export function getQuota({ parser, session }: Invocation): undefined {
	const root = parser.astring("a quota root");
	parser.end();
	if (root !== "" || !tellQuota(session))
		throw new Refusal("NO", "NONEXISTENT", "There is no such quota root");
}

/** GETQUOTAROOT, RFC 9208 §4.1.2. The mailbox need not exist. */
export function getQuotaRoot({ parser, session }: Invocation): undefined {
	const octets = parser.astring("a mailbox name");
	parser.end();
	const name = encodeName(decodeName(octets, session), session);
	const isLimited = limitsOf(accountOf(session).quota()) !== "";
	session.output.text(`* QUOTAROOT ${name}${isLimited ? ` ${ROOT}` : ""}\r\n`);
	tellQuota(session);
}

/** SETQUOTA, RFC 9208 §4.1.3, which belongs to the operator; QUOTASET is not promised. */
export function setQuota({ parser }: Invocation): undefined {
	parser.astring("a quota root");
	parser.space();
	parser.list(
		"a list of resources and limits",
		() => {
			parser.atom("a resource");
			parser.space();
			parser.number("a limit", Number.MAX_SAFE_INTEGER / 16);
		},
		true,
	);
	parser.end();
	throw new Refusal("NO", "NOPERM", "Quotas are set by the operator");
}

/** False: there is no quota. */
function tellQuota(session: Session): boolean {
	const limits = limitsOf(accountOf(session).quota());
	if (limits === "") return false;
	session.output.text(`* QUOTA ${ROOT} (${limits})\r\n`);
	return true;
}

/** `STORAGE 10 512 MESSAGE 3 100`, RFC 9208 §5.1 and §5.2: what is limited. */
function limitsOf(quota: Quota): string {
	const { storageBytesMax, messagesMax } = quota;
	const parts: string[] = [];
	if (storageBytesMax !== undefined) {
		const used = Math.ceil(quota.storageBytes / STORAGE_UNIT_BYTES);
		const max = Math.ceil(storageBytesMax / STORAGE_UNIT_BYTES);
		parts.push(`STORAGE ${used} ${max}`);
	}
	if (messagesMax !== undefined)
		parts.push(`MESSAGE ${quota.messages} ${messagesMax}`);
	return parts.join(" ");
}
