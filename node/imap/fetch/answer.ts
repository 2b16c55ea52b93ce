/** Answers a FETCH: from the view and the cache many messages at a time, bodies read ahead of the client. */
import { BODY_MEMORY_BYTES_MAX } from "../../../sync/limits.ts";
import { BodyUnavailable } from "../../../sync/ports/bodies.ts";
import { Refusal } from "../answer.ts";
import type { Target } from "../selected.ts";
import type { Session } from "../session.ts";
import type { FetchItems } from "./items.ts";
import { fromCache, KNOWN_BATCH, lookUp, renderKnown } from "./known.ts";
import { readAhead } from "./read-ahead.ts";
import {
	fetchHead,
	flagsItem,
	type Piece,
	render,
	renderPlain,
} from "./render.ts";
import { writePieces } from "./write.ts";

/** What envelope and structure take in memory, about. */
const STRUCTURE_BYTES = 1024;

/** One FETCH response for each target, in order. Refusal UNAVAILABLE after those that can be had. */
export async function answer(
	session: Session,
	items: FetchItems,
	targets: readonly Target[],
): Promise<void> {
	if (items.structure.length + items.sections.length === 0)
		await fetchPlain(session, items, targets);
	else await fetchAll(session, items, targets);
}

/** Without waiting for anything but the client. */
async function fetchPlain(
	{ output }: Session,
	items: FetchItems,
	targets: readonly Target[],
): Promise<void> {
	const isFlags = isUidAndFlags(items);
	for (const target of targets) {
		output.text(
			isFlags
				? `* ${target.number} FETCH (UID ${target.uid} ${flagsItem(target.message.flags)})\r\n`
				: `${fetchHead(items.uidOnly, target)}${renderPlain(items.plain, target)})\r\n`,
		);
		if (output.crowded) await output.room();
	}
}

/** What every client asks of all messages: it comes without a detour. */
const isUidAndFlags = ({ plain, uidOnly }: FetchItems): boolean =>
	!uidOnly && plain.length === 2 && plain[0] === "UID" && plain[1] === "FLAGS";

/** Reads some messages ahead while earlier ones are written. */
async function fetchAll(
	session: Session,
	items: FetchItems,
	targets: readonly Target[],
): Promise<void> {
	const { surroundings, output } = session;
	const { bodies } = surroundings;
	let unavailable: BodyUnavailable | undefined;
	const prepare = async (target: Target): Promise<readonly Piece[]> => {
		// One message that cannot be had costs a wait; after it only what lies here is answered.
		if (unavailable !== undefined && !(await bodies.has(target.message.body)))
			throw unavailable;
		return render(surroundings, items, target);
	};
	const write = async (pieces: Promise<readonly Piece[]>): Promise<void> => {
		try {
			await writePieces(session, await pieces);
		} catch (error) {
			if (!(error instanceof BodyUnavailable)) throw error;
			unavailable = error;
		}
		if (output.crowded) await output.room();
	};
	if (fromCache(items))
		for (let at = 0; at < targets.length; at += KNOWN_BATCH) {
			const some = targets.slice(at, at + KNOWN_BATCH);
			const known = lookUp(surroundings, items, some);
			for (let place = 0; place < some.length; place++) {
				const target = some[place] as Target;
				const text = renderKnown(known, items, target, place);
				if (text === undefined) await write(prepare(target));
				else {
					output.text(text);
					if (output.crowded) await output.room();
				}
			}
		}
	else
		for (const pieces of readAhead(targets, prepare, (target) =>
			costOf(target, items),
		))
			await write(pieces);
	if (unavailable !== undefined)
		throw new Refusal(
			"NO",
			"UNAVAILABLE",
			"Some messages have not arrived at this node yet",
		);
}

/** Memory that a message read ahead may take. */
const costOf = ({ message }: Target, { sections }: FetchItems): number =>
	sections.length === 0
		? STRUCTURE_BYTES
		: Math.min(message.body.sizeBytes, BODY_MEMORY_BYTES_MAX) * sections.length;
