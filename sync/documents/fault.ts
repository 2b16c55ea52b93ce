/** Whether a change of another node is whole and does just what its record says, before it may come near a document. */
import { decodeChange } from "@automerge/automerge";
import type { Origin } from "../ids.ts";
import { mapOf, type Scalar } from "./flat.ts";
import {
	type DecodedPlain,
	decodePlain,
	GENESIS_ACTOR,
	type Operation as PlainOperation,
} from "./plain.ts";

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

/** One operation, as Automerge decodes it. */
interface Operation {
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
				operationsFault(plain.operations.map(asOperation), expected));
	return fault === undefined ? { plain } : { fault };
}

/** The same of a change in the making, whose operations are known already. */
export const plainFault = (
	operations: readonly PlainOperation[],
	expected: Expected,
): string | undefined => operationsFault(operations.map(asOperation), expected);

const asOperation = ({ map, key, value }: PlainOperation): Operation => ({
	action: value === undefined ? "del" : "set",
	obj: `${map}@${GENESIS_ACTOR}`,
	key,
	value,
});

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
		operationsFault(decoded.ops as readonly Operation[], expected)
	);
}

const authorFault = (
	actor: string,
	{ origin }: Expected,
): string | undefined =>
	actor === (origin as string) ? undefined : "it is of another origin";

function operationsFault(
	operations: readonly Operation[],
	{ keys, buckets, contentFault }: Expected,
): string | undefined {
	const named = new Set(keys);
	for (const { action, obj, key, value } of operations) {
		if (action !== "set" && action !== "del")
			return `it does something else than to put or remove: ${action.slice(0, 20)}`;
		if (key === undefined || !named.has(key))
			return "it changes a key that it does not name";
		if (obj !== `${mapOf(key, buckets)}@${GENESIS_ACTOR}`)
			return "it changes a key in the wrong place";
		const put = action === "set" ? (value as Scalar) : undefined;
		const fault = contentFault?.(key, put);
		if (fault !== undefined) return fault;
	}
	return undefined;
}
