/**
 * Whether a message fulfils SEARCH keys. A test says yes, no, or that it must read for it; what the view tells is asked
 * first, then what the cache and the index know, and only then messages are read.
 */
import type { Message } from "../../../sync/api.ts";
import type { Uid } from "../../../sync/ids.ts";
import type { InTurn } from "../../mime/cache.ts";
import {
	casemap,
	decodedHeader,
	emailId,
	type Ordering,
	threadId,
} from "../../mime/index.ts";
import { NO, type Sought, YES } from "../../search/types.ts";
import { DAY_MILLISECONDS } from "../dates.ts";
import { hasFlag } from "../flags.ts";
import { contains, normalise, SAVED } from "../sequence-set.ts";
import type { Surroundings } from "../session.ts";
import type { Key } from "./keys.ts";

/** A message as the client knows it. */
export interface Hit {
	readonly number: number;
	readonly uid: Uid;
}
export interface Candidate extends Hit {
	readonly message: Message;
}

/** What is known without reading, of the messages that are looked at now. */
export interface Facts {
	/** What is looked at together now; `batchAt`: message number → its place there, counted from 1. */
	batch: readonly Candidate[];
	readonly batchAt: Uint32Array;
	/** Of these in their order. */
	headers: InTurn<Uint8Array>;
	orderings: InTurn<Ordering>;
	/** Of each of `sought` what the index says of messages; `textAt`: message number → where it says so. */
	texts: readonly Uint8Array[];
	textAt: Uint32Array;
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
	readonly facts: Facts;
	/** Filled by compile(): what the tests look for in texts. */
	readonly sought: Sought[];
	/** Filled by compile(): which facts the tests can use. */
	readonly uses: Set<"headers" | "orderings">;
	/** Reads a message, and says which of `sought` it holds. Rejects with BodyUnavailable. */
	readonly read: (candidate: Candidate) => Promise<readonly boolean[]>;
}

export interface Test {
	/** What `later` reads: nothing, a header, or a whole message. */
	readonly cost: 0 | 1 | 2;
	/** Where a message's flags decide alone. */
	readonly byFlags?: ((flags: readonly string[]) => boolean) | undefined;
	/** Undefined: what is known does not decide. */
	now(candidate: Candidate): boolean | undefined;
	/** Rejects with BodyUnavailable. */
	later(candidate: Candidate): Promise<boolean>;
}

const view = (now: (candidate: Candidate) => boolean): Test => ({
	cost: 0,
	now,
	later: async (candidate) => now(candidate),
});

const ofFlags = (byFlags: (flags: readonly string[]) => boolean): Test => ({
	...view(({ message }) => byFlags(message.flags)),
	byFlags,
});

const dayOf = (milliseconds: number): number =>
	Math.floor(milliseconds / DAY_MILLISECONDS);

/** The keys as a test. */
export function compile(key: Key, context: SearchContext): Test {
	switch (key.kind) {
		case "all":
			return ofFlags(() => true);
		case "flag":
			return ofFlags((flags) => hasFlag(flags, key.flag));
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
				const day = dayOf(message.internalDateMilliseconds);
				return day >= key.fromDay && day < key.toDay;
			});
		case "savedate":
			return view(({ message }) => {
				const day = dayOf(message.savedMilliseconds);
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
		case "emailid":
			return view(({ message }) => emailId(message.body.hash) === key.id);
		case "threadid":
			return byOrdering(context, (ordering) => threadId(ordering) === key.id);
		case "sent":
			return byOrdering(context, ({ sentDay }, { message }) => {
				const day = sentDay ?? dayOf(message.internalDateMilliseconds);
				return day >= key.fromDay && day < key.toDay;
			});
		case "header":
			return byHeader(context, key.field, casemap(key.text));
		case "body":
		case "text":
			return byText(context, { kind: key.kind, mapped: casemap(key.text) });
		case "not":
			return negate(compile(key.key, context));
		case "or":
			return combine(key.keys, context, true);
		case "and":
			return combine(key.keys, context, false);
	}
}

/** Undefined also of a message that is not among those that are looked at now. */
function factAt<T>(
	{ batchAt }: Facts,
	known: InTurn<T>,
	{ number }: Hit,
): T | undefined {
	const at = batchAt[number] as number;
	return at === 0 ? undefined : known[at - 1];
}

function byOrdering(
	{ surroundings: { structures }, facts, uses }: SearchContext,
	test: (ordering: Ordering, candidate: Candidate) => boolean,
): Test {
	uses.add("orderings");
	return {
		cost: 1,
		now(candidate) {
			const ordering = factAt(facts, facts.orderings, candidate);
			return ordering && test(ordering, candidate);
		},
		async later(candidate) {
			const [ordering] = await structures.orderings([candidate.message]);
			return test(ordering as Ordering, candidate);
		},
	};
}

/** Comparison is of substrings, by i;unicode-casemap (RFC 9051 §6.4.4). */
function byHeader(
	{ surroundings: { structures }, facts, uses }: SearchContext,
	field: string,
	sought: string,
): Test {
	uses.add("headers");
	const holds = (header: Uint8Array): boolean =>
		decodedHeader(header, field).some((value) =>
			casemap(value).includes(sought),
		);
	return {
		cost: 1,
		now(candidate) {
			const header = factAt(facts, facts.headers, candidate);
			return header && holds(header);
		},
		later: async ({ message }) => holds(await structures.header(message)),
	};
}

/** TEXT looks into the header too (RFC 9051 §6.4.4). */
function byText({ facts, sought, read }: SearchContext, wanted: Sought): Test {
	// Every message holds nothing.
	if (wanted.mapped === "") return view(() => true);
	const index = sought.push(wanted) - 1;
	return {
		cost: 2,
		now({ number }) {
			const known = facts.texts[index]?.[facts.textAt[number] as number];
			return known === YES ? true : known === NO ? false : undefined;
		},
		later: async (candidate) => (await read(candidate))[index] === true,
	};
}

const negate = (test: Test): Test => ({
	cost: test.cost,
	byFlags: test.byFlags && ((flags) => test.byFlags?.(flags) === false),
	now(candidate) {
		const result = test.now(candidate);
		return result === undefined ? undefined : !result;
	},
	later: async (candidate) => !(await test.later(candidate)),
});

/** The first result that equals `decides` is the result; what must be read is asked last, the cheap before the dear. */
function combine(
	keys: readonly Key[],
	context: SearchContext,
	decides: boolean,
): Test {
	const tests = keys.map((key) => compile(key, context));
	tests.sort((a, b) => a.cost - b.cost);
	const byFlags = tests.flatMap((test) => test.byFlags ?? []);
	return {
		byFlags:
			byFlags.length === tests.length
				? (flags) => byFlags.some((is) => is(flags) === decides) === decides
				: undefined,
		cost: tests.at(-1)?.cost ?? 0,
		now(candidate) {
			let result: boolean | undefined = !decides;
			for (const test of tests) {
				const one = test.now(candidate);
				if (one === decides) return decides;
				if (one === undefined) result = undefined;
			}
			return result;
		},
		async later(candidate) {
			for (const test of tests) {
				const known = test.now(candidate);
				const one = known ?? (await test.later(candidate));
				if (one === decides) return decides;
			}
			return !decides;
		},
	};
}
