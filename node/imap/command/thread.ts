import { Refusal } from "../answer.ts";
import { find, withMessages } from "../search/find.ts";
import { parseKeys } from "../search/keys.ts";
import { requireWhole } from "../search/looked-at.ts";
import { eachOrdering, sentMilliseconds } from "../search/orderings.ts";
import { namesNumbers, noteKeys } from "../search/results.ts";
import {
	formatThreads,
	orderedSubject,
	references,
	type Threadable,
	type ThreadNode,
} from "../search/thread.ts";
import { type Completion, type Invocation, selectedOf } from "../session.ts";
import { parseSearchCharset } from "./search.ts";

type Algorithm = (messages: readonly Threadable[]) => readonly ThreadNode[];
const algorithms: Readonly<Record<string, Algorithm>> = {
	ORDEREDSUBJECT: orderedSubject,
	REFERENCES: references,
};

/** THREAD, RFC 5256 §3. */
export async function thread({
	parser,
	session,
	byUid,
}: Invocation): Promise<Completion> {
	const name = parser.word("a threading algorithm");
	const algorithm = Object.hasOwn(algorithms, name)
		? algorithms[name]
		: undefined;
	if (algorithm === undefined)
		throw new Refusal("BAD", undefined, "Unknown threading algorithm");
	parser.space();
	parseSearchCharset(parser);
	parser.space();
	const key = parseKeys(parser);
	const selected = selectedOf(session);
	await noteKeys(session, selected, key);
	requireWhole(session, selected, key);
	const found = await find(session, selected, key);
	const { surroundings } = session;
	const threads = await surroundings.threads.answer(
		selected,
		{ algorithm: name, byUid },
		found,
		async () => {
			const messages: Threadable[] = [];
			await eachOrdering(
				surroundings,
				withMessages(selected, found),
				(candidate, ordering) => {
					messages.push({
						name: byUid ? candidate.uid : candidate.number,
						sentMilliseconds: sentMilliseconds(candidate, ordering),
						subject: ordering.subject,
						isReply: ordering.isReply,
						messageId: ordering.messageId,
						references: ordering.references,
					});
				},
			);
			return formatThreads(algorithm(messages));
		},
	);
	session.output.text(`* THREAD${threads === "" ? "" : ` ${threads}`}\r\n`);
	return {
		keepsNumbers: namesNumbers(key),
	};
}
