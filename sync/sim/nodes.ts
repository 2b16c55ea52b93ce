/** The machines of a simulated cluster and the lines between them: what an operator, or bad luck, does to them. */
import { OperatorFault, Temporary } from "../faults.ts";
import { loadIdentity } from "../membership/identity.ts";
import type { SimDisk } from "./body-disk.ts";
import { SimMachine, simNodeId } from "./machine.ts";
import type { DelayRange } from "./network.ts";
import { SimProcess } from "./process.ts";
import type { Deadline } from "./process-parts.ts";
import type { MemoryStore } from "./store.ts";
import { SimWorld } from "./world.ts";

/** Clocks of the two may be hours apart. */
const INVITE_MILLISECONDS = 24 * 3_600_000;

export interface SimBackup {
	readonly store: MemoryStore;
	readonly bodies: SimDisk;
	readonly copiedMilliseconds: number;
}

export class SimNodes extends SimWorld {
	/** When machines were lost with their disks (monotonic). */
	readonly lostMilliseconds: number[] = [];

	#newMachine(name: string): SimMachine {
		const {
			copies = 2,
			whenAlone = "accept",
			alone,
			rules,
			wantsMax,
			skew,
		} = this.options;
		const clock = this.clock.view(skew?.(this.random));
		const machine = new SimMachine(name, clock, {
			copies,
			whenAlone,
			...(alone && { alone }),
			...(rules && { rules }),
			...(wantsMax && { wantsMax }),
		});
		this.machines.set(name, machine);
		return machine;
	}

	async #launch(machine: SimMachine, link?: string): Promise<void> {
		const process = new SimProcess(machine, {
			network: this.network,
			bodies: this.bodies,
			random: this.random,
			note: (...line) => this.note(...line),
		});
		await Promise.race([process.start(link), process.died]);
		if (process.alive)
			machine.memberSinceMilliseconds ??= this.clock.monotonic();
	}

	async found(name: string): Promise<void> {
		this.did(`${name} founds a cluster`);
		await this.#launch(this.#newMachine(name));
	}
	async invite(by: string): Promise<string> {
		const { process } = this.machine(by);
		const link = await Promise.race([
			this.replica(by).invite(INVITE_MILLISECONDS),
			process?.died,
		]);
		if (link === undefined) throw new Temporary(`${by} died`);
		return link;
	}
	/** A new node joins by a link of `by`. Resolves when it serves. */
	async join(name: string, by: string): Promise<void> {
		await this.joinWith(name, await this.invite(by));
	}
	/** The same with a link that is there, also after an attempt that failed. */
	async joinWith(name: string, link: string): Promise<void> {
		this.did(`${name} joins`);
		const machine = this.machines.get(name) ?? this.#newMachine(name);
		await this.#launch(machine, link);
	}
	/** The same in the midst of faults: a node that could not join is put away, as its operator would. */
	async tryJoin(name: string, by: string): Promise<void> {
		try {
			await this.join(name, by);
		} catch (error) {
			if (!(error instanceof OperatorFault || error instanceof Temporary))
				throw error;
			this.say(`${name} could not join: ${error.message}`);
		}
		const machine = this.machines.get(name);
		if (machine === undefined || loadIdentity(machine.disk)) return;
		machine.process?.kill();
		this.machines.delete(name);
	}
	/** It was admitted, and waits for the documents of the cluster. No machine yet: it waits for its link. */
	isWithoutDocuments(name: string): boolean {
		const machine = this.machines.get(name);
		return machine !== undefined && !!loadIdentity(machine.disk)?.joining;
	}
	/** After a crash or stop. Resolves when it serves. */
	async start(name: string): Promise<void> {
		this.did(`${name} starts`);
		await this.#launch(this.machine(name));
	}
	crash(name: string): void {
		this.did(`${name} crashes`);
		this.machine(name).process?.kill();
	}
	/** At the next commit of its store: just before it is durable, or just after. */
	crashAtCommit(name: string, when: Deadline): void {
		this.did(`${name} will crash ${when} its next commit`);
		this.machine(name).process?.killAtCommit(when);
	}
	async stop(name: string): Promise<void> {
		this.did(`${name} stops`);
		const { process } = this.machine(name);
		await Promise.race([process?.stop(), process?.died]);
	}
	/** SIGSTOP: silent, with all its connections. */
	pause(name: string): void {
		this.did(`${name} is paused`);
		this.cutOff(name, true);
		this.machine(name).process?.clock.pause();
	}
	resume(name: string): void {
		this.did(`${name} goes on`);
		this.machine(name).process?.clock.resume();
		this.cutOff(name, false);
	}
	/** Nothing reaches the node, or everything does again. */
	cutOff(name: string, cut: boolean): void {
		for (const other of this.machines.keys()) {
			if (other === name) continue;
			if (cut) this.network.cut(simNodeId(other), simNodeId(name));
			else this.network.mend(simNodeId(other), simNodeId(name));
		}
	}
	// ------------------------------------------------------------------ disks

	/** A copy of all that lies on the disk of a machine, as a backup or a virtual machine's snapshot would be. */
	backup(name: string): SimBackup {
		this.did(`the disk of ${name} is copied`);
		const { disk, id, clock } = this.machine(name);
		return {
			store: disk.copy(),
			bodies: this.bodies.copyDisk(id),
			copiedMilliseconds: clock.now(),
		};
	}
	/** The copy is put back, its process killed before. `known`: by `pmnode restore`, so that the node knows it. */
	restore(name: string, backup: SimBackup, { known = true } = {}): void {
		this.did(`the disk of ${name} is put back${known ? "" : " unknown to it"}`);
		const machine = this.machine(name);
		machine.process?.kill();
		const before = machine.disk.copy();
		machine.disk.become(backup.store);
		this.bodies.putDisk(machine.id, backup.bodies);
		if (machine.disk.full) machine.fullMilliseconds = this.clock.monotonic();
		machine.disk.full = false;
		this.bodies.setFull(machine.id, false);
		this.history.lost(
			before,
			[...this.machines.values()].map(({ disk }) => disk),
		);
		if (!known) return;
		const { copiedMilliseconds } = backup;
		const restored = {
			atMilliseconds: machine.clock.now(),
			copiedMilliseconds,
		};
		machine.disk.commit([["meta/restored", JSON.stringify(restored)]]);
	}
	setFull(name: string, full: boolean): void {
		this.did(`the disk of ${name} ${full ? "is full" : "has room again"}`);
		const machine = this.machine(name);
		if (machine.disk.full) machine.fullMilliseconds = this.clock.monotonic();
		machine.disk.full = full;
		this.bodies.setFull(simNodeId(name), full);
	}

	/** Each commit and sync takes so long; 0: as fast as others again. */
	setSlow(name: string, milliseconds: number): void {
		this.did(
			milliseconds > 0
				? `the disk of ${name} takes ${milliseconds} ms`
				: `the disk of ${name} is fast again`,
		);
		this.machine(name).commitMilliseconds = milliseconds;
		this.syncMilliseconds.set(simNodeId(name), Math.max(1, milliseconds));
	}

	// ------------------------------------------------------------------ lost disks

	/** The node will never come back: its disk is gone. The others do not know that. */
	lose(name: string): void {
		this.did(`${name} is lost, with its disk`);
		const machine = this.machine(name);
		machine.process?.kill();
		this.machines.delete(name);
		this.lostMilliseconds.push(this.clock.monotonic());
		this.bodies.loseDisk(machine.id);
		this.history.lost(
			machine.disk,
			[...this.machines.values()].map(({ disk }) => disk),
		);
	}
	/** An operator at `by` takes a member out for good. */
	async remove(name: string, by: string): Promise<void> {
		const { process } = this.machine(by);
		await Promise.race([this.replica(by).remove(name), process?.died]);
	}

	// ------------------------------------------------------------------ lines

	split(...groups: readonly (readonly string[])[]): void {
		this.did(`split ${groups.map((group) => `{${group}}`).join(" | ")}`);
		this.network.split(...groups.map((group) => group.map(simNodeId)));
	}
	/** Both ways. */
	cut(one: string, other: string): void {
		this.did(`cut ${one} ↔ ${other}`);
		this.network.split([simNodeId(one)], [simNodeId(other)]);
	}
	cutOneWay(from: string, to: string): void {
		this.did(`cut ${from} → ${to}`);
		this.network.cut(simNodeId(from), simNodeId(to));
	}
	mendOneWay(from: string, to: string): void {
		this.did(`mend ${from} → ${to}`);
		this.network.mend(simNodeId(from), simNodeId(to));
	}
	/** Both ways. */
	mend(one: string, other: string): void {
		this.did(`mend ${one} ↔ ${other}`);
		this.network.mend(simNodeId(one), simNodeId(other));
		this.network.mend(simNodeId(other), simNodeId(one));
	}
	heal(): void {
		this.did("heal");
		this.network.heal();
	}
	/** Connections between the two break, as by a middlebox. */
	reset(one: string, other: string): void {
		this.did(`connections ${one} ↔ ${other} break`);
		this.network.breakConnections(simNodeId(one), simNodeId(other));
	}
	/** The wall clock of a node jumps. */
	jump(name: string, milliseconds: number): void {
		this.did(`the clock of ${name} jumps by ${milliseconds} ms`);
		this.machine(name).clock.jump(milliseconds);
	}
	slow(one: string, other: string, delay: DelayRange): void {
		this.did(`${one} ↔ ${other} take ${delay.join(" to ")} ms`);
		this.network.setDelay(delay, [simNodeId(one), simNodeId(other)]);
	}
}
