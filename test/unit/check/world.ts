/** A simulated cluster whose disks are damaged by the test, and what `check` says of them. */
import { expect } from "vitest";
import type { CheckResult, OperationEvent } from "../../../sync/api.ts";
import type { EntryId, MailboxId } from "../../../sync/ids.ts";
import type { BoxRow, EntryRow } from "../../../sync/mailbox/rows.ts";
import type { StoreValue } from "../../../sync/ports/store.ts";
import type { SimCluster } from "../../../sync/sim/cluster.ts";
import { clusterOf, deliverMany } from "../../sim/world.ts";

export interface Checked extends CheckResult {
	readonly lines: readonly string[];
	readonly notes: readonly string[];
	readonly events: readonly OperationEvent[];
}

export async function check(
	cluster: SimCluster,
	node: string,
	repair = false,
): Promise<Checked> {
	const events: OperationEvent[] = [];
	const result = await cluster.run(
		cluster.replica(node).check({
			repair,
			tell: (event) => events.push(event),
			signal: new AbortController().signal,
		}),
	);
	return {
		...result,
		events,
		lines: events.flatMap((event) =>
			event.kind === "problem"
				? [`${event.mended ? "mended" : "wrong"}: ${event.what}`]
				: [],
		),
		notes: events.flatMap((event) =>
			event.kind === "note" ? [event.text] : [],
		),
	};
}

/** Two or more nodes with some mail for anna, some of it read, flagged, copied, moved and expunged; at rest. */
export async function mailCluster(
	names: readonly string[] = ["a", "b"],
): Promise<SimCluster> {
	const cluster = await clusterOf(names, {}, ["anna", "bert"]);
	await deliverMany(cluster, names, 12);
	const reader = await cluster.run(
		cluster.read(names[0] as string, "anna", "INBOX"),
	);
	const [first, second, third, fourth] = reader.messages();
	if (!first || !second || !third || !fourth) throw new Error("no mail");
	await cluster.run(reader.flag(first, "\\Seen"));
	await cluster.run(reader.flag(second, "$later"));
	await cluster.run(reader.move(third, "Trash"));
	await cluster.run(reader.expunge(fourth));
	reader.close();
	await cluster.settle();
	return cluster;
}

/** Finds it, says so in words that match, mends it, and finds nothing more, there and on the other nodes. */
export async function foundAndMended(
	cluster: SimCluster,
	node: string,
	words: RegExp,
): Promise<void> {
	const found = await check(cluster, node);
	expect(found.lines.join("\n")).toMatch(words);
	expect(found.problems).toBeGreaterThan(0);
	expect(found.lines.every((line) => line.startsWith("wrong: "))).toBe(true);
	const mended = await check(cluster, node, true);
	expect(mended.lines.join("\n")).toMatch(words);
	expect(mended).toMatchObject({ problems: 0 });
	expect(mended.mended).toBeGreaterThan(0);
	await cluster.settle();
	for (const { name } of cluster.running)
		expect((await check(cluster, name)).lines).toEqual([]);
}

export class Disk {
	readonly #cluster: SimCluster;
	readonly #node: string;
	constructor(cluster: SimCluster, node: string) {
		this.#cluster = cluster;
		this.#node = node;
	}
	get #disk() {
		return this.#cluster.machine(this.#node).disk;
	}
	keys(prefix: string): string[] {
		return [...this.#disk.range(prefix, `${prefix}\u{7f}`)].map(([key]) => key);
	}
	get(key: string): StoreValue | undefined {
		return this.#disk.get(key);
	}
	put(key: string, value: StoreValue | undefined): void {
		this.#disk.commit([[key, value]]);
	}
	/** Rows of anna's INBOX (the fullest mailbox) of messages that are shown, by UID. */
	shown(): {
		key: string;
		entry: EntryId;
		mailbox: MailboxId;
		row: EntryRow;
	}[] {
		const counts = new Map<string, number>();
		const rows = this.keys("ent/")
			.map((key) => ({
				key,
				row: JSON.parse(this.get(key) as string) as EntryRow,
			}))
			.filter(({ row }) => row.v !== undefined)
			.map(({ key, row }) => {
				const [, mailbox = "", entry = ""] = key.split("/");
				counts.set(mailbox, (counts.get(mailbox) ?? 0) + 1);
				return {
					key,
					row,
					mailbox: mailbox as MailboxId,
					entry: entry as EntryId,
				};
			});
		const [fullest] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [""];
		return rows
			.filter(({ mailbox }) => mailbox === fullest)
			.sort((a, b) => (a.row.v?.u ?? 0) - (b.row.v?.u ?? 0));
	}
	/** Changes one row in place. */
	alter<T extends EntryRow | BoxRow>(
		key: string,
		change: (row: T) => void,
	): void {
		const row = JSON.parse(this.get(key) as string) as T;
		change(row);
		this.put(key, JSON.stringify(row));
	}
}
