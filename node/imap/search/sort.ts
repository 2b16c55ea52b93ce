/** SORT (RFC 5256 §3, RFC 5957): criteria, and messages in their order. */
import { SORT_CRITERIA_MAX } from "../../../sync/limits.ts";
import { compareMapped, type Ordering } from "../../mime/index.ts";
import { Refusal } from "../answer.ts";
import { ParseFault, type Parser } from "../parser.ts";
import type { Surroundings } from "../session.ts";
import type { Candidate } from "./match.ts";
import { mapOrderings, sentMilliseconds } from "./orderings.ts";

type Value = string | number;

interface SortKey {
	/** What is compared; needs the ordering if it takes it. */
	readonly of: (candidate: Candidate, ordering: Ordering) => Value;
	readonly fromView?: true;
}

const keys: Readonly<Record<string, SortKey>> = {
	ARRIVAL: {
		of: ({ message }) => message.internalDateMilliseconds,
		fromView: true,
	},
	SIZE: { of: ({ message }) => message.body.sizeBytes, fromView: true },
	DATE: { of: sentMilliseconds },
	SUBJECT: { of: (_, { subject }) => subject },
	FROM: { of: (_, { from }) => from },
	TO: { of: (_, { to }) => to },
	CC: { of: (_, { cc }) => cc },
	DISPLAYFROM: { of: (_, { displayFrom }) => displayFrom },
	DISPLAYTO: { of: (_, { displayTo }) => displayTo },
};

export interface Criterion {
	readonly name: string;
	readonly reverse: boolean;
}

/** `(REVERSE DATE SUBJECT)`; REVERSE is of the next one alone. */
export function parseCriteria(parser: Parser): Criterion[] {
	const criteria: Criterion[] = [];
	let reverse = false;
	parser.list("sort criteria", () => {
		const name = parser.word("a sort criterion");
		if (name === "REVERSE") {
			if (reverse) throw new ParseFault("REVERSE stands before a criterion");
			reverse = true;
			return;
		}
		if (!Object.hasOwn(keys, name))
			throw new ParseFault("unknown sort criterion");
		criteria.push({ name, reverse });
		reverse = false;
		if (criteria.length > SORT_CRITERIA_MAX)
			throw new Refusal("NO", "LIMIT", "Too many sort criteria");
	});
	if (reverse) throw new ParseFault("REVERSE stands before a criterion");
	return criteria;
}

const NONE: Ordering = {
	sentMilliseconds: undefined,
	sentDay: undefined,
	subject: "",
	isReply: false,
	from: "",
	to: "",
	cc: "",
	displayFrom: "",
	displayTo: "",
	messageId: "",
	references: [],
};

/** The candidates by the criteria, and where these say nothing by message number. Rejects with BodyUnavailable. */
export async function sorted(
	surroundings: Surroundings,
	candidates: readonly Candidate[],
	criteria: readonly Criterion[],
): Promise<Candidate[]> {
	const chosen = criteria.map(({ name }) => keys[name] as SortKey);
	const columns = chosen.map((): Value[] => []);
	const take = (candidate: Candidate, ordering: Ordering) => {
		for (const [index, key] of chosen.entries())
			columns[index]?.push(key.of(candidate, ordering));
	};
	if (chosen.every(({ fromView }) => fromView))
		for (const candidate of candidates) take(candidate, NONE);
	else await mapOrderings(surroundings, candidates, take);
	const comparisons = criteria.map(({ reverse }, index) =>
		comparison(columns[index] as Value[], reverse),
	);
	const order = candidates.map((_, index) => index);
	order.sort((a, b) => {
		for (const compare of comparisons) {
			const result = compare(a, b);
			if (result !== 0) return result;
		}
		return a - b;
	});
	return order.map((index) => candidates[index] as Candidate);
}

/** Compares two candidates by their index. */
function comparison(
	values: readonly Value[],
	reverse: boolean,
): (a: number, b: number) => number {
	const sign = reverse ? -1 : 1;
	// Where UTF-16 does not order as UTF-8 does.
	const needsCare = values.some(
		(value) => typeof value === "string" && /[\ud800-\uffff]/.test(value),
	);
	if (needsCare)
		return (a, b) =>
			sign * compareMapped(values[a] as string, values[b] as string);
	return (a, b) => {
		const x = values[a] as Value;
		const y = values[b] as Value;
		return x === y ? 0 : x < y ? -sign : sign;
	};
}
