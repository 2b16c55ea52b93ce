/** What the SMTP server stands on, in memory: a replica that takes mail, a directory, a clock, a diary. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
	type Authenticator,
	LoginRefused,
} from "../../../node/accounts/authenticator.ts";
import {
	createIntake,
	type Intake,
	type IntakeOptions,
} from "../../../node/intake.ts";
import {
	type SmtpServer,
	type SmtpServerOptions,
	startSmtpServer,
} from "../../../node/smtp/server.ts";
import type { TlsSource } from "../../../node/tls/source.ts";
import { openTls } from "../../../node/tls/tls.ts";
import type { Account, Delivery, Replica } from "../../../sync/api.ts";
import {
	type AccountId,
	type Address,
	address,
	bodyHash,
	deriveId,
	domainOf,
} from "../../../sync/ids.ts";
import { BODY_MEMORY_BYTES_MAX } from "../../../sync/limits.ts";
import type { BodyRef, BodyWriter } from "../../../sync/ports/bodies.ts";
import type { Log, LogFields } from "../../../sync/ports/log.ts";
import { realClock } from "../../../sync/real/clock.ts";

export class MemoryLog implements Log {
	readonly lines: { level: string; message: string; fields?: LogFields }[] = [];
	debug(message: string, fields?: LogFields): void {
		this.#add("debug", message, fields);
	}
	info(message: string, fields?: LogFields): void {
		this.#add("info", message, fields);
	}
	warn(message: string, fields?: LogFields): void {
		this.#add("warn", message, fields);
	}
	error(message: string, fields?: LogFields): void {
		this.#add("error", message, fields);
	}
	child(): Log {
		return this;
	}
	#add(level: string, message: string, fields?: LogFields): void {
		this.lines.push(fields ? { level, message, fields } : { level, message });
	}
}

/** Bodies in memory, deliveries in a list; `deliver` can be made to wait or fail. */
export class FakeReplica {
	readonly bodiesByHash = new Map<string, Buffer>();
	readonly deliveries: Delivery[] = [];
	readonly confirmed: string[] = [];
	aborted = 0;
	wayMilliseconds = 0;
	/** Bodies are counted and hashed, not kept. */
	forgetful = false;
	/** Runs before a delivery is noted. */
	onDeliver: (delivery: Delivery) => Promise<void> | void = () => {};
	/** Runs for each chunk; a promise is back-pressure. */
	onWrite: (chunk: Uint8Array) => Promise<void> | undefined = () => undefined;

	get replica(): IntakeOptions["replica"] {
		return {
			wayMilliseconds: () => this.wayMilliseconds,
			bodies: { create: () => this.#writer() } as Replica["bodies"],
			directory: {} as Replica["directory"],
			deliver: async (delivery) => {
				await this.onDeliver(delivery);
				this.deliveries.push(delivery);
			},
			confirm: (transaction) => {
				this.confirmed.push(transaction);
			},
		};
	}

	/** The stored bytes of the nth message. */
	stored(index = this.deliveries.length - 1): Buffer {
		const body = this.deliveries[index]?.body;
		const bytes = body && this.bodiesByHash.get(body.hash);
		if (!bytes) throw new Error(`no message ${index}`);
		return bytes;
	}

	/** The stored bytes without what the intake prepended. */
	content(index?: number): Buffer {
		const bytes = this.stored(index);
		const trace =
			/^Return-Path: .*\r\nReceived: .*\r\n(\t.*\r\n)+?\t.* \+0000\r\n/.exec(
				bytes.toString("latin1"),
			);
		if (!trace) throw new Error("no trace fields");
		return bytes.subarray(trace[0].length);
	}

	#writer(): BodyWriter {
		const chunks: Uint8Array[] = [];
		const hash = createHash("sha256");
		let sizeBytes = 0;
		let whole: Buffer | undefined;
		return {
			write: (chunk) => {
				const wait = this.onWrite(chunk);
				if (!this.forgetful) chunks.push(chunk);
				hash.update(chunk);
				sizeBytes += chunk.length;
				return wait;
			},
			get sizeBytes() {
				return sizeBytes;
			},
			get whole() {
				return whole;
			},
			commit: async (): Promise<BodyRef> => {
				const name = bodyHash(hash.digest("hex"));
				const bytes = Buffer.concat(chunks);
				this.bodiesByHash.set(name, bytes);
				if (sizeBytes <= BODY_MEMORY_BYTES_MAX) whole = bytes;
				return { hash: name, sizeBytes, drive: "", blob: [0, 0, 0, 0] };
			},
			abort: () => {
				this.aborted++;
			},
		};
	}
}

/** Users by address; each has the password "secret". */
export class FakeDirectory {
	readonly #accounts = new Map<Address, AccountId[]>();
	constructor(...users: string[]) {
		for (const user of users)
			this.#accounts.set(address(user), [deriveId<AccountId>(user)]);
	}
	alias(alias: string, ...targets: string[]): this {
		this.#accounts.set(
			address(alias),
			targets.map((target) => deriveId<AccountId>(target)),
		);
		return this;
	}
	domains(): string[] {
		return [...new Set([...this.#accounts.keys()].map(domainOf))];
	}
	isLocalDomain(domain: string): boolean {
		return this.domains().includes(domain);
	}
	/** Bytes that an account has room for; no entry: as many as come. */
	readonly room = new Map<AccountId, number>();
	hasRoom(of: AccountId, sizeBytes: number): boolean {
		return sizeBytes <= (this.room.get(of) ?? Infinity);
	}
	lookup(of: Address): readonly AccountId[] {
		return this.#accounts.get(of) ?? [];
	}
}

const fakeAuthenticator: Authenticator = {
	async login(userName, password) {
		if (password !== "secret") throw new LoginRefused("wrong");
		const user = address(userName);
		return { id: deriveId<AccountId>(user), address: user } as Account;
	},
	scram() {
		throw new LoginRefused("no SCRAM keys here");
	},
};

export interface World {
	readonly fake: FakeReplica;
	readonly intake: Intake;
	readonly log: MemoryLog;
	readonly server: SmtpServer;
	/** Where to connect. */
	readonly at: { host: string; port: number };
	close(): Promise<void>;
}

const certificates = new Map<string, Promise<TlsSource>>();
/** One certificate a name for all tests of a file. */
export function testTls(hostname = "mail.test"): Promise<TlsSource> {
	const made = certificates.get(hostname) ?? makeTls(hostname);
	certificates.set(hostname, made);
	return made;
}

async function makeTls(hostname: string): Promise<TlsSource> {
	const dataDirectory = await mkdtemp(join(tmpdir(), "pmnode-tls-"));
	const log = new MemoryLog();
	const source = await openTls({
		dataDirectory,
		hostname,
		clock: realClock,
		log,
	});
	await rm(dataDirectory, { recursive: true });
	return source;
}

/** A server on a free port, with users ann@here.test and bob@here.test. */
export async function startWorld(
	options: Partial<SmtpServerOptions> & { fake?: FakeReplica } = {},
): Promise<World> {
	const fake = options.fake ?? new FakeReplica();
	const log = new MemoryLog();
	const intake = createIntake({
		replica: fake.replica,
		hostname: "mail.test",
		clock: realClock,
		log,
	});
	const server = await startSmtpServer({
		kind: "mx",
		listen: { host: "127.0.0.1", port: 0 },
		hostname: "mail.test",
		tls: await testTls(),
		intake,
		authenticator: fakeAuthenticator,
		directory: new FakeDirectory("ann@here.test", "bob@here.test"),
		clock: realClock,
		log,
		allowPlaintextAuth: false,
		...options,
	});
	return {
		fake,
		intake,
		log,
		server,
		at: server.address(),
		close: () => server.stop(0),
	};
}
