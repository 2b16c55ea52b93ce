/** SORT (RFC 5256 §3, RFC 5957): criteria, and messages in their order. */
import { SORT_CRITERIA_MAX } from "../../../sync/limits.ts";
import type { Ordering } from "../../mime/index.ts";
import { Refusal } from "../answer.ts";
import { ParseFault, type Parser } from "../parser.ts";
import type { Selected } from "../selected.ts";
import type { Surroundings } from "../session.ts";
import { orderBy, type Ranks, type Value } from "./columns.ts";
import { withMessages } from "./find.ts";
import type { Candidate, Hit } from "./match.ts";
import { mapOrderings, sentMilliseconds } from "./orderings.ts";

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
	const ranked: (Ranks & { reverse: boolean })[] = [];
	for (const { name, reverse } of criteria)
		ranked.push({
			...(await ranksBy(surroundings, selected, candidates, name)),
			reverse,
		});
	const order = orderBy(candidates.length, ranked);
	return orders.keep(selected, key, candidates, order);
}

async function ranksBy(
	surroundings: Surroundings,
	selected: Selected,
	candidates: readonly Candidate[],
	criterion: string,
): Promise<Ranks> {
	const key = keys[criterion] as SortKey;
	return surroundings.columns.ranks(
		selected,
		criterion,
		candidates,
		async (some) =>
			"inView" in key
				? some.map(key.inView)
				: mapOrderings(surroundings, some, key.of),
	);
}
