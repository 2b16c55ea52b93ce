/** Whether a message fulfils SEARCH keys. What the view tells is asked first, then headers, then whole texts. */
import type { Message } from "../../../sync/api.ts";
import type { Uid } from "../../../sync/ids.ts";
import {
	casemap,
	dateOf,
	decodedHeader,
	decodeValue,
	textOf,
} from "../../mime/index.ts";
import { DAY_MILLISECONDS } from "../dates.ts";
import { hasFlag } from "../flags.ts";
import { contains, normalise, SAVED } from "../sequence-set.ts";
import type { Surroundings } from "../session.ts";
import type { Key } from "./keys.ts";

/** What a test reads: the mailbox's view, the header (or structure), the whole message. */
export type Cost = "view" | "header" | "message";
const costs: readonly Cost[] = ["view", "header", "message"];

export interface Candidate {
	readonly number: number;
	readonly uid: Uid;
	readonly message: Message;
}

/** What the keys are measured against. */
export interface SearchContext {
	readonly surroundings: Surroundings;
	/** "*" as a message number, and as a UID. */
	readonly lastNumber: number;
	readonly lastUid: number;
	readonly nowMilliseconds: number;
	/** Messages with this mod-sequence or a higher one. */
	readonly changed: (modSeq: number) => ReadonlySet<Uid>;
	/** In the result of the last search that was saved (RFC 5182). */
	readonly isSaved: (uid: Uid) => boolean;
}

export interface Test {
	readonly cost: Cost;
	/** A promise only where the cost is above "view". */
	run(candidate: Candidate): boolean | Promise<boolean>;
}

const view = (run: (candidate: Candidate) => boolean): Test => ({
	cost: "view",
	run,
});

/** The keys as a test. Rejects (when run) with BodyUnavailable. */
export function compile(key: Key, context: SearchContext): Test {
	switch (key.kind) {
		case "all":
			return view(() => true);
		case "flag":
			return view(({ message }) => hasFlag(message.flags, key.flag));
		case "numbers": {
			if (key.set === SAVED) return view(({ uid }) => context.isSaved(uid));
			const ranges = normalise(key.set, context.lastNumber);
			return view(({ number }) => contains(ranges, number));
		}
		case "uids": {
			if (key.set === SAVED) return view(({ uid }) => context.isSaved(uid));
			const ranges = normalise(key.set, context.lastUid);
			return view(({ uid }) => contains(ranges, uid));
		}
		case "arrived":
			return view(({ message }) => {
				const day = Math.floor(
					message.internalDateMilliseconds / DAY_MILLISECONDS,
				);
				return day >= key.fromDay && day < key.toDay;
			});
		case "modseq": {
			const changed = context.changed(key.modSeq);
			return view(({ message }) => changed.has(message.uid));
		}
		case "younger": {
			const from = context.nowMilliseconds - key.seconds * 1000;
			return view(({ message }) => message.internalDateMilliseconds >= from);
		}
		case "larger":
			return view(({ message }) => message.body.sizeBytes > key.sizeBytes);
		case "smaller":
			return view(({ message }) => message.body.sizeBytes < key.sizeBytes);
		case "sent":
			return sent(key, context);
		case "header":
			return headerHolds(key, context);
		case "body":
		case "text":
			return textHolds(key, context);
		case "not":
			return negate(compile(key.key, context));
		case "or":
			return combine(key.keys, context, true);
		case "and":
			return combine(key.keys, context, false);
	}
}

function sent(
	{ fromDay, toDay }: { readonly fromDay: number; readonly toDay: number },
	{ surroundings }: SearchContext,
): Test {
	return {
		cost: "header",
		async run({ message }) {
			const date = dateOf(await surroundings.structures.parsed(message));
			const day =
				date?.day ??
				Math.floor(message.internalDateMilliseconds / DAY_MILLISECONDS);
			return day >= fromDay && day < toDay;
		},
	};
}

function headerHolds(
	{ field, text }: { readonly field: string; readonly text: string },
	{ surroundings }: SearchContext,
): Test {
	const sought = casemap(text);
	return {
		cost: "header",
		async run({ message }) {
			const header = await surroundings.structures.header(message);
			return decodedHeader(header, field).some((value) =>
				casemap(value).includes(sought),
			);
		},
	};
}

/** TEXT looks into the header too (RFC 3501 §6.4.4). */
function textHolds(
	{ kind, text }: { readonly kind: "body" | "text"; readonly text: string },
	{ surroundings }: SearchContext,
): Test {
	const { structures, bodies } = surroundings;
	const sought = casemap(text);
	return {
		cost: "message",
		async run({ message }) {
			if (kind === "text") {
				const header = Buffer.from(await structures.header(message));
				if (casemap(decodeValue(header.toString("latin1"))).includes(sought))
					return true;
			}
			const bytes = await bodies.read(message.body);
			const parsed = await structures.parsed(message);
			return casemap(textOf(bytes, parsed)).includes(sought);
		},
	};
}

function negate(test: Test): Test {
	return {
		cost: test.cost,
		run: (candidate) => {
			const result = test.run(candidate);
			return typeof result === "boolean"
				? !result
				: result.then((value) => !value);
		},
	};
}

/** Cheap tests first; the first result that equals `decides` is the result. */
function combine(
	keys: readonly Key[],
	context: SearchContext,
	decides: boolean,
): Test {
	const tests = keys.map((key) => compile(key, context));
	tests.sort((a, b) => costs.indexOf(a.cost) - costs.indexOf(b.cost));
	const cheap = tests.filter(({ cost }) => cost === "view");
	const dear = tests.slice(cheap.length);
	const byView = (candidate: Candidate) =>
		cheap.some((test) => test.run(candidate) === decides);
	if (dear.length === 0)
		return view((candidate) => byView(candidate) === decides);
	return {
		cost: tests.at(-1)?.cost ?? "view",
		run: (candidate) =>
			byView(candidate) ? decides : anyDecides(dear, candidate, decides),
	};
}

async function anyDecides(
	tests: readonly Test[],
	candidate: Candidate,
	decides: boolean,
): Promise<boolean> {
	for (const test of tests)
		if ((await test.run(candidate)) === decides) return decides;
	return !decides;
}
