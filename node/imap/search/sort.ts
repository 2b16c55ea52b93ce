/** SORT (RFC 5256 §3, RFC 5957): criteria, and messages in their order. */
import { SORT_CRITERIA_MAX } from "../../../sync/limits.ts";
import type { Ordering } from "../../mime/index.ts";
import { Refusal } from "../answer.ts";
import { ParseFault, type Parser } from "../parser.ts";
import type { Selected } from "../selected.ts";
import type { Surroundings } from "../session.ts";
import { orderBy, type Value } from "./columns.ts";
import { withMessages } from "./find.ts";
import type { Candidate, Hit } from "./match.ts";
import { eachOrdering, sentMilliseconds } from "./orderings.ts";

/** What is compared: it is in the view, or in the message's ordering. */
type SortKey =
	| { readonly inView: (candidate: Candidate) => number }
	| { readonly of: (candidate: Candidate, ordering: Ordering) => Value };

const keys: Readonly<Record<string, SortKey>> = {
	ARRIVAL: { inView: ({ message }) => message.internalDateMilliseconds },
	SIZE: { inView: ({ message }) => message.body.sizeBytes },
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

/** What was found, by the criteria, and where these say nothing by message number. Rejects with BodyUnavailable. */
export async function sorted(
	surroundings: Surroundings,
	selected: Selected,
	found: readonly Hit[],
	criteria: readonly Criterion[],
): Promise<readonly Hit[]> {
	const { orders } = surroundings;
	const key = criteria
		.map(({ name, reverse }) => `${reverse ? "-" : ""}${name}`)
		.join(" ");
	const held = orders.of(selected, key, found);
	if (held !== undefined) return held;
	const candidates = withMessages(selected, found);
	const ranks = await surroundings.columns.ranks(
		selected,
		[...new Set(criteria.map(({ name }) => name))],
		candidates,
		(missing, names) => valuesOf(surroundings, missing, names),
	);
	const order = orderBy(
		candidates.length,
		criteria.map(({ name, reverse }) => ({ ...ranks.get(name), reverse })),
	);
	return orders.keep(selected, key, candidates, order);
}

/** What is in the view is taken from there; all else in one pass through the messages' orderings. */
async function valuesOf(
	surroundings: Surroundings,
	candidates: readonly Candidate[],
	criteria: readonly string[],
): Promise<readonly (readonly Value[])[]> {
	const columns = criteria.map((name) => ({
		key: keys[name] as SortKey,
		values: [] as Value[],
	}));
	for (const { key, values } of columns)
		if ("inView" in key)
			for (const candidate of candidates) values.push(key.inView(candidate));
	const others = columns.flatMap(({ key, values }) =>
		"of" in key ? [{ of: key.of, values }] : [],
	);
	if (others.length > 0)
		await eachOrdering(surroundings, candidates, (candidate, ordering) => {
			for (const { of, values } of others) values.push(of(candidate, ordering));
		});
	return columns.map(({ values }) => values);
}
