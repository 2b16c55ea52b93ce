/** Whether a change of another node is whole and does just what its record says, before it may come near a document. */
import { decodeChange } from "@automerge/automerge";
import type { Origin } from "../ids.ts";
import type { Scalar } from "./flat.ts";
import { mapOf } from "./places.ts";
import { type DecodedPlain, decodePlain, GENESIS_ACTOR } from "./plain.ts";

/** Why a change must not come near a document; otherwise what it does, if it is of the kind that is known here. */
export type Judged =
	| { readonly fault: string }
	| { readonly fault?: undefined; readonly plain: DecodedPlain | undefined };

/** What a change must be. */
export interface Expected {
	readonly origin: Origin;
	readonly keys: readonly string[];
	readonly buckets: number;
	/** Why this must not lie there; `value` undefined where the key is removed. */
	readonly contentFault?: (
		key: string,
		value: Scalar | undefined,
	) => string | undefined;
}

/** What is done to one key. */
interface Operation {
	/** Operation number of the genesis that made the map. */
	readonly map: number;
	readonly key: string;
	/** What is put there; undefined: the key is removed. */
	readonly value: Scalar | undefined;
}

/** One operation, as Automerge decodes it. */
interface Decoded {
	readonly action: string;
	readonly obj: string;
	readonly key?: string;
	readonly value?: unknown;
}

/**
 * Automerge takes changes whose checksum is wrong, and whatever they do: what passes here is whole, of this origin, and puts
 * or removes just these keys, with what `contentFault` lets pass.
 */
export function judge(change: Uint8Array, expected: Expected): Judged {
	const plain = decodePlain(change);
	const fault =
		plain === undefined
			? faultOfAny(change, expected)
			: (authorFault(plain.actor, expected) ??
				plainFault(plain.operations, expected));
	return fault === undefined ? { plain } : { fault };
}

/** The same of what a change does: of one in the making it is known before there is a change. */
function plainFault(
	operations: readonly Operation[],
	{ keys, buckets, contentFault }: Expected,
): string | undefined {
	const named = new Set(keys);
	for (const { map, key, value } of operations) {
		if (!named.has(key)) return "it changes a key that it does not name";
		if (map !== mapOf(key, buckets))
			return "it changes a key in the wrong place";
		const fault = contentFault?.(key, value);
		if (fault !== undefined) return fault;
	}
	return undefined;
}

/** The same, but for names and places. */
export function contentsFault(
	operations: readonly Operation[],
	contentFault: NonNullable<Expected["contentFault"]>,
): string | undefined {
	for (let i = 0; i < operations.length; i++) {
		const { key, value } = operations[i] as Operation;
		const fault = contentFault(key, value);
		if (fault !== undefined) return fault;
	}
	return undefined;
}

function faultOfAny(
	change: Uint8Array,
	expected: Expected,
): string | undefined {
	let decoded: ReturnType<typeof decodeChange>;
	try {
		decoded = decodeChange(change);
	} catch (error) {
		return `it is damaged: ${String(error).slice(0, 80)}`;
	}
	// Bytes 4 to 8 are the start of the hash that the change should have.
	const sum = Buffer.from(change.subarray(4, 8)).toString("hex");
	if (decoded.hash?.slice(0, 8) !== sum)
		return "it is damaged: its checksum is wrong";
	return (
		authorFault(decoded.actor, expected) ??
		operationsFault(decoded.ops as readonly Decoded[], expected)
	);
}

const authorFault = (
	actor: string,
	{ origin }: Expected,
): string | undefined =>
	actor === (origin as string) ? undefined : "it is of another origin";

function operationsFault(
	decoded: readonly Decoded[],
	expected: Expected,
): string | undefined {
	const operations: Operation[] = [];
	for (const { action, obj, key, value } of decoded) {
		if (action !== "set" && action !== "del")
			return `it does something else than to put or remove: ${action.slice(0, 20)}`;
		if (key === undefined) return "it changes a key that it does not name";
		const put = action === "set" ? (value as Scalar) : undefined;
		operations.push({ map: numberOf(obj), key, value: put });
	}
	return plainFault(operations, expected);
}

/** Of the operation that made the map; none that there is where it is not one of the genesis. */
function numberOf(obj: string): number {
	const [number = "", actor] = obj.split("@");
	return actor === GENESIS_ACTOR && /^[0-9]+$/.test(number)
		? Number(number)
		: Number.NaN;
}
