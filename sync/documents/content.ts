/**
 * Whether what a change of another node puts under a key is what belongs there: it is folded into rows that everything
 * else reads, so nonsense must not come that far. Kinds of keys that are not known here may be a newer release's, and
 * are left alone. Pure.
 */
import { type DocumentId, UID_MAX } from "../ids.ts";
import type { Scalar } from "./flat.ts";
import { splitKey } from "./shapes.ts";

type Check = (detail: string, value: Scalar) => boolean;

const isText = (value: unknown): value is string => typeof value === "string";
const isTexts = (value: unknown): boolean =>
	Array.isArray(value) && value.every(isText);
const isCount = (value: unknown): value is number =>
	Number.isSafeInteger(value) && (value as number) >= 0;
/** JSON has no word for NaN but null. */
const isTime = (value: unknown): boolean =>
	value === null || (typeof value === "number" && Number.isFinite(value));
const isId = (value: unknown): boolean =>
	isText(value) && /^[A-Za-z0-9_-]{22}$/.test(value);
const isUid = (detail: string): boolean =>
	/^[1-9][0-9]{0,9}$/.test(detail) && Number(detail) <= UID_MAX;

/** A JSON text for which `check` holds. */
const json =
	(check: (value: unknown) => boolean): Check =>
	(_, value) => {
		if (!isText(value)) return false;
		try {
			return check(JSON.parse(value));
		} catch {
			return false;
		}
	};

const fieldsOf = (value: unknown): Record<string, unknown> | undefined =>
	typeof value === "object" && value !== null && !Array.isArray(value)
		? (value as Record<string, unknown>)
		: undefined;

const isMember = (value: unknown): boolean => {
	const fields = fieldsOf(value);
	return (
		fields !== undefined && isText(fields.name) && isTexts(fields.multiaddrs)
	);
};

const isSpan = (low: unknown, high: unknown): boolean =>
	isCount(low) && isCount(high) && low <= high;
const isSlots = (value: unknown): boolean => {
	const { low, high, stampSlot, more = [] } = fieldsOf(value) ?? {};
	return (
		isSpan(low, high) &&
		Number.isSafeInteger(stampSlot) &&
		Array.isArray(more) &&
		more.every((span) => Array.isArray(span) && isSpan(span[0], span[1]))
	);
};

const isPlace = (value: unknown): boolean => {
	const { parent, leaf } = fieldsOf(value) ?? {};
	return isText(leaf) && (parent === null || isId(parent));
};
const isRegister = (value: unknown): boolean => {
	const { stamp, role, was } = fieldsOf(value) ?? {};
	return (
		isPlace(value) &&
		typeof stamp === "number" &&
		(role === null || role === undefined || isText(role)) &&
		(was === undefined || isPlace(was))
	);
};

/** mailbox/facts.ts encodeFacts */
const isFacts = (value: unknown): boolean => {
	if (!Array.isArray(value)) return false;
	const [hash, sizeBytes, drive, blob, internalDate, saved, from] = value;
	return (
		isText(hash) &&
		/^[0-9a-f]{64}$/.test(hash) &&
		isCount(sizeBytes) &&
		isText(drive) &&
		Array.isArray(blob) &&
		blob.length === 4 &&
		blob.every(isCount) &&
		isTime(internalDate) &&
		isTime(saved) &&
		(from === null || (Array.isArray(from) && from.every(isId)))
	);
};

/** What nearly all facts look like: these need not be taken apart to see that they are some. */
const COUNT = "(?:0|[1-9][0-9]{0,14})";
const ID = '"[A-Za-z0-9_-]{22}"';
const USUAL_FACTS = new RegExp(
	`^\\["[0-9a-f]{64}",${COUNT},"[0-9a-z]*",\\[${COUNT},${COUNT},${COUNT},${COUNT}\\],${COUNT},${COUNT},(?:null|\\[${ID},${ID}\\])\\]$`,
);
const isFactsText: Check = (detail, value) =>
	(isText(value) && USUAL_FACTS.test(value)) || json(isFacts)(detail, value);

const CHECKS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
	cluster: {
		m: json(isMember),
		s: json(isSlots),
		o: (_, value) => isText(value),
		u: (_, value) => isId(value),
		z: (_, value) => isText(value),
		k: (_, value) => isText(value) && /^[0-9a-f]{64}$/.test(value),
	},
	account: {
		n: json(isRegister),
		v: isUid,
		x: isUid,
		t: (_, value) => isText(value),
		s: (_, value) => isText(value),
	},
	segment: {
		e: isFactsText,
		u: isUid,
		f: (_, value) => isText(value),
	},
};
/** Keys whose id is that of an entry or mailbox. */
const WITH_ID: Readonly<Record<string, string>> = {
	account: "nvx",
	segment: "eufx",
};

const WITHOUT_CHECKS: Readonly<Record<string, Check>> = {};

/** What says of a document why this must not be folded; undefined when it may. `value`: undefined where the key is removed. */
export function contentFaultOf(
	document: DocumentId,
): (key: string, value: Scalar | undefined) => string | undefined {
	const [type = "", id, number] = document.split(":");
	const isKnown = Object.hasOwn(CHECKS, type);
	const checks = (isKnown ? CHECKS[type] : undefined) ?? WITHOUT_CHECKS;
	const withId = WITH_ID[type] ?? "";
	if (isKnown && type !== "cluster" && !isId(id))
		return () => "it is of a document without an owner";
	if (type === "segment" && !/^[0-9]{1,9}$/.test(number ?? ""))
		return () => "it is of a segment without a number";
	return (key, value) => {
		if (type === "segment" && isOfEntry(key))
			return faultIn(checks, key, key.charAt(0), key.slice(DETAIL_AT), value);
		const [kind, of, detail] = splitKey(key);
		if (kind !== "" && withId.includes(kind) && !isId(of))
			return `it names nothing that could be there: ${key.slice(0, 60)}`;
		return faultIn(checks, key, kind, detail, value);
	};
}

function faultIn(
	checks: Readonly<Record<string, Check>>,
	key: string,
	kind: string,
	detail: string,
	value: Scalar | undefined,
): string | undefined {
	if (value === undefined || !Object.hasOwn(checks, kind)) return undefined;
	return checks[kind]?.(detail, value)
		? undefined
		: `it puts something else there than belongs there: ${key.slice(0, 60)}`;
}

/** Whether it is `<kind>:<entry>` or `<kind>:<entry>:<detail>`, as nearly all keys are: these need not be taken apart. */
function isOfEntry(key: string): boolean {
	if (key.charCodeAt(ID_AT - 1) !== COLON) return false;
	if (key.length !== ID_END && key.charCodeAt(ID_END) !== COLON) return false;
	for (let at = ID_AT; at < ID_END; at++)
		if (IN_IDS[key.charCodeAt(at)] !== 1) return false;
	return key.charCodeAt(0) !== COLON;
}
const COLON = 0x3a;
const ID_AT = 2;
const ID_END = ID_AT + 22;
const DETAIL_AT = ID_END + 1;
const IN_IDS = new Uint8Array(128);
for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
	IN_IDS[letter.charCodeAt(0)] = 1;
