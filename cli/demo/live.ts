/** The demo's line of state: each node in a word, how much mail there is, and whether all have the same. Pure. */
import type { StatusJson } from "../../node/status.ts";
import { count } from "../../node/status-text.ts";
import type { MemberState } from "./member.ts";

export interface Seen {
	readonly name: string;
	readonly state: MemberState;
	/** Undefined: it did not answer. */
	readonly status: StatusJson | undefined;
}

export function liveLine(nodes: readonly Seen[]): string {
	const words = nodes.map(({ name, state, status }) => {
		const word = state === "running" ? (status?.node.state ?? "silent") : state;
		return `${name} ${word}`;
	});
	const statuses = nodes.flatMap(({ status }) => status ?? []);
	const messages = Math.max(0, ...statuses.map(({ mail }) => mail.messages));
	const all = nodes.every(({ status }) => status?.node.state === "ready");
	const same = statuses.every(
		({ cluster, mail }) => cluster.converged && mail.messages === messages,
	);
	const verdict = !same
		? "catching up"
		: all
			? "converged"
			: "converged among those that answer";
	return `${words.join(", ")} | ${count(messages, "message")} | ${statuses.length === 0 ? "no node answers" : verdict}`;
}
