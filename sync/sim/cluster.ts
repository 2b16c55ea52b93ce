/**
 * A whole cluster in one process, on simulated time, chance, network, disks and bodies, from one seed: the real code of
 * sync/ on simulated ports. Faults are methods that read as sentences; whatever a client asks is noted, and what it is
 * told is checked at once. Nothing here knows how nodes decide.
 */

import {
	checkDisk,
	checkShown,
	checkSlots,
	compare,
	describe,
	directoryOf,
	sharedRows,
	Violation,
	vectorOf,
} from "./checkers.ts";
import type { SimMachine } from "./machine.ts";
import { SimMail } from "./mail.ts";
import type { SimClusterOptions } from "./world.ts";

export { mailAddress, type Outcome } from "./mail.ts";
export type { SimClusterOptions } from "./world.ts";

/** How long nothing may change anywhere before a cluster counts as quiet: above every interval of telling again. */
const QUIET_MILLISECONDS = 1_500;
const STEP_MILLISECONDS = 100;

export class SimCluster extends SimMail {
	static async of(
		names: readonly string[],
		options: SimClusterOptions,
		users: readonly string[] = ["anna"],
	): Promise<SimCluster> {
		const cluster = new SimCluster(options);
		const [first = "a", ...others] = names;
		await cluster.run(cluster.found(first));
		for (const user of users) await cluster.run(cluster.addUser(first, user));
		for (const name of others) await cluster.run(cluster.join(name, first));
		await cluster.settle();
		return cluster;
	}

	// ------------------------------------------------------------------ quiet

	#state(): string {
		return this.running
			.map(({ name, disk }) => {
				const vector = [...vectorOf(disk)].sort().join(" ");
				return `${name} ${vector}`;
			})
			.join("\n");
	}

	/** Every running node has the same, by its own report and by its disk. */
	isConverged(): boolean {
		const { running } = this;
		const vectors = new Set(
			running.map(({ disk }) => [...vectorOf(disk)].sort().join()),
		);
		return (
			vectors.size <= 1 &&
			running.every((machine) => {
				const report = machine.replica.report();
				return report.up === running.length && report.converged;
			})
		);
	}

	/**
	 * Lets time pass until all running nodes agree and nothing changes any more; returns after how many milliseconds that
	 * was so. Throws when it takes longer.
	 */
	async settle(withinMilliseconds = 60_000): Promise<number> {
		const start = this.clock.monotonic();
		let since = start;
		let state = "";
		for (;;) {
			const now = this.clock.monotonic();
			const next = this.isConverged() ? this.#state() : "";
			if (next === "" || next !== state) since = now;
			state = next;
			if (now - since >= QUIET_MILLISECONDS) return since - start;
			if (now - start > withinMilliseconds)
				throw new Violation("I4", this.#unsettled(withinMilliseconds));
			await this.pass(STEP_MILLISECONDS);
		}
	}

	#unsettled(milliseconds: number): string {
		const reports = this.running.map(({ name, replica }) => {
			const { converged, up, members, missingBodies, peers } = replica.report();
			return `${name}: ${JSON.stringify({ converged, up, members, missingBodies, peers })}`;
		});
		return `not quiet after ${milliseconds} ms\n${reports.join("\n")}\n${this.#state()}`;
	}

	/** All invariants, on a cluster that is connected and quiet. */
	async verify(): Promise<void> {
		await this.settle();
		const views = new Map<string, string[]>();
		for (const { name } of this.running)
			views.set(name, await this.#viewOf(name));
		const before = this.#state();
		await this.pass(2 * QUIET_MILLISECONDS);
		if (this.#state() !== before)
			throw new Violation("I4", "looking does not end in quiet: renumbering?");
		this.compareAll("views", (machine) => views.get(machine.name) ?? []);
		this.compareAll("rows", ({ disk }) => sharedRows(disk));
		this.compareAll("directory", ({ replica }) => directoryOf(replica));
		for (const { name, disk } of this.running) {
			checkShown(name, disk);
			checkDisk(name, disk);
			checkSlots(disk);
		}
		// Of one: the rows of the others are the same.
		const [one] = this.running;
		if (one !== undefined) this.history.check(one.disk);
		this.say("verified");
	}

	/** I4 */
	compareAll(what: string, of: (machine: SimMachine) => string[]): void {
		const [first, ...others] = this.running.map((machine) => ({
			node: machine.name,
			lines: of(machine),
		}));
		for (const other of others) if (first) compare(what, first, other);
	}

	async #viewOf(name: string): Promise<string[]> {
		const lines: string[] = [];
		for (const user of this.users)
			for (const { name: mailbox, id, role, subscribed } of this.account(
				name,
				user,
			).mailboxes()) {
				const reader = await this.run(this.read(name, user, mailbox));
				const status = await this.run(this.account(name, user).status(mailbox));
				lines.push(
					`${user} ${mailbox} ${id} ${role} ${subscribed} ${reader.mailbox.uidValidity} ${status.messages} ${status.unseen} ${status.deleted} ${status.sizeBytes}`,
					...describe(reader.mailbox).map((line) => `${mailbox} ${line}`),
				);
				reader.close();
			}
		return lines;
	}
}
