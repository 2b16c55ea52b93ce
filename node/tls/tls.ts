/**
 * The node's certificate: one made here, once, or the operator's files, read anew when they change. Never anything about
 * SMTP or IMAP, and never a key that leaves the data folder.
 */
import { X509Certificate } from "node:crypto";
import { mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import { generate } from "selfsigned";
import { OperatorFault } from "../../sync/faults.ts";
import { TLS_RELOAD_MILLISECONDS } from "../../sync/limits.ts";
import type { Cancel, Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { TlsSource } from "./source.ts";

export interface TlsOptions {
	readonly dataDirectory: string;
	/** The name in the certificate that is made here. */
	readonly hostname: string;
	/** PEM files of the operator: certificate chain and key. */
	readonly files?:
		| { readonly certFile: string; readonly keyFile: string }
		| undefined;
	readonly clock: Clock;
	readonly log: Log;
}

/**
 * Opens the certificate. With `files`: those, looked at again every TLS_RELOAD_MILLISECONDS; new ones that are broken
 * leave the old in use and are named once in the log. Without: the one in the data folder, made when there is none for
 * this host name. Rejects with OperatorFault when the files are unusable at the start.
 */
export async function openTls(options: TlsOptions): Promise<TlsSource> {
	if (options.files === undefined) return fixed(await ownPair(options));
	const source = new FilesSource(options, options.files);
	await source.start();
	return source;
}

interface Pair {
	readonly cert: string;
	readonly key: string;
	readonly context: SecureContext;
}

/** Throws when certificate and key do not belong together or are no PEM. */
function pair(cert: string, key: string): Pair {
	return {
		cert,
		key,
		context: createSecureContext({ cert, key, minVersion: "TLSv1.2" }),
	};
}

const fixed = (own: Pair): TlsSource => ({
	secureContext: () => own.context,
	pem: () => own,
	onReload: () => () => {},
	close: () => {},
});

// ---- made here

const DAY_MILLISECONDS = 24 * 3600 * 1000;
/** Nobody renews it, so it must outlive the machine; clients trust it by exception in any case. */
const VALID_DAYS = 20 * 365;

async function ownPair(options: TlsOptions): Promise<Pair> {
	const directory = join(options.dataDirectory, "tls");
	// Key and certificate in one file, so that a crash cannot leave halves that do not match.
	const file = join(directory, "self-signed.pem");
	const found = await readFile(file, "utf8").catch(whenMissing);
	if (found !== undefined) {
		const usable = usablePair(found, options);
		if (usable !== undefined) return usable;
		options.log.warn(
			`the certificate in ${file} is damaged, expired or not for ${options.hostname}: a new one is made, which clients will ask about once`,
		);
	}
	const { cert, key } = await makePair(options);
	await mkdir(directory, { recursive: true, mode: 0o700 });
	await writeDurably(directory, file, key + cert);
	return pair(cert, key);
}

function usablePair(pem: string, options: TlsOptions): Pair | undefined {
	const cut = pem.indexOf("-----BEGIN CERTIFICATE-----");
	try {
		const own = pair(pem.slice(cut), pem.slice(0, cut));
		const certificate = new X509Certificate(own.cert);
		const named = isIP(options.hostname)
			? certificate.checkIP(options.hostname)
			: certificate.checkHost(options.hostname, { subject: "never" });
		const expired = Date.parse(certificate.validTo) < options.clock.now();
		return named === undefined || expired ? undefined : own;
	} catch {
		// Not PEM, or halves of two pairs: the caller says so and makes another.
		return undefined;
	}
}

async function makePair(options: TlsOptions): Promise<{
	cert: string;
	key: string;
}> {
	const names = [...new Set([options.hostname, "localhost"])];
	const made = await generate([{ name: "commonName", value: "pmnode" }], {
		keyType: "ec",
		curve: "P-256",
		algorithm: "sha256",
		// A day back: a client's clock may be behind.
		notBeforeDate: new Date(options.clock.now() - DAY_MILLISECONDS),
		notAfterDate: new Date(options.clock.now() + VALID_DAYS * DAY_MILLISECONDS),
		extensions: [
			{ name: "basicConstraints", cA: false },
			{ name: "keyUsage", digitalSignature: true, critical: true },
			{ name: "extKeyUsage", serverAuth: true },
			{
				name: "subjectAltName",
				altNames: [
					...names.map((name) =>
						isIP(name)
							? { type: 7 as const, ip: name }
							: { type: 2 as const, value: name },
					),
					{ type: 7, ip: "127.0.0.1" },
					{ type: 7, ip: "::1" },
				],
			},
		],
	});
	return { cert: withNewline(made.cert), key: withNewline(made.private) };
}

const withNewline = (pem: string): string =>
	`${pem.replaceAll("\r\n", "\n").trimEnd()}\n`;

async function writeDurably(
	directory: string,
	file: string,
	text: string,
): Promise<void> {
	const temporary = `${file}.new`;
	const handle = await open(temporary, "w", 0o600);
	try {
		await handle.writeFile(text);
		await handle.sync();
	} finally {
		await handle.close();
	}
	await rename(temporary, file);
	const folder = await open(directory);
	try {
		await folder.sync();
	} finally {
		await folder.close();
	}
}

function whenMissing(error: NodeJS.ErrnoException): undefined {
	if (error.code === "ENOENT") return undefined;
	throw error;
}

// ---- the operator's files

class FilesSource implements TlsSource {
	readonly #options: TlsOptions;
	readonly #certFile: string;
	readonly #keyFile: string;
	readonly #listeners = new Set<() => void>();
	#current: Pair | undefined;
	/** What the files looked like when they were last read. */
	#seen = "";
	#cancel: Cancel = () => {};
	#closed = false;

	constructor(
		options: TlsOptions,
		files: { readonly certFile: string; readonly keyFile: string },
	) {
		this.#options = options;
		this.#certFile = files.certFile;
		this.#keyFile = files.keyFile;
	}

	async start(): Promise<void> {
		try {
			this.#seen = await this.#look();
			this.#current = await this.#read();
		} catch (error) {
			throw new OperatorFault(
				`${this.#why(error)}; give a PEM certificate chain and its key with --tls-cert and --tls-key`,
			);
		}
		this.#again();
	}

	secureContext(): SecureContext {
		return this.#pair().context;
	}

	pem(): { readonly cert: string; readonly key: string } {
		return this.#pair();
	}

	onReload(run: () => void): () => void {
		this.#listeners.add(run);
		return () => this.#listeners.delete(run);
	}

	close(): void {
		this.#closed = true;
		this.#cancel();
	}

	#pair(): Pair {
		if (this.#current === undefined) throw new Error("not started");
		return this.#current;
	}

	#again(): void {
		this.#cancel = this.#options.clock.after(TLS_RELOAD_MILLISECONDS, () => {
			void this.#reload().finally(() => {
				if (!this.#closed) this.#again();
			});
		});
	}

	/** Polling, because fs.watch misses files that are replaced by renaming or lie on network disks. */
	async #reload(): Promise<void> {
		let looks = "";
		try {
			looks = await this.#look();
			if (looks === this.#seen) return;
			this.#current = await this.#read();
		} catch (error) {
			// Once for each state of the files: they may be halfway through being replaced.
			if (looks !== this.#seen || looks === "")
				this.#complain(this.#why(error), looks);
			return;
		}
		this.#seen = looks;
		this.#options.log.info(`new certificate in use from ${this.#certFile}`);
		for (const run of this.#listeners) run();
	}

	#complain(why: string, looks: string): void {
		if (looks === "" && this.#seen === "missing") return;
		this.#seen = looks === "" ? "missing" : looks;
		this.#options.log.error(`${why}; the certificate before it stays in use`);
	}

	async #look(): Promise<string> {
		const files = await Promise.all([
			stat(this.#certFile, { bigint: true }),
			stat(this.#keyFile, { bigint: true }),
		]);
		return files.map((f) => `${f.ino}:${f.size}:${f.mtimeNs}`).join(" ");
	}

	async #read(): Promise<Pair> {
		const [cert, key] = await Promise.all([
			readFile(this.#certFile, "utf8"),
			readFile(this.#keyFile, "utf8"),
		]);
		return pair(cert, key);
	}

	#why(error: unknown): string {
		const reason = error instanceof Error ? error.message : String(error);
		return `the certificate in ${this.#certFile} with the key in ${this.#keyFile} cannot be used: ${reason}`;
	}
}
