/** Steps of mail and of clients. */
import type { Client } from "./client.ts";
import type { StepKind } from "./plan.ts";
import type { SimRandom } from "./random.ts";
import type { Reader } from "./reader.ts";
import type { Run } from "./run.ts";

const FLAGS = ["\\Seen", "\\Flagged", "\\Deleted", "$One", "$Two"];
const TARGETS = ["INBOX", "Archive", "Work", "Trash", "Play", "Folder 1"];
/** Messages of a burst, and commands of a client that does not wait: some group commits of them. */
const BURST_MAX = 30;
const PIPELINED_MAX = 12;

export class MailSteps {
	readonly #run: Run;
	/** Deliveries that nobody was told the end of. */
	readonly #unsure: { user: string; text: string }[] = [];
	#mails = 0;

	constructor(run: Run) {
		this.#run = run;
	}

	step(kind: StepKind, random: SimRandom): void {
		const { serving, cluster, clients } = this.#run;
		if (serving.length === 0) return;
		const node = random.pick(serving);
		const client = random.pick(clients);
		const user = random.chance(0.8) ? "anna" : random.pick(cluster.users);
		if (kind === "deliver") this.#deliver(node, user, `mail ${++this.#mails}`);
		else if (kind === "burst") this.#burst(user, random);
		else if (kind === "retry") this.#retry(node);
		else if (kind === "visit") this.#visit(client, random);
		else if (kind === "act") this.#act(client, random, 1);
		else if (kind === "pipeline")
			this.#act(client, random, random.integer(3, PIPELINED_MAX));
		else if (kind === "push") this.#push(random);
		else if (kind === "leave") client.leave();
		else if (kind === "status") this.#status(node, user, random);
	}

	#deliver(node: string, user: string, text: string): void {
		this.#run.asked(
			this.#run.cluster.deliver(node, user, text).then(({ kind }) => {
				if (kind !== "done") this.#unsure.push({ user, text });
			}),
		);
	}

	/** Much comes at once, by whatever node: it shares commits, batches and messages. */
	#burst(user: string, random: SimRandom): void {
		for (let left = random.integer(5, BURST_MAX); left > 0; left--)
			this.#deliver(
				random.pick(this.#run.serving),
				user,
				`mail ${++this.#mails}`,
			);
	}

	#retry(node: string): void {
		const mail = this.#unsure.shift();
		if (mail) this.#deliver(node, mail.user, mail.text);
	}

	#status(node: string, user: string, random: SimRandom): void {
		const { cluster } = this.#run;
		const folder = random.pick(TARGETS);
		this.#run.asked(
			cluster.ask(node, `status ${folder} of ${user}`, async () => {
				await cluster.account(node, user).status(folder);
			}),
		);
	}

	// ------------------------------------------------------------------ clients

	/** One command of a client at a time; another one meanwhile is left out. */
	#busy(client: Client, run: () => Promise<unknown>): void {
		if (client.isBusy) return;
		client.isBusy = true;
		this.#run.asked(
			run().finally(() => {
				client.isBusy = false;
			}),
		);
	}

	#visit(client: Client, random: SimRandom): void {
		const node = this.#run.nodeFor(client, random);
		this.#busy(client, () => client.visit(node));
	}

	#push(random: SimRandom): void {
		const open = this.#run.clients.filter(
			(client) => !client.isBusy && client.reader !== undefined,
		);
		if (open.length === 0) return;
		random
			.pick(open)
			.beTold(random.chance(0.5) ? undefined : random.integer(1, 3));
	}

	/** `count` commands, sent without waiting for the answers between them. */
	#act(client: Client, random: SimRandom, count: number): void {
		const node = this.#run.nodeFor(client, random);
		this.#busy(client, async () => {
			if (client.reader === undefined && !(await client.visit(node))) return;
			const { reader } = client;
			if (reader === undefined) return;
			await Promise.all(
				Array.from({ length: count }, () =>
					this.#command(client, reader, random),
				),
			);
			const rest = random.fraction();
			if (rest < 0.5) client.beTold();
			else if (rest < 0.7) client.leave();
		});
	}

	/** A client does something to a message that it knows. */
	async #command(
		client: Client,
		reader: Reader,
		random: SimRandom,
	): Promise<void> {
		const known = client.messages();
		const what = random.integer(0, 11);
		if (what === 0 || known.length === 0) return this.#append(reader, random);
		const seen = random.pick(known);
		client.checkNamed(seen);
		if (what < 4 && client.options.kind !== "uid")
			await reader.flagUnchanged(seen, seen.modSeq);
		else if (what < 6) await reader.flag(seen, random.pick(FLAGS));
		else if (what < 8) await reader.unflag(seen, random.pick(FLAGS));
		else if (what === 8) await reader.expunge(seen);
		else if (what < 11) await reader.move(seen, random.pick(TARGETS));
		else await reader.copy(seen, random.pick(TARGETS));
	}

	async #append(reader: Reader, random: SimRandom): Promise<void> {
		const folder = random.chance(0.6) ? reader.name : random.pick(TARGETS);
		const text = `draft ${++this.#mails}`;
		await this.#run.cluster.append(reader.node, reader.user, folder, text);
	}
}
