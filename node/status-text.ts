/** Status in words, for people: the whole as `pmnode status` prints it, and pieces that the status page shares. Pure. */
import { printable } from "./printable.ts";
import { LISTENER_NAMES, type StatusJson, type StatusPeer } from "./status.ts";

type Paint = "good" | "warning" | "bad" | "quiet" | "strong";
const CODES: Readonly<Record<Paint, string>> = {
	good: "32",
	warning: "33",
	bad: "31",
	quiet: "2",
	strong: "1",
};

/** A piece of text and how it is painted. Widths count the text alone. */
interface Cell {
	readonly text: string;
	readonly paint?: Paint | undefined;
}

/** Lines without line ends. `colour` adds terminal codes; words say the same without them. */
export function statusText(status: StatusJson, colour: boolean): string[] {
	const show = ({ text, paint }: Cell): string =>
		colour && paint !== undefined
			? `\u{1b}[${CODES[paint]}m${text}\u{1b}[0m`
			: text;
	const table = (rows: readonly (readonly Cell[])[]): string[] => {
		const widths = rows[0]?.map((_, column) =>
			Math.max(...rows.map((row) => row[column]?.text.length ?? 0)),
		);
		return rows.map((row) =>
			row
				.map((cell, column) => {
					const last = column === row.length - 1;
					const padding = (widths?.[column] ?? 0) - cell.text.length;
					return show(cell) + (last ? "" : " ".repeat(padding + 2));
				})
				.join("")
				.trimEnd(),
		);
	};
	return [
		...table(summaryRows(status)),
		"",
		...table([
			heading("node", "state", "round trip", "missing"),
			...nodeRows(status),
		]),
		"",
		...table(listenerRows(status)),
	];
}

const heading = (...names: string[]): Cell[] =>
	names.map((name) => ({ text: name.toUpperCase(), paint: "quiet" }));

function summaryRows(status: StatusJson): Cell[][] {
	const { node, cluster, mail } = status;
	const { lostBodies = 0 } = mail;
	const label = (text: string): Cell => ({ text, paint: "quiet" });
	return [
		[
			label("node"),
			{
				text: `${printable(node.name)}, ${node.state}, up ${uptimeText(node.uptimeSeconds)}, version ${node.version}, pid ${node.pid}`,
				paint: "strong",
			},
		],
		[
			label("cluster"),
			{
				text: `${count(cluster.up, "member")} up of ${cluster.members}, ${cluster.converged ? "converged" : "not converged"}`,
				paint:
					cluster.up < cluster.members || !cluster.converged
						? "warning"
						: "good",
			},
		],
		[
			label("mail"),
			{
				text: `${count(mail.messages, "message")} in ${count(mail.accounts, "account")}, ${mail.queue} queued, ${
					mail.bodiesWithTooFewCopies === 0
						? "all with enough copies"
						: `${mail.bodiesWithTooFewCopies} with too few copies`
				}${lostBodies === 0 ? "" : `, the bodies of ${lostBodies} lost: "pmnode check" names them`}`,
				paint:
					mail.bodiesWithTooFewCopies + lostBodies === 0
						? undefined
						: "warning",
			},
		],
		...scrubRows(status, label),
	];
}

function scrubRows(
	{ scrub }: StatusJson,
	label: (text: string) => Cell,
): Cell[][] {
	if (scrub === undefined) return [];
	const { found, mended } = scrub;
	return [
		[
			label("scrub"),
			{
				text: scrubText(scrub),
				paint: found > mended ? "bad" : found > 0 ? "warning" : undefined,
			},
		],
	];
}

/** `12 bodies read, no damage, first round` */
export function scrubText({
	bodies,
	found,
	mended,
	lastRoundMilliseconds,
}: NonNullable<StatusJson["scrub"]>): string {
	const last =
		lastRoundMilliseconds === undefined
			? "first round"
			: `last through on ${new Date(lastRoundMilliseconds).toISOString().slice(0, 10)}`;
	const left = found - mended;
	const damage =
		found === 0
			? "no damage"
			: `${count(found, "fault")} found, ${left === 0 ? "all mended" : `${left} not mended`}`;
	return `${bodies} ${bodies === 1 ? "body" : "bodies"} read, ${damage}, ${last}`;
}

function nodeRows(status: StatusJson): Cell[][] {
	const { node } = status;
	const self: Cell[] = [
		{ text: printable(node.name) },
		{ text: node.state, paint: node.state === "ready" ? "good" : "warning" },
		{ text: "this node", paint: "quiet" },
		{ text: "" },
	];
	return [self, ...status.peers.map(peerRow)];
}

function peerRow(peer: StatusPeer): Cell[] {
	const missing = missingText(peer);
	return [
		{ text: printable(peer.name) },
		{ text: peer.state, paint: PEER_PAINT[peer.state] },
		{ text: roundTripText(peer), paint: "quiet" },
		{ text: missing, paint: missing === "nothing" ? "quiet" : "warning" },
	];
}

const PEER_PAINT: Readonly<Record<StatusPeer["state"], Paint>> = {
	up: "good",
	suspect: "warning",
	down: "bad",
	draining: "warning",
};

function listenerRows(status: StatusJson): Cell[][] {
	return LISTENER_NAMES.map((name): Cell[] => {
		const at = status.listeners[name];
		return [
			{ text: name, paint: "quiet" },
			{ text: at, paint: at === "off" ? "quiet" : undefined },
		];
	});
}

/** `1.2 ms`, or a dash as long as it is not known. */
export const roundTripText = (peer: StatusPeer): string =>
	peer.rttMilliseconds === undefined
		? "–"
		: `${peer.rttMilliseconds.toFixed(peer.rttMilliseconds < 10 ? 1 : 0)} ms`;

/** `nothing`, `1 change`, `12 changes, 3 bodies`; or that there is nobody yet to miss anything, or why it does not come, and what to do. */
export function missingText(peer: StatusPeer): string {
	if (peer.neverCame) return "never came: join it again, or remove it";
	const parts = [
		peer.missingChanges > 0 ? count(peer.missingChanges, "change") : "",
		peer.missingBodies > 0
			? peer.missingBodies === 1
				? "1 body"
				: `${peer.missingBodies} bodies`
			: "",
	].filter((part) => part !== "");
	const missing = parts.length === 0 ? "nothing" : parts.join(", ");
	return peer.refuses === undefined
		? missing
		: `${missing}: it refuses what this node made (${printable(peer.refuses)}); run the same release on both, then report it`;
}

/** `1 member`, `3 members`. */
export const count = (number: number, noun: string): string =>
	`${number} ${noun}${number === 1 ? "" : "s"}`;

/** `12 s`, `3 min 5 s`, `4 h 10 min`, `12 d 3 h`: two units are enough for anyone. */
export function uptimeText(seconds: number): string {
	const whole = Math.max(0, Math.floor(seconds));
	if (whole < 60) return `${whole} s`;
	if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
	const minutes = Math.floor(whole / 60);
	if (minutes < 1440)
		return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
	const hours = Math.floor(minutes / 60);
	return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
