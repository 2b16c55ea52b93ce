/** The members as a picture: circles in a ring, this node on top, with a link to each peer in the colour of its state. */
import type { StatusJson, StatusPeer } from "../status.ts";
import { missingText, roundTripText } from "../status-text.ts";
import { type Html, html } from "./html.ts";

const WIDTH = 640;
const CENTRE = { x: WIDTH / 2, y: 190 };
const RADIUS = { x: 210, y: 128 };
const LINE = 66;
const NODE = 30;

interface Point {
	readonly x: number;
	readonly y: number;
}

/** An SVG whose text alternative says the same in words. */
export function ring(status: StatusJson): Html {
	const many = status.peers.length > 8;
	const size = many ? 17 : NODE;
	const places = around(status.peers.length + 1);
	const self = places[0] ?? CENTRE;
	const peers = status.peers.map((peer, index) => ({
		peer,
		at: places[index + 1] ?? CENTRE,
	}));
	const words = [
		`${status.node.name}, this node, is ${status.node.state}`,
		...status.peers.map((peer) => `${peer.name} is ${peer.state}`),
	].join("; ");
	// Three nodes end well above the foot of the ellipse: no empty space is left there.
	const height = Math.max(...places.map((place) => place.y)) + size + 40;
	return html`<svg class="${many ? "many" : ""}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${words}">
${peers.map(({ peer, at }) => link(self, at, peer, size, many))}
${circle(self, status.node.name, status.node.state, "this node", size, true)}
${peers.map(({ peer, at }) => circle(at, peer.name, peer.state, many ? "" : missingLabel(peer), size, false))}
</svg>`;
}

const missingLabel = (peer: StatusPeer): string => {
	if (peer.neverCame) return "never came";
	if (peer.refuses !== undefined) return "refuses changes";
	const missing = missingText(peer);
	return missing === "nothing" ? "" : `${missing} missing`;
};

/** Points on the ellipse, the first on top, clockwise; one or two lie on a line. */
function around(count: number): Point[] {
	if (count === 1) return [{ x: CENTRE.x, y: LINE }];
	if (count === 2)
		return [-RADIUS.x, RADIUS.x].map((x) => ({ x: CENTRE.x + x, y: LINE }));
	return Array.from({ length: count }, (_, index) => {
		const angle = (2 * Math.PI * index) / count - Math.PI / 2;
		return {
			x: Math.round(CENTRE.x + RADIUS.x * Math.cos(angle)),
			y: Math.round(CENTRE.y + RADIUS.y * Math.sin(angle)),
		};
	});
}

function link(
	from: Point,
	to: Point,
	peer: StatusPeer,
	size: number,
	many: boolean,
): Html {
	const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
	const known = peer.rttMilliseconds !== undefined && peer.state !== "down";
	const label = known ? roundTripText(peer) : "";
	const behind = peer.missingChanges + peer.missingBodies > 0 ? "behind" : "";
	return html`<g class="link ${peer.state} ${behind}"><line x1="${from.x}" y1="${from.y}" x2="${to.x}" y2="${to.y}"/>${
		label === "" || many || size < NODE
			? html``
			: html`<rect class="plate" x="${middle.x - 32}" y="${middle.y - 11}" width="64" height="22" rx="11"/><text class="round-trip" x="${middle.x}" y="${middle.y + 4}">${label}</text>`
	}</g>`;
}

function circle(
	at: Point,
	name: string,
	state: string,
	note: string,
	size: number,
	self: boolean,
): Html {
	const inside = name.length <= 3 ? name : ([...name][0] ?? "");
	const outside = name.length > 18 ? `${name.slice(0, 17)}…` : name;
	const lines = [
		{ kind: "name", text: inside === name ? "" : outside },
		{ kind: "note", text: note },
	].filter((line) => line.text !== "");
	// The upper half has its words above, so that no link runs through them.
	const first =
		at.y < CENTRE.y ? at.y - size - 16 * lines.length + 6 : at.y + size + 18;
	return html`<g class="node ${state}${self ? " self" : ""}"><title>${name}: ${state}</title>
<circle cx="${at.x}" cy="${at.y}" r="${size}"/><text class="inside" x="${at.x}" y="${at.y + size / 4}">${inside}</text>
${lines.map((line, index) => html`<text class="${line.kind}" x="${at.x}" y="${first + 17 * index}">${line.text}</text>`)}</g>`;
}
