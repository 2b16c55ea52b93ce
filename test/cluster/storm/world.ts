/** Three machines, each with a host in the network, a disk, a clock and a member on it. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { password, TestCluster } from "../../harness/cluster.ts";
import { Hosts } from "../../harness/hosts.ts";
import { LoopDisk } from "../../harness/loop-disk.ts";
import { planted, type TestNode } from "../../harness/node.ts";
import { removeFolder, temporaryFolder } from "../../harness/processes.ts";
import { user } from "../mail.ts";
import { BOXES } from "./ledger.ts";
import { MACHINES } from "./plan.ts";

const DISK_MEBIBYTES = 320;

export interface Machine {
	/** Number of its host, from 1. */
	readonly host: number;
	readonly disk: LoopDisk;
	node: TestNode;
	/** Members there were on it so far; a replacement has a new name. */
	members: number;
	/** A backup of the member that it has now. */
	backup: string | undefined;
	/** It does not answer, though it runs. */
	isSilent: boolean;
}

export class World {
	readonly machines: Machine[] = [];
	readonly hosts: Hosts;
	/** Beside the disks of the machines. */
	readonly folder = temporaryFolder("storm");
	readonly cluster: TestCluster;
	readonly #disks: LoopDisk[] = [];

	private constructor(hosts: Hosts, modules: readonly string[]) {
		this.hosts = hosts;
		const hostOf = (name: string): number => Number(/\d+/.exec(name)?.[0]);
		this.cluster = new TestCluster({
			names: [],
			options: { "log-format": "text" },
			optionsOf: (name) => ({ p2p: `${hosts.address(hostOf(name))}:2401` }),
			placeOf: (name) => {
				const host = hostOf(name);
				return {
					data: join(this.#disk(host).folder, name),
					prefix: hosts.prefix(host),
					forward: ({ port }) => hosts.forward(host, port),
					program: planted("plant-clock.ts", ...modules),
					env: { PMNODE_CLOCK_AHEAD: this.#clock(host) },
				};
			},
		});
	}

	/** `modules` are imported by each member before it starts. */
	static async create(modules: readonly string[]): Promise<World> {
		const world = new World(await Hosts.create(MACHINES), modules);
		try {
			await world.#build();
		} catch (error) {
			const said = world.cluster.tail();
			await world.close();
			throw new Error(`${error}\n${said}`);
		}
		return world;
	}

	get nodes(): readonly TestNode[] {
		return this.machines.map(({ node }) => node);
	}

	machine(index: number): Machine {
		const found = this.machines[index];
		if (!found) throw new Error(`no machine ${index}`);
		return found;
	}

	/** The members that a client would get an answer from. */
	up(): readonly TestNode[] {
		return this.machines
			.filter(({ node, isSilent }) => node.running && !isSilent)
			.map(({ node }) => node);
	}

	/** A running member on another machine. */
	other(machine: Machine): TestNode {
		const found = this.machines.find(
			(each) => each !== machine && each.node.running && !each.isSilent,
		);
		if (!found) throw new Error("no other member runs");
		return found.node;
	}

	setClock(machine: Machine, aheadMilliseconds: number): void {
		writeFileSync(this.#clock(machine.host), String(aheadMilliseconds));
	}

	/** The member's disk is lost: it is removed, and an empty one joins in its place. */
	async replace(machine: Machine): Promise<void> {
		const lost = machine.node;
		const { nodes } = this.cluster;
		nodes.splice(nodes.indexOf(lost), 1);
		const helper = this.other(machine);
		await helper.ok(["remove", lost.name]);
		machine.members += 1;
		machine.backup = undefined;
		machine.node = await this.cluster.add(
			nameOf(machine.host, machine.members),
			helper,
		);
	}

	async close(): Promise<void> {
		await this.cluster.close();
		for (const disk of this.#disks) await disk.close();
		await this.hosts.close();
		removeFolder(this.folder);
	}

	async #build(): Promise<void> {
		for (let host = 1; host <= MACHINES; host++)
			this.#disks.push(await LoopDisk.create(`storm${host}`, DISK_MEBIBYTES));
		for (let host = 1; host <= MACHINES; host++)
			this.machines.push({
				host,
				disk: this.#disk(host),
				node: await this.cluster.add(nameOf(host, 1)),
				members: 1,
				backup: undefined,
				isSilent: false,
			});
		await this.cluster.seen(MACHINES);
		const [first] = this.nodes;
		await first?.addUser(user, password);
		await this.cluster.known(user);
		const client = await first?.imap(user, password);
		for (const box of BOXES.slice(1)) await client?.ok(`CREATE ${box}`);
		await client?.logout();
		await Promise.all(this.nodes.map((node) => node.converged()));
	}

	#disk(host: number): LoopDisk {
		return this.#disks[host - 1] as LoopDisk;
	}
	#clock(host: number): string {
		return join(this.folder, `clock${host}`);
	}
}

/** `n2` is the first member on machine 2, `n2c` the third. */
const nameOf = (host: number, members: number): string =>
	`n${host}${members > 1 ? String.fromCharCode(0x60 + members) : ""}`;

/** What is on the disk of a machine that was lost or is put back. */
export const wipe = (node: TestNode): void =>
	rmSync(node.data, { recursive: true, force: true });
