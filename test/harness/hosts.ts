/**
 * Several hosts on this machine: network namespaces on one bridge, with silent cuts between any two of them. Root only.
 * The bridge has a namespace of its own, so the machine's own network is not touched, and nothing here can reach it.
 */
import { spawnSync } from "node:child_process";
import { connect as connectTcp, createServer, type Server } from "node:net";
import { join } from "node:path";
import type { Endpoint } from "./node.ts";
import {
	removeFolder,
	repository,
	run,
	runOk,
	spawnOwned,
	temporaryFolder,
} from "./processes.ts";
import { within } from "./until.ts";

let made = 0;
const namespaces = new Set<string>();
process.once("exit", () => {
	for (const name of namespaces) spawnSync("ip", ["netns", "del", name]);
});

export class Hosts {
	readonly count: number;
	readonly #tag: string;
	readonly #folder = temporaryFolder("hosts");
	readonly #servers: Server[] = [];
	readonly #relays = new Map<number, Promise<string>>();
	/** End the relays. */
	readonly #endings: (() => Promise<void>)[] = [];

	private constructor(count: number) {
		this.count = count;
		made += 1;
		// Interface names have 15 characters at most, and other test processes may run beside this one.
		this.#tag = `pm${process.pid.toString(36)}${made.toString(36)}`;
	}

	/** Hosts 1 … count at 10.77.0.1 …, connected. */
	static async create(count: number): Promise<Hosts> {
		const hosts = new Hosts(count);
		try {
			await hosts.#build();
		} catch (error) {
			await hosts.close();
			throw error;
		}
		return hosts;
	}

	address(host: number): string {
		return `10.77.0.${host}`;
	}
	/** What runs a command on that host: to be put before it. */
	prefix(host: number): readonly string[] {
		return ["ip", "netns", "exec", this.#namespace(host)];
	}

	/** Cuts two hosts from each other: what comes is dropped silently on both ends, as in a broken long-distance line. */
	async cut(one: number, other: number): Promise<void> {
		await this.#drop(one, other);
		await this.#drop(other, one);
	}
	/** Of what two hosts send each other, so many packets in a hundred are lost: a bad line, on which all becomes slow. */
	async worsen(one: number, other: number, lossPercent: number): Promise<void> {
		const loss = `numgen random mod 100 < ${lossPercent}`;
		await this.#drop(one, other, loss);
		await this.#drop(other, one, loss);
	}
	/** Cuts every pair of hosts that are not in one group. */
	async split(...groups: readonly (readonly number[])[]): Promise<void> {
		for (const group of groups)
			for (const one of group)
				for (const other of groups.filter((each) => each !== group).flat())
					if (one < other) await this.cut(one, other);
	}
	/**
	 * Ends the connections of a host with others, and with them what its kernel would go on sending after its processes were
	 * killed: it has no power any more. What runs there must be frozen, and be killed then.
	 */
	async forgetConnections(host: number): Promise<void> {
		const ss = async (how: string): Promise<string> => {
			const [command = "", ...rest] = [
				...this.prefix(host),
				...`ss ${how} state connected dst 10.77.0.0/24`.split(" "),
			];
			return await runOk(command, rest);
		};
		await ss("-Ktn");
		const left = await ss("-Htn");
		if (left.trim() !== "")
			throw new Error(`connections that do not end:\n${left}`);
	}
	async heal(): Promise<void> {
		for (let host = 1; host <= this.count; host++)
			await this.#nft(host, "flush chain inet pmnode in");
	}

	/** A loopback port of the machine that leads to loopback `port` on that host, whatever is cut. */
	async forward(host: number, port: number): Promise<Endpoint> {
		const relay = await this.#relay(host);
		const server = createServer((client) => {
			const inside = connectTcp({ path: relay });
			inside.write(`${port}\n`);
			client.pipe(inside).pipe(client);
			const end = () => {
				client.destroy();
				inside.destroy();
			};
			for (const socket of [client, inside])
				socket.setNoDelay(true).on("error", end).on("close", end);
		});
		this.#servers.push(server);
		await new Promise<void>((resolve, reject) => {
			server.once("error", reject).listen(0, "127.0.0.1", resolve);
		});
		const address = server.address();
		if (address === null || typeof address === "string")
			throw new Error("no port");
		return { host: "127.0.0.1", port: address.port };
	}

	/** Takes all down again; harmless twice. What still runs on the hosts loses its network. */
	async close(): Promise<void> {
		for (const server of this.#servers) server.close();
		await Promise.all(this.#endings.map((end) => end()));
		for (const name of this.#names()) {
			await run("ip", ["netns", "del", name]);
			namespaces.delete(name);
		}
		removeFolder(this.#folder);
	}

	#names(): string[] {
		const hosts = Array.from({ length: this.count }, (_, index) =>
			this.#namespace(index + 1),
		);
		return [...hosts, `${this.#tag}s`];
	}
	#namespace(host: number): string {
		return `${this.#tag}h${host}`;
	}

	async #build(): Promise<void> {
		const bridge = `${this.#tag}s`;
		for (const name of this.#names()) namespaces.add(name);
		await ip(`netns add ${bridge}`);
		await ip(`-n ${bridge} link add bridge0 type bridge forward_delay 0`);
		await ip(`-n ${bridge} link set bridge0 up`);
		for (let host = 1; host <= this.count; host++) {
			const name = this.#namespace(host);
			const port = `${this.#tag}v${host}`;
			await ip(`netns add ${name}`);
			await ip(
				`-n ${bridge} link add ${port} type veth peer name eth0 netns ${name}`,
			);
			await ip(`-n ${bridge} link set ${port} master bridge0 up`);
			await ip(`-n ${name} addr add ${this.address(host)}/24 dev eth0`);
			await ip(`-n ${name} link set eth0 up`);
			await ip(`-n ${name} link set lo up`);
			await this.#nft(
				host,
				"table inet pmnode {\nchain in {\ntype filter hook input priority 0;\n}\n}",
			);
		}
	}

	#drop(at: number, from: number, where = ""): Promise<void> {
		return this.#nft(
			at,
			`add rule inet pmnode in ip saddr ${this.address(from)} ${where} drop`,
		);
	}

	async #nft(host: number, text: string): Promise<void> {
		const [command = "", ...rest] = [...this.prefix(host), "nft", "-f", "-"];
		await runOk(command, rest, { input: `${text}\n` });
	}

	/** The socket of the relay on that host, started when first needed. Paths of sockets are the same in all namespaces. */
	#relay(host: number): Promise<string> {
		const known = this.#relays.get(host);
		if (known) return known;
		const path = join(this.#folder, `relay${host}`);
		const [command = "", ...rest] = [
			...this.prefix(host),
			process.execPath,
			join(repository, "test/harness/relay.ts"),
			path,
		];
		const child = spawnOwned(command, rest, {
			stdio: ["pipe", "pipe", "inherit"],
		});
		const ended = new Promise((resolve) => {
			child.once("exit", resolve);
		});
		// Whoever waits for the end of this process would wait for the relay's, too.
		this.#endings.push(async () => {
			child.stdin?.end();
			await ended;
		});
		const ready = within(
			`the relay of host ${host}`,
			20_000,
			new Promise<string>((resolve, reject) => {
				child.stdout?.once("data", () => resolve(path));
				child.once("exit", () => reject(new Error("the relay ended")));
			}),
		);
		this.#relays.set(host, ready);
		return ready;
	}
}

const ip = (command: string) => runOk("ip", command.split(" "));
