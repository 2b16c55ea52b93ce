/**
 * What every member asks of a change before it takes it: of one that comes, and of an own one before it is written. Were the
 * own ones not held to the same, one that no member takes would stop all that its node sends from then on.
 */
import { contentFaultOf } from "../documents/content.ts";
import {
	contentsFault,
	type Expected,
	type Judged,
	judge,
} from "../documents/fault.ts";
import type { OwnChange } from "../documents/flat.ts";
import { bucketsOf } from "../documents/shapes.ts";
import type { DocumentId, Origin } from "../ids.ts";
import { LINK_MESSAGE_BYTES_MAX } from "../limits.ts";
import type { ChangeRecord } from "./record.ts";

/** An own change that no member would take. Nothing of its batch is written. */
export class RefusedChange extends Error {
	override name = "RefusedChange";
}

function expectedOf(
	origin: Origin,
	document: DocumentId,
	keys: readonly string[],
): Expected {
	return {
		origin,
		keys,
		buckets: bucketsOf(document),
		contentFault: contentFaultOf(document),
	};
}

export const judgeForeign = ({
	origin,
	document,
	keys,
	change,
}: ChangeRecord): Judged => judge(change, expectedOf(origin, document, keys));

/** Throws RefusedChange for what judgeForeign() would find at fault elsewhere. */
export function judgeOwn(
	made: OwnChange,
	origin: Origin,
	document: DocumentId,
	keys: readonly string[],
): void {
	const fault =
		made.operations === undefined
			? judge(made.change, expectedOf(origin, document, keys)).fault
			: // Its keys and where they lie are made of the same edits as the record's: only what is put there can be at fault.
				contentsFault(made.operations, contentFaultOf(document));
	if (fault !== undefined) refuse(document, fault);
}

/** A record that would not go over a link. */
export function judgeSize(document: DocumentId, encoded: Uint8Array): void {
	if (encoded.length > LINK_MESSAGE_BYTES_MAX)
		refuse(document, `its ${encoded.length} bytes are too many`);
}

function refuse(document: DocumentId, fault: string): never {
	throw new RefusedChange(
		`this change of ${document} would be refused by every other member and is not made: ${fault}`,
	);
}
