import { request } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { statusPage } from "../../../node/http/page.ts";
import { type HttpServer, startHttp } from "../../../node/http/server.ts";
import { createLog } from "../../../node/log.ts";
import type { StatusJson } from "../../../node/status.ts";
import { type FakeNode, fakeNode, STATUS } from "../fake-node.ts";

let node: FakeNode;
let server: HttpServer;
const log = createLog({
	level: "error",
	format: "json",
	stream: { write: () => {} },
	clock: { now: () => 0 },
});

beforeEach(async () => {
	node = fakeNode();
	server = await startHttp({
		listen: { host: "127.0.0.1", port: 0 },
		node,
		log,
	});
});
afterEach(() => server.stop());

function get(path: string, method = "GET") {
	return new Promise<{
		status: number | undefined;
		headers: NodeJS.Dict<string | string[]>;
		body: string;
	}>((resolve, reject) => {
		request({ ...server.at, path, method, agent: false }, (response) => {
			let body = "";
			response.setEncoding("utf8").on("data", (chunk) => {
				body += chunk;
			});
			response.on("end", () =>
				resolve({
					status: response.statusCode,
					headers: response.headers,
					body,
				}),
			);
		})
			.on("error", reject)
			.end();
	});
}

describe("the HTTP listener", () => {
	test("tells load balancers whether it lives and is ready", async () => {
		expect(await get("/healthz")).toMatchObject({ status: 200, body: "ok\n" });
		expect(await get("/readyz")).toMatchObject({
			status: 200,
			body: "ready\n",
		});
		for (const state of [
			"starting",
			"joining",
			"draining",
			"stopping",
		] as const) {
			node.show({ ...STATUS, node: { ...STATUS.node, state } });
			expect(await get("/readyz")).toMatchObject({ status: 503 });
			expect(await get("/healthz")).toMatchObject({ status: 200 });
		}
	});

	test("gives the status as JSON", async () => {
		const { status, headers, body } = await get("/status.json?x");
		expect(status).toBe(200);
		expect(headers["content-type"]).toBe("application/json");
		expect(JSON.parse(body)).toEqual(STATUS);
	});

	test("leads from the root to the page, and says what else there is", async () => {
		expect(await get("/")).toMatchObject({
			status: 302,
			headers: { location: "/status" },
		});
		expect(await get("/../etc/passwd")).toMatchObject({ status: 404 });
		expect(await get("/status", "POST")).toMatchObject({
			status: 405,
			headers: { allow: "GET, HEAD" },
		});
		expect(await get("/status", "HEAD")).toMatchObject({
			status: 200,
			body: "",
		});
	});

	test("every answer is fresh, and runs nothing but its own", async () => {
		for (const path of ["/status", "/status.json", "/healthz", "/nix"]) {
			const { headers } = await get(path);
			expect(headers["cache-control"]).toBe("no-store");
			expect(headers["x-content-type-options"]).toBe("nosniff");
			expect(headers["content-security-policy"]).toMatch(
				/^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self'/,
			);
		}
	});

	test("a stranger who talks nonsense, or too much, is cut off", async () => {
		for (const text of [
			"\u{0}\r\n\r\n",
			`GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
		]) {
			const socket = connect(server.at);
			socket.on("error", () => {}); // a reset is as good as an end
			socket.write(text);
			let answer = "";
			for await (const chunk of socket) answer += String(chunk);
			expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
		}
		expect(await get("/healthz")).toMatchObject({ status: 200 });
	});

	test("a port that is taken is an error with its code", async () => {
		await expect(
			startHttp({ listen: server.at, node, log }),
		).rejects.toMatchObject({
			code: "EADDRINUSE",
		});
	});
});

describe("the status page", () => {
	const withPeers = (names: readonly string[]): StatusJson => ({
		...STATUS,
		peers: names.map((name, index) => ({
			...(STATUS.peers[index % 2] as (typeof STATUS.peers)[number]),
			name,
		})),
	});

	test("says in words what it shows", () => {
		const page = statusPage(STATUS);
		for (const text of [
			"<title>a: ready · pmnode</title>",
			"Attention: 1 of 3 members not reachable.",
			'aria-label="a, this node, is ready; b is up; c is suspect"',
			"12 changes, 1 body",
			"1,042",
			"127.0.0.1:2993",
		])
			expect(page).toContain(text);
		const well = { ...STATUS, cluster: { ...STATUS.cluster, up: 3 } };
		expect(statusPage(well)).toContain("All is well: 3 members");
		const scrub = {
			sinceMilliseconds: 0,
			bodies: 1_000,
			found: 3,
			mended: 3,
		};
		expect(statusPage({ ...well, scrub })).toContain(
			"1000 bodies read, 3 faults found, all mended",
		);
		expect(statusPage({ ...well, scrub })).toContain("All is well");
		expect(statusPage({ ...well, scrub: { ...scrub, mended: 1 } })).toContain(
			"Attention: 2 faults in stored mail not mended",
		);
	});

	test("shows names as text, whatever is in them", () => {
		const evil = `"><script>alert(1)</script>'&`;
		const page = statusPage({
			...withPeers([evil]),
			node: { ...STATUS.node, name: evil, version: evil },
			listeners: { ...STATUS.listeners, smtp: evil },
		});
		expect(page.match(/<script>/g)).toHaveLength(1); // its own
		expect(page).not.toContain(evil);
		expect(page).not.toContain("alert(1)</script>");
		expect(page).toContain("&#34;&#62;&#60;script&#62;alert(1)");
	});

	test("every part that the script swaps is there once", () => {
		const page = statusPage(STATUS);
		for (const id of [
			"header",
			"verdict",
			"picture",
			"table",
			"mail",
			"listeners",
		])
			expect(page.split(`id="${id}"`)).toHaveLength(2);
	});

	test("asks for nothing from elsewhere", () => {
		expect(
			statusPage(STATUS).match(/(src|href)="[^"]*"|url\([^)]*\)/g),
		).toEqual([
			expect.stringMatching(/^href="data:image/),
			'href="/status.json"',
		]);
	});

	test("draws every size of cluster within its picture", () => {
		for (const count of [0, 1, 2, 3, 11, 63]) {
			const page = statusPage(
				withPeers(Array.from({ length: count }, (_, index) => `node-${index}`)),
			);
			expect(page.match(/<circle /g)).toHaveLength(count + 1);
			const height = Number(/viewBox="0 0 640 (\d+)"/.exec(page)?.[1]);
			for (const [, x, y] of page.matchAll(/<circle cx="(\d+)" cy="(\d+)"/g)) {
				expect(Number(x)).toBeLessThan(640);
				expect(Number(y)).toBeLessThan(height);
			}
		}
	});
});
