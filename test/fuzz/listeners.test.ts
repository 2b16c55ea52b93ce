/** The control socket and HTTP, and MIME: whatever comes, an answer or an end; never a bug; others are served. */
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "../../node/control/client.ts";
import { startControl } from "../../node/control.ts";
import { type HttpServer, startHttp } from "../../node/http/server.ts";
import {
	bodyStructureImap,
	decodedText,
	envelopeImap,
	parseMessage,
	textPieces,
} from "../../node/mime/index.ts";
import { realClock } from "../../sync/real/clock.ts";
import { fakeNode } from "../unit/fake-node.ts";
import { corpus, corpusNames, everyPart } from "../unit/mime/corpus.ts";
import { MemoryLog } from "../unit/smtp/fakes.ts";
import { firstSeed, Mutator, rounds, usedBytes } from "./mutator.ts";

const log = new MemoryLog();
let dataDirectory: string;
let control: Awaited<ReturnType<typeof startControl>>;
let http: HttpServer;
beforeAll(async () => {
	dataDirectory = await mkdtemp(join(tmpdir(), "pmnode-fuzz-"));
	const node = fakeNode();
	control = await startControl({
		dataDirectory,
		node,
		clock: realClock,
		log,
		hashPassword: async (password: string) => password,
	});
	http = await startHttp({
		listen: { host: "127.0.0.1", port: 0 },
		node,
		log,
	});
});
afterAll(async () => {
	await control.stop();
	await http.stop();
	await rm(dataDirectory, { recursive: true });
});

/** Says it all, and hears all until the end. */
function exchange(
	at: { path: string } | { host: string; port: number },
	octets: string,
): Promise<string> {
	const socket = connect(at);
	let text = "";
	socket.on("data", (chunk) => {
		text += chunk.toString("latin1");
	});
	socket.on("error", () => {});
	socket.end(Buffer.from(octets, "latin1"));
	return new Promise((resolve) => socket.once("close", () => resolve(text)));
}

const errors = () => log.lines.filter(({ level }) => level === "error");

const requests = [
	'{"method":"status","params":{}}\n',
	'{"method":"user.add","params":{"address":"a@b.c","password":"x","createDomain":true}}\n',
	'{"method":"user.quota","params":{"address":"a@b.c","storageBytesMax":5}}\n',
	'{"method":"user.passwd","params":{"address":"a@b.c","password":"y"}}\n',
	'{"method":"alias.add","params":{"alias":"x@b.c","target":"a@b.c"}}\n',
	'{"method":"domain.remove","params":{"domain":"b.c"}}\n',
	'{"method":"invite","params":{"ttlMilliseconds":5000}}\n',
	'{"method":"remove","params":{"node":"c"}}\n',
	'{"method":"constructor","params":{"__proto__":{}}}\n',
];

test(
	"the control socket",
	async () => {
		const path = join(dataDirectory, "control.sock");
		for (let round = 0; round < rounds(400); round++) {
			const seed = firstSeed() + round;
			const mutator = new Mutator(seed);
			const said = mutator.text(mutator.pick(requests), requests);
			const answer = await exchange({ path }, said);
			const what = `PMNODE_FUZZ_SEED=${seed}: ${said.slice(0, 500)}`;
			for (const line of answer.split("\n").slice(0, -1))
				expect(Object.keys(JSON.parse(line)).join(), what).toMatch(
					/^(item|result|fault,usage)$/,
				);
			expect(errors(), what).toEqual([]);
		}
		const status = await ask({ dataDirectory, method: "status" });
		expect(status).toHaveProperty("node");
	},
	rounds(60_000),
);

const heads = [
	"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	"GET /status?a=%00&b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	"GET /healthz HTTP/1.0\r\n\r\n",
	"HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
];

test(
	"HTTP",
	async () => {
		for (let round = 0; round < rounds(300); round++) {
			const seed = firstSeed() + round;
			const mutator = new Mutator(seed);
			const said = mutator.text(mutator.pick(heads), heads);
			const answer = await exchange(http.at, said);
			if (answer !== "") expect(answer).toMatch(/^HTTP\/1\.1 \d{3} /);
			expect(errors(), `PMNODE_FUZZ_SEED=${seed}`).toEqual([]);
		}
		const answer = await exchange(http.at, heads[0] as string);
		expect(answer).toMatch(/^HTTP\/1\.1 [23]\d\d /);
	},
	rounds(60_000),
);

test(
	"MIME",
	() => {
		const good = corpusNames.map((name) => corpus(name).toString("latin1"));
		const fuzz = (count: number) => {
			for (let round = 0; round < count; round++) {
				const seed = firstSeed() + round;
				const mutator = new Mutator(seed);
				const text = mutator.text(mutator.pick(good), good);
				const bytes = Buffer.from(text, "latin1");
				const what = `PMNODE_FUZZ_SEED=${seed}`;
				const parsed = parseMessage(bytes);
				expect(envelopeImap(parsed), what).toMatch(/^\(.*\)$/s);
				expect(bodyStructureImap(parsed, true), what).toMatch(/^\(.*\)$/s);
				for (const part of everyPart(parsed)) {
					expect(part.bodyStart, what).toBeLessThanOrEqual(bytes.length);
					expect(part.headerStart, what).toBeLessThanOrEqual(part.bodyStart);
				}
				decodedText(textPieces(parsed), ({ start, end }) =>
					bytes.subarray(start, end),
				);
			}
		};
		fuzz(rounds(200));
		const before = usedBytes();
		fuzz(rounds(1_000));
		expect(usedBytes() - before).toBeLessThan(16 * 1024 * 1024);
	},
	rounds(60_000),
);
