/** What users meet: SMTP and IMAP with what they share, in the order in which it is started. */
import { join as joinPath } from "node:path";
import type { Replica } from "../../sync/api.ts";
import { createAuthenticator } from "../accounts/login.ts";
import type { HostPort, NodeConfig } from "../config.ts";
import { startImapServer } from "../imap/server.ts";
import { createIntake } from "../intake.ts";
import { createStructureCache } from "../mime/cache.ts";
import { primedBodies } from "../mime/prime.ts";
import { createTextIndex } from "../search/index.ts";
import { startSmtpServer } from "../smtp/server.ts";
import { type ListenerName, listenerText } from "../status.ts";
import { openTls } from "../tls/tls.ts";
import { listening } from "./listening.ts";
import type { Closing, NodeParts } from "./parts.ts";

/** What listeners and connections may still take when the node is told to stop. */
const GRACE_MILLISECONDS = 3_000;

export interface ServerParts {
	readonly config: NodeConfig;
	readonly parts: NodeParts;
	readonly closing: Closing;
	readonly replica: Replica;
	/** Told of each listener when it listens. */
	readonly listens: (name: ListenerName, at: string) => void;
}

/** Resolves when all listeners that the settings ask for take connections. Rejects with OperatorFault for a port that cannot be had. */
export function serveUsers(given: ServerParts): Promise<void> {
	return new Serving(given).run();
}

type Structures = ReturnType<typeof createStructureCache>;
type Texts = ReturnType<typeof createTextIndex>;
/** What all of them are given. */
interface Shared {
	readonly hostname: string;
	readonly tls: Awaited<ReturnType<typeof openTls>>;
	readonly authenticator: ReturnType<typeof createAuthenticator>;
	readonly clock: NodeParts["clock"];
	readonly allowPlaintextAuth: boolean;
}
type MailListener = "smtp" | "submission" | "submissions" | "imap" | "imaps";

class Serving {
	readonly #given: ServerParts;

	constructor(given: ServerParts) {
		this.#given = given;
	}

	async run(): Promise<void> {
		const { hostname, allowPlaintextAuth } = this.#given.config;
		const shared = {
			hostname,
			allowPlaintextAuth,
			clock: this.#given.parts.clock,
			tls: await this.#tls(),
			authenticator: this.#authenticator(),
		};
		const { structures, texts } = this.#indexes();
		await this.#smtp(shared, this.#intake(structures, texts));
		await this.#imap(shared, structures, texts);
	}

	async #tls() {
		const { config, parts, closing } = this.#given;
		const tls = await openTls({
			dataDirectory: config.dataDirectory,
			hostname: config.hostname,
			files: config.tls,
			clock: parts.clock,
			log: parts.log.child({ part: "tls" }),
		});
		closing.add(() => tls.close());
		return tls;
	}

	#authenticator() {
		const { replica, parts } = this.#given;
		return createAuthenticator({
			directory: replica.directory,
			account: (id) => replica.account(id),
			clock: parts.clock,
			random: parts.random,
			log: parts.log.child({ part: "login" }),
		});
	}

	/** What is known of messages besides their bodies, and can be made anew from them. */
	#indexes() {
		const { config, replica, parts, closing } = this.#given;
		const { clock, log } = parts;
		const structures = createStructureCache({
			folder: joinPath(config.dataDirectory, "cache"),
			formerFile: joinPath(config.dataDirectory, "cache.db"),
			bodies: replica.bodies,
			log: log.child({ part: "cache" }),
			clock,
		});
		closing.add(() => structures.close());
		const texts = createTextIndex({
			folder: joinPath(config.dataDirectory, "search"),
			bodies: replica.bodies,
			structures,
			account: (id) => replica.account(id),
			log: log.child({ part: "search" }),
			clock,
		});
		closing.add(() => texts.close());
		return { structures, texts };
	}

	#intake(structures: Structures, texts: Texts) {
		const { config, replica, parts } = this.#given;
		return createIntake({
			replica,
			hostname: config.hostname,
			clock: parts.clock,
			log: parts.log.child({ part: "intake" }),
			prime: (hash, bytes) => structures.prime(hash, bytes),
			delivered: ({ recipients, body }) => {
				for (const account of recipients) texts.arrived(account, [body]);
				if (recipients.length === 0) structures.release(body.hash);
			},
		});
	}

	async #smtp(
		shared: Shared,
		intake: ReturnType<typeof createIntake>,
	): Promise<void> {
		const { replica, parts } = this.#given;
		const doors = [
			["smtp", "mx"],
			["submission", "submission"],
			["submissions", "submissions"],
		] as const;
		for (const [name, kind] of doors)
			await this.#serve(name, (listen) =>
				startSmtpServer({
					...shared,
					kind,
					listen,
					intake,
					directory: replica.directory,
					log: parts.log.child({ part: name }),
				}),
			);
	}

	async #imap(
		shared: Shared,
		structures: Structures,
		texts: Texts,
	): Promise<void> {
		const { config, replica, parts } = this.#given;
		const bodies = primedBodies(replica.bodies, (hash, bytes) =>
			structures.prime(hash, bytes),
		);
		for (const kind of ["imap", "imaps"] as const)
			await this.#serve(kind, (listen) =>
				startImapServer({
					...shared,
					listen,
					implicitTls: kind === "imaps",
					bodies,
					structures,
					texts,
					allowUnauthenticate: !config.forbidUnauthenticate,
					log: parts.log.child({ part: kind }),
				}),
			);
	}

	async #serve(
		name: MailListener,
		start: (listen: HostPort) => Promise<{
			address(): HostPort;
			stop(graceMilliseconds: number): Promise<void>;
		}>,
	): Promise<void> {
		const { config, closing, listens } = this.#given;
		const listen = config[name];
		if (listen === undefined) return;
		const server = await listening(`--${name}`, listen, () => start(listen));
		listens(name, listenerText(server.address()));
		closing.add(() => server.stop(GRACE_MILLISECONDS));
	}
}
