/** The status page: one self-contained HTML document, rendered here only; the script in it fetches it anew and swaps. */
import { createHash } from "node:crypto";
import { LISTENER_NAMES, type StatusJson } from "../status.ts";
import {
	count,
	missingText,
	roundTripText,
	scrubText,
	uptimeText,
} from "../status-text.ts";
import { SCRIPT, STYLE } from "./assets.ts";
import { Html, html } from "./html.ts";
import { ring } from "./ring.ts";

const hash = (text: string): string =>
	`'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** Nothing but this page's own style and script runs, and they reach nothing but this server. */
export const CONTENT_SECURITY_POLICY = [
	"default-src 'none'",
	`style-src ${hash(STYLE)}`,
	`script-src ${hash(SCRIPT)}`,
	"connect-src 'self'",
	"img-src data:",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
].join("; ");

const ICON =
	"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M8 3 3 12h10z' fill='none' stroke='%234a7' stroke-width='1.5'/%3E%3Ccircle cx='8' cy='3' r='2.5' fill='%234a7'/%3E%3Ccircle cx='3' cy='12' r='2.5' fill='%234a7'/%3E%3Ccircle cx='13' cy='12' r='2.5' fill='%234a7'/%3E%3C/svg%3E";

export function statusPage(status: StatusJson): string {
	const { node } = status;
	const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${node.name}: ${node.state} · pmnode</title>
<link rel="icon" href="${ICON}">
${raw("style", STYLE)}
</head>
<body>
<main>
${header(status)}
${verdict(status)}
<section id="members" aria-labelledby="members-title"><h2 id="members-title">Members</h2>
<div id="picture">${ring(status)}</div>
<div id="table">${membersTable(status)}</div></section>
${mail(status)}
${listeners(status)}
</main>
<footer><span id="live" role="status"></span><a href="/status.json">status.json</a></footer>
${raw("script", SCRIPT)}
</body>
</html>
`;
	return page.markup;
}

/** Style and script are our own constants: they go in as they are, since the policy names their hash. */
const raw = (element: "style" | "script", text: string): Html =>
	new Html(`<${element}>${text}</${element}>`);

const header = ({ node }: StatusJson): Html => html`<header id="header">
<h1>${node.name}</h1><span class="badge ${node.state}">${node.state}</span>
<p class="quiet">up ${uptimeText(node.uptimeSeconds)} · pmnode ${node.version} · pid ${node.pid}</p>
</header>`;

/** The one sentence that answers "is all well?". */
function verdict(status: StatusJson): Html {
	const { cluster, mail, scrub } = status;
	const unmended = scrub === undefined ? 0 : scrub.found - scrub.mended;
	const away = cluster.members - cluster.up;
	const worries = [
		away > 0
			? `${away} of ${count(cluster.members, "member")} not reachable`
			: "",
		cluster.converged ? "" : "members are catching up",
		mail.bodiesWithTooFewCopies > 0
			? `${count(mail.bodiesWithTooFewCopies, "message")} with too few copies`
			: "",
		(mail.lostBodies ?? 0) > 0
			? `${count(mail.lostBodies ?? 0, "message")} whose body no member has: pmnode check names them`
			: "",
		unmended > 0
			? `${count(unmended, "fault")} in stored mail not mended: see the log, and run pmnode check --repair`
			: "",
	].filter((worry) => worry !== "");
	return worries.length === 0
		? html`<p id="verdict" class="verdict well">All is well: ${count(cluster.members, "member")}, everything everywhere.</p>`
		: html`<p id="verdict" class="verdict worry">Attention: ${worries.join("; ")}.</p>`;
}

function membersTable({ node, peers }: StatusJson): Html {
	return html`<table><thead><tr><th scope="col">Node</th><th scope="col">State</th><th scope="col">Round trip</th><th scope="col">Missing</th></tr></thead>
<tbody><tr><th scope="row">${node.name}</th><td><span class="state ${node.state}">${node.state}</span></td><td class="quiet">this node</td><td class="quiet">–</td></tr>
${peers.map(
	(peer) =>
		html`<tr><th scope="row" title="${peer.id}">${peer.name}</th><td><span class="state ${peer.state}">${peer.state}</span></td><td>${roundTripText(peer)}</td><td>${missingText(peer)}</td></tr>
`,
)}</tbody></table>`;
}

function mail({ mail, scrub }: StatusJson): Html {
	const figure = (value: number, label: string, worry = false) =>
		html`<div class="${worry ? "worry" : ""}"><dd>${value.toLocaleString("en")}</dd><dt>${label}</dt></div>`;
	return html`<section id="mail" aria-labelledby="mail-title"><h2 id="mail-title">Mail</h2>
<dl class="figures">${figure(mail.accounts, "accounts")}${figure(mail.messages, "messages")}${figure(mail.queue, "queued to send")}${figure(
		mail.bodiesWithTooFewCopies,
		"with too few copies",
		mail.bodiesWithTooFewCopies > 0,
	)}</dl>${scrub === undefined ? "" : html`<p class="quiet">Checked in the background: ${scrubText(scrub)}.</p>`}</section>`;
}

const listeners = ({ listeners }: StatusJson): Html =>
	html`<section id="listeners" aria-labelledby="listeners-title"><h2 id="listeners-title">Listeners</h2>
<dl class="listeners">${LISTENER_NAMES.map(
		(name) =>
			html`<div><dt>${name}</dt><dd class="${listeners[name] === "off" ? "quiet" : ""}">${listeners[name]}</dd></div>`,
	)}</dl></section>`;
