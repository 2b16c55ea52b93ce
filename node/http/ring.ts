/** The members as a picture: circles in a ring, this node on top, with a link to each peer in the colour of its state. */
import type { StatusJson, StatusPeer } from "../status.ts";
import { missingText, roundTripText } from "../status-text.ts";
import { type Html, html } from "./html.ts";

const WIDTH = 640;
const HEIGHT = 380;
const CENTRE = { x: WIDTH / 2, y: HEIGHT / 2 - 4 };
const RADIUS = { x: 210, y: 128 };
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
	return html`<svg class="${many ? "many" : ""}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${words}">
${peers.map(({ peer, at }) => link(self, at, peer, size, many))}
${circle(self, status.node.name, status.node.state, "this node", size, true)}
${peers.map(({ peer, at }) => circle(at, peer.name, peer.state, missingLabel(peer), size, false))}
</svg>`;
}

const missingLabel = (peer: StatusPeer): string => {
	const missing = missingText(peer);
	return missing === "nothing" ? "" : `${missing} missing`;
};

/** Points on the ellipse, the first on top, clockwise; one alone lies in the middle. */
function around(count: number): Point[] {
	if (count === 1) return [CENTRE];
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
	const initial = [...name][0] ?? "?";
	const short = name.length > 18 ? `${name.slice(0, 17)}…` : name;
	// The upper half has its words above, so that no link runs through them.
	const above = at.y < CENTRE.y;
	const first = above
		? at.y - size - (note === "" ? 12 : 26)
		: at.y + size + 20;
	return html`<g class="node ${state}${self ? " self" : ""}"><title>${name}: ${state}</title>
<circle cx="${at.x}" cy="${at.y}" r="${size}"/><text class="initial" x="${at.x}" y="${at.y + size / 4}">${initial}</text>
<text class="name" x="${at.x}" y="${first}">${short}</text>${
		note === ""
			? html``
			: html`<text class="note" x="${at.x}" y="${first + 16}">${note}</text>`
	}</g>`;
}
