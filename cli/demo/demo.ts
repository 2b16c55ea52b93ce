/**
 * `pmnode demo`: three nodes on this machine as three processes, with accounts and sample mail, for a person to play
 * with. Here lives the order of things; member.ts is one node, mail.ts the mail, guide.ts and screen.ts what is shown.
 * It uses nodes as any operator does (command line, control socket, SMTP) and must never reach into one.
 */
import {
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ask, askWithin } from "../../node/control/client.ts";
import { type DataFolder, takeDataFolder } from "../../node/folder.ts";
import { OperatorFault } from "../../sync/faults.ts";
import { realClock } from "../../sync/real/clock.ts";
import { ACCOUNTS } from "./accounts.ts";
import { guide } from "./guide.ts";
import { Keys, type Typed } from "./keys.ts";
import { liveLine } from "./live.ts";
import { messageOf, SAMPLES } from "./mail.ts";
import { Member } from "./member.ts";
import { friendlyListeners, type Listeners } from "./ports.ts";
import { Screen } from "./screen.ts";
import { sendMail } from "./send.ts";

const NAMES = ["a", "b", "c"] as const;
const CONVERGE_MILLISECONDS_MAX = 20_000;

/**
 * Resolves when the user has ended it and no process is left. `keep` is the folder to keep everything in; without it all
 * lies in a temporary folder, which is removed. Rejects with OperatorFault when a node does not start.
 */
export async function runDemo(keep: string | undefined): Promise<void> {
	const folder = resolve(keep ?? mkdtempSync(join(tmpdir(), "pmnode-demo-")));
	const lock = takeDataFolder(folder);
	try {
		await new Demo(folder).run();
	} finally {
		clean(folder, lock, keep === undefined);
	}
}

function clean(folder: string, lock: DataFolder, remove: boolean): void {
	lock.release();
	if (remove) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** What DIR/demo.json keeps once the cluster is complete and has its mail: where each node listens. */
type Kept = Readonly<Record<string, Listeners>>;

class Demo {
	readonly #folder: string;
	readonly #screen = new Screen();
	readonly #keys = new Keys(NAMES);
	readonly #quit = Promise.withResolvers<void>();
	#members: Member[] = [];
	#shown = "";

	constructor(folder: string) {
		this.#folder = folder;
	}

	async run(): Promise<void> {
		const restore = this.#listen();
		try {
			// Ending it while it starts makes starting fail; that is then no news.
			const starting = this.#start();
			starting.catch(() => {});
			await Promise.race([starting, this.#quit.promise]);
			await this.#showUntilQuit();
		} finally {
			this.#screen.end();
			this.#screen.say("ending the nodes …");
			await Promise.all(this.#members.map((member) => member.stop()));
			restore();
		}
		this.#screen.say("all nodes have ended");
	}

	async #start(): Promise<void> {
		const kept = readKept(this.#folder);
		this.#screen.say(
			this.#screen.dim(`starting three nodes in ${this.#folder} …`),
		);
		for (const [index, name] of NAMES.entries()) {
			const listeners = kept?.[name] ?? (await friendlyListeners(index));
			const member = new Member(name, this.#folder, listeners);
			member.onUnexpectedEnd = (how) =>
				this.#screen.say(
					`node ${name} has ended ${how}; the others go on. Type "s ${name}" to start it again.`,
				);
			this.#members.push(member);
		}
		if (kept === undefined) await this.#found();
		else await Promise.all(this.#members.map((member) => this.#ready(member)));
		await Promise.all(this.#members.map(converged));
		this.#screen.say(...guide(this.#members, this.#screen));
	}

	/** A new cluster: one founds it, the others join by invitation, then mail comes in on all of them. */
	async #found(): Promise<void> {
		const [first, ...others] = this.#members;
		if (first === undefined) return;
		await this.#ready(first);
		for (const { address, password } of ACCOUNTS)
			await ask({
				dataDirectory: first.dataDirectory,
				method: "user.add",
				params: { address, password, createDomain: true },
			});
		for (const member of others) {
			const link = await ask({
				dataDirectory: first.dataDirectory,
				method: "invite",
				params: { ttlMilliseconds: 300_000 },
			});
			await this.#ready(member, String(link));
		}
		await Promise.all(this.#members.map(converged));
		await this.#sendSamples();
		const listeners = this.#members.map(({ name, listeners }) => [
			name,
			listeners,
		]);
		writeFileSync(
			keptFile(this.#folder),
			`${JSON.stringify(Object.fromEntries(listeners))}\n`,
		);
	}

	async #ready(member: Member, link?: string): Promise<void> {
		this.#screen.say(await member.start(link));
	}

	async #sendSamples(): Promise<void> {
		const shared = SAMPLES.filter(({ to }) => to.length > 1).length;
		this.#screen.say(
			this.#screen.dim(
				`delivering ${SAMPLES.length} sample messages over SMTP, ${shared} of them to both users, in turn to each node …`,
			),
		);
		const now = realClock.now();
		for (const [index, sample] of SAMPLES.entries()) {
			const member = this.#members[index % this.#members.length];
			const at = member?.listeners.smtp ?? "";
			const colon = at.lastIndexOf(":");
			await sendMail(
				{ host: at.slice(0, colon), port: Number(at.slice(colon + 1)) },
				{
					from: sample.from,
					to: sample.to,
					message: messageOf(sample, now, (SAMPLES.length - index) * 47),
				},
			);
		}
	}

	async #showUntilQuit(): Promise<void> {
		let over = false;
		void this.#quit.promise.then(() => {
			over = true;
		});
		while (!over) {
			const states = await Promise.all(
				this.#members.map(async (member) => ({
					name: member.name,
					state: member.state,
					status: await member.status(),
				})),
			);
			if (over) return;
			const line = liveLine(states);
			const prompt = this.#keys.pending;
			this.#screen.live(
				process.stdin.isTTY ? `${line}  > ${prompt}` : line,
				line !== this.#shown,
			);
			this.#shown = line;
			await Promise.race([pause(1000), this.#quit.promise]);
		}
	}

	/** Signals and keys. Returns what puts the terminal back. */
	#listen(): () => void {
		const { stdin } = process;
		let endsSince: number | undefined;
		const end = () => {
			const now = realClock.monotonic();
			endsSince ??= now;
			this.#quit.resolve();
			// ^C often comes twice at once, from the terminal and from npm; only a later one is meant as "faster".
			if (now - endsSince > 1000)
				for (const member of this.#members) member.killNow();
		};
		for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
			process.on(signal, end);
		process.once("exit", () => {
			for (const member of this.#members) member.killNow();
		});
		stdin.on("error", () => {}); // no input, no keys
		if (stdin.isTTY) stdin.setRawMode(true);
		stdin.on("data", (text) => {
			for (const typed of this.#keys.take(String(text)))
				if (typed.action === "quit") end();
				else void this.#act(typed);
			this.#screen.live(`${this.#shown}  > ${this.#keys.pending}`, false);
		});
		return () => {
			if (stdin.isTTY) stdin.setRawMode(false);
			stdin.destroy();
		};
	}

	async #act(typed: Exclude<Typed, { action: "quit" }>): Promise<void> {
		const member = this.#members.find(({ name }) => name === typed.node);
		if (member === undefined) return;
		const allowed = {
			kill: ["running", "cut"],
			start: ["killed", "gone"],
			cut: ["running"],
			heal: ["cut"],
		}[typed.action];
		if (!allowed.includes(member.state)) {
			this.#screen.say(`node ${member.name} is ${member.state}`);
			return;
		}
		if (typed.action !== "start") {
			member[typed.action]();
			this.#screen.say(`node ${member.name}: ${SAID[typed.action]}`);
			return;
		}
		try {
			await member.start();
			this.#screen.say(`node ${member.name} is ready again, pid ${member.pid}`);
		} catch (error) {
			if (!(error instanceof OperatorFault)) throw error;
			this.#screen.say(error.message);
		}
	}
}

const SAID = {
	kill: "killed with SIGKILL; the others go on",
	cut: "cut off; it answers nobody until it is healed",
	heal: "healed; it catches up",
} as const;

const keptFile = (folder: string): string => join(folder, "demo.json");

/** Undefined: a new demo. Throws OperatorFault where the folder holds something else. */
function readKept(folder: string): Kept | undefined {
	if (existsSync(keptFile(folder)))
		return JSON.parse(readFileSync(keptFile(folder), "utf8")) as Kept;
	const foreign = readdirSync(folder).find(
		(file) => !["lock", "pid", "format"].includes(file),
	);
	if (foreign === undefined) return undefined;
	throw new OperatorFault(
		`${folder} is not empty and holds no finished demo; choose an empty or new folder with --data`,
	);
}

/** Best effort: the guide may come while the last copies travel. */
async function converged(member: Member): Promise<void> {
	await askWithin(CONVERGE_MILLISECONDS_MAX, realClock, {
		dataDirectory: member.dataDirectory,
		method: "wait",
		params: { converged: true },
	}).catch(() => {});
}

const pause = (milliseconds: number): Promise<void> =>
	new Promise((resolve) => {
		realClock.after(milliseconds, resolve);
	});
