import { X509Certificate } from "node:crypto";
import {
	mkdtemp,
	readdir,
	readFile,
	rename,
	rm,
	stat,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { TlsSource } from "../../../node/tls/source.ts";
import { openTls } from "../../../node/tls/tls.ts";
import { OperatorFault } from "../../../sync/faults.ts";
import { TLS_RELOAD_MILLISECONDS } from "../../../sync/limits.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { MemoryLog } from "../smtp/fakes.ts";

let dataDirectory: string;
let clock: SimClock;
let log: MemoryLog;
let opened: TlsSource[];
beforeEach(async () => {
	dataDirectory = await mkdtemp(join(tmpdir(), "pmnode-tls-"));
	clock = new SimClock();
	log = new MemoryLog();
	opened = [];
});
afterEach(async () => {
	for (const source of opened) source.close();
	await rm(dataDirectory, { recursive: true });
});

async function own(hostname = "mail.example.org"): Promise<TlsSource> {
	const source = await openTls({ dataDirectory, hostname, clock, log });
	opened.push(source);
	return source;
}

const file = () => join(dataDirectory, "tls", "self-signed.pem");

test("makes a certificate once, for the host name and loopback, for its owner only", async () => {
	const first = await own();
	const certificate = new X509Certificate(first.pem().cert);
	expect(certificate.subjectAltName).toBe(
		"DNS:mail.example.org, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
	);
	expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe(
		"prime256v1",
	);
	const years = Date.parse(certificate.validTo) - clock.now();
	expect(years).toBeGreaterThan(10 * 365 * 24 * 3600 * 1000);
	expect((await stat(file())).mode & 0o777).toBe(0o600);
	expect((await stat(join(dataDirectory, "tls"))).mode & 0o777).toBe(0o700);
	expect(await readdir(join(dataDirectory, "tls"))).toHaveLength(1);
	expect((await own()).pem().cert).toBe(first.pem().cert);
	expect(log.lines).toEqual([]);
});

test("a damaged one, or one for another name, is made anew, and said so", async () => {
	const first = (await own()).pem().cert;
	const second = (await own("other.example.org")).pem().cert;
	expect(second).not.toBe(first);
	await writeFile(file(), (await readFile(file(), "utf8")).slice(0, 300));
	const third = (await own("other.example.org")).pem().cert;
	expect(new X509Certificate(third).checkHost("other.example.org")).toBe(
		"other.example.org",
	);
	expect(log.lines.map(({ level }) => level)).toEqual(["warn", "warn"]);
});

test("a host name that is an address", async () => {
	const { cert } = (await own("192.0.2.7")).pem();
	expect(new X509Certificate(cert).checkIP("192.0.2.7")).toBe("192.0.2.7");
	expect((await own("192.0.2.7")).pem().cert).toBe(cert);
});

// ---- the operator's files

const certFile = () => join(dataDirectory, "cert.pem");
const keyFile = () => join(dataDirectory, "key.pem");

async function newPair(
	hostname: string,
): Promise<{ cert: string; key: string }> {
	const pair = (await own(hostname)).pem();
	await rm(join(dataDirectory, "tls"), { recursive: true });
	return pair;
}

async function operators(): Promise<TlsSource> {
	const source = await openTls({
		dataDirectory,
		hostname: "mail.example.org",
		files: { certFile: certFile(), keyFile: keyFile() },
		clock,
		log,
	});
	opened.push(source);
	return source;
}

/** Written beside and moved over, as certificate tools do. */
async function put(path: string, text: string): Promise<void> {
	await writeFile(`${path}.new`, text);
	await rename(`${path}.new`, path);
}

/** Moves time on by one look at the files, and waits until that look has ended (the next one is set by then). */
async function look(): Promise<void> {
	await clock.advance(TLS_RELOAD_MILLISECONDS);
	await expect.poll(() => clock.nextDue()).toBeDefined();
}

test("the operator's files are used, and new ones as soon as they are whole", async () => {
	const one = await newPair("one.example.org");
	const two = await newPair("two.example.org");
	await put(certFile(), one.cert);
	await put(keyFile(), one.key);
	const source = await operators();
	const context = source.secureContext();
	let reloads = 0;
	source.onReload(() => reloads++);
	expect(source.pem().cert).toBe(one.cert);
	await look();
	expect(reloads).toBe(0);

	await put(certFile(), two.cert);
	await look();
	await look();
	expect(source.secureContext()).toBe(context);
	expect(log.lines).toHaveLength(1);
	expect(log.lines[0]?.message).toMatch(
		/^the certificate in .*cert\.pem with the key in .*key\.pem cannot be used: .*; the certificate before it stays in use$/,
	);

	await put(keyFile(), two.key);
	await look();
	expect(source.pem().cert).toBe(two.cert);
	expect(source.secureContext()).not.toBe(context);
	expect(reloads).toBe(1);
});

test("files that vanish are named once, and taken again when they are back", async () => {
	const one = await newPair("one.example.org");
	await put(certFile(), one.cert);
	await put(keyFile(), one.key);
	const source = await operators();
	await rm(keyFile());
	await look();
	await look();
	expect(log.lines.map(({ level }) => level)).toEqual(["error"]);
	expect(source.pem().cert).toBe(one.cert);
	await put(keyFile(), one.key);
	await look();
	expect(log.lines.map(({ level }) => level)).toEqual(["error", "info"]);
});

test("unusable files at the start are the operator's fault, in one line", async () => {
	await expect(operators()).rejects.toThrow(OperatorFault);
	await writeFile(certFile(), "not PEM");
	await writeFile(keyFile(), "not PEM");
	await expect(operators()).rejects.toThrow(
		/^the certificate in .* cannot be used: .*; give a PEM certificate chain/,
	);
});
