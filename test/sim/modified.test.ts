/**
 * How often STORE UNCHANGEDSINCE is refused (MODIFIED) though the client knew all that had happened to the message, while
 * others set flags in the mailbox all the time: never for who stays at its node, or names the mailbox's token. A message's
 * own mod-sequence that another node gave lies mostly between two pairs (rule 12), and the older one counts: for who moves
 * all the time a third is refused, for who moves now and then few.
 */
import { expect, it } from "vitest";
import type { EntryId } from "../../sync/ids.ts";
import type { Operations } from "../../sync/mailbox/rows.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { type SimRandom, simRandom } from "../../sync/sim/random.ts";
import type { Reader, Seen } from "../../sync/sim/reader.ts";
import { clusterOf, deliverMany } from "./world.ts";

const MESSAGES = 20;
const ROUNDS = 60;

interface Known extends Seen {
	readonly modSeq: number;
	readonly knew: Operations | undefined;
}

/** A program with a copy of the mailbox, as RFC 7162 §6.1 has it. */
class Program {
	#reader: Reader | undefined;
	#token = 0;
	readonly #known = new Map<number, Known>();

	async go(cluster: SimCluster, node: string): Promise<void> {
		this.#reader?.close();
		this.#reader = await cluster.run(cluster.read(node, "anna"));
		const { mailbox } = this.#reader;
		await cluster.run(mailbox.tokenNamed(this.#token));
		const changed = new Set(mailbox.changedSince(this.#token));
		this.#hear((uid) => this.#token === 0 || changed.has(uid as never));
		this.#token = mailbox.highestModSeq;
	}

	/** What the session tells by itself. */
	beTold(): void {
		const mailbox = this.#reader?.mailbox;
		this.#hear(
			(uid) =>
				this.#known.get(uid)?.modSeq !== mailbox?.get(uid as never)?.modSeq,
		);
		this.#token = mailbox?.highestModSeq ?? 0;
	}

	#hear(isNews: (uid: number) => boolean): void {
		const reader = this.#reader as Reader;
		for (const seen of reader.messages()) {
			if (!isNews(seen.uid) && this.#known.has(seen.uid)) continue;
			const modSeq = reader.mailbox.get(seen.uid as never)?.modSeq ?? 0;
			const knew = reader.operations(seen.entry as EntryId);
			this.#known.set(seen.uid, { ...seen, modSeq, knew });
		}
	}

	/** A flag on a message that it picks: taken, rightly refused, or refused though it knew all. */
	async store(
		cluster: SimCluster,
		random: SimRandom,
		by: "message" | "mailbox",
	): Promise<"taken" | "refused" | "false"> {
		const reader = this.#reader as Reader;
		const seen = random.pick([...this.#known.values()]);
		const token = by === "message" ? seen.modSeq : this.#token;
		const outcome = await cluster.run(reader.flagUnchanged(seen, token));
		if (outcome.kind !== "done") throw new Error("not done");
		if (outcome.value.length === 0) return "taken";
		const now = reader.operations(seen.entry as EntryId) ?? {};
		const knewAll =
			seen.knew !== undefined &&
			Object.entries(now).every(
				([origin, n]) => n <= (seen.knew?.[origin as never] ?? 0),
			);
		return knewAll ? "false" : "refused";
	}
}

/** Share of conditional STOREs that are refused though nobody else had changed the message. */
async function falseShare(
	moves: number,
	by: "message" | "mailbox",
): Promise<number> {
	const nodes = ["a", "b"];
	const cluster = await clusterOf(nodes);
	await deliverMany(cluster, nodes, MESSAGES);
	await cluster.settle();
	const random = simRandom(11);
	const programs = nodes.map(() => new Program());
	const counts = { taken: 0, refused: 0, false: 0 };
	for (const [i, program] of programs.entries())
		await program.go(cluster, nodes[i] as string);
	for (let round = 0; round < ROUNDS; round++) {
		for (const program of programs) {
			if (random.chance(moves)) await program.go(cluster, random.pick(nodes));
			else program.beTold();
		}
		for (const outcome of await Promise.all(
			programs.map((program) => program.store(cluster, random, by)),
		))
			counts[outcome]++;
		await cluster.pass(random.integer(1, 80));
	}
	return counts.false / (2 * ROUNDS);
}

it.each([
	["who stays", 0, "message", 0],
	["who stays, by the mailbox's token", 0, "mailbox", 0],
	["who moves now and then", 0.05, "message", 0.06],
	["who moves all the time, by the mailbox's token", 1, "mailbox", 0],
] as const)("%s", async (_, moves, by, most) => {
	expect(await falseShare(moves, by)).toBeLessThanOrEqual(most);
});
