/** How each fault of a storm begins and how it ends. */
import { cpSync, existsSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fillDisk, freeDisk } from "../../harness/ballast.ts";
import { pmnode, type TestNode } from "../../harness/node.ts";
import { removeFolder, run } from "../../harness/processes.ts";
import { until } from "../../harness/until.ts";
import { type Damage, damage, filesOf, kindOf } from "../damaging.ts";
import type { Fault, Round, Split } from "./plan.ts";
import { type Machine, type World, wipe } from "./world.ts";

interface Trouble {
	readonly world: World;
	readonly machine: Machine;
	readonly chances: readonly number[];
	/** Says what was done in detail. */
	readonly note: (step: string) => void;
}
interface Ways {
	readonly begin: (trouble: Trouble) => Promise<void>;
	readonly end: (trouble: Trouble) => Promise<void>;
}

const HOUR = 3600_000;
const CLOCKS_AHEAD_MILLISECONDS = [
	-26 * HOUR,
	-HOUR,
	-10_000,
	10_000,
	HOUR,
	26 * HOUR,
];
const DAMAGES: readonly Damage[] = ["flip", "cut", "zero"];

const choose = <T>(list: readonly T[], chance = 0): T =>
	list[Math.floor(chance * list.length)] as T;
const kill = ({ machine }: Trouble) => machine.node.kill9();
const start = async ({ machine }: Trouble) => void (await machine.node.start());
const hosts = ({
	world,
	machine,
}: Trouble): readonly [number, number, number] => {
	const [one = 0, other = 0] = world.machines
		.map(({ host }) => host)
		.filter((host) => host !== machine.host);
	return [machine.host, one, other];
};
const heal = ({ world }: Trouble) => world.hosts.heal();

const WAYS: Readonly<Record<Fault, Ways>> = {
	"kill -9": { begin: kill, end: start },
	"orderly stop": {
		begin: async ({ machine: { node } }) => {
			const code = await node.stop();
			if (code !== 0)
				throw new Error(`${node.name} ended with ${code} after SIGTERM`);
		},
		end: start,
	},
	"power cut": {
		begin: async (trouble) => {
			await kill(trouble);
			await trouble.machine.disk.cutPower();
		},
		end: start,
	},
	"full disk": {
		begin: async ({ machine }) => fillDisk(machine.disk.folder),
		end: async ({ machine }) => freeDisk(machine.disk.folder),
	},
	hang: {
		begin: async ({ machine }) => {
			machine.isSilent = true;
			machine.node.freeze();
		},
		end: async ({ machine }) => {
			machine.node.thaw();
			machine.isSilent = false;
		},
	},
	"wrong clock": {
		begin: async ({ world, machine, chances, note }) => {
			const ahead = choose(CLOCKS_AHEAD_MILLISECONDS, chances[0]);
			note(`the clock of ${machine.node.name} is ${ahead} ms ahead`);
			world.setClock(machine, ahead);
		},
		end: async ({ world, machine }) => world.setClock(machine, 0),
	},
	"cut off": {
		begin: async (trouble) => {
			const [victim, ...others] = hosts(trouble);
			await trouble.world.hosts.split([victim], others);
		},
		end: heal,
	},
	"bad line": {
		begin: async (trouble) => {
			const [victim, ...others] = hosts(trouble);
			for (const other of others)
				await trouble.world.hosts.worsen(victim, other, 20);
		},
		end: heal,
	},
	"lost unheard": { begin: loseUnheard, end: replaceOrStart },
	// The power fails everywhere, and comes back.
	blackout: {
		begin: async ({ world: { machines } }) => {
			await Promise.all(machines.map(({ node }) => node.kill9()));
			await Promise.all(machines.map(({ disk }) => disk.cutPower()));
			await Promise.all(machines.map(({ node }) => node.start()));
		},
		end: async () => {},
	},
	"damaged file": { begin: kill, end: startDamaged },
	"old backup": { begin: loseDisk, end: restore },
	"lost disk": {
		begin: loseDisk,
		end: ({ world, machine }) => world.replace(machine),
	},
};

/** What the others may take for down. */
const SILENT: ReadonlySet<Fault> = new Set([
	"kill -9",
	"power cut",
	"hang",
	"cut off",
	"damaged file",
	"old backup",
	"lost disk",
	"lost unheard",
]);

/** Of the 5 s after which silent members are taken for down, with up to a second in which they had nothing to say. */
const ALONE_MILLISECONDS_MAX = 3_500;

/**
 * Nothing comes through to the others any more, and before it takes them for down, which would let it acknowledge alone, it is
 * lost with its disk, and with what it had on the way: all that it acknowledged must be with others. Where the test itself was
 * too slow for that, its disk is not lost.
 */
async function loseUnheard(trouble: Trouble): Promise<void> {
	const { world, machine, note } = trouble;
	const { node } = machine;
	const [victim, ...others] = hosts(trouble);
	const began = performance.now();
	await world.hosts.split([victim], others);
	await until(`${node.name} to miss the others`, async () =>
		(await node.status()).peers.every(({ state }) => state !== "up"),
	);
	node.freeze();
	await world.hosts.forgetConnections(victim);
	await node.kill9();
	const milliseconds = Math.round(performance.now() - began);
	await world.hosts.heal();
	const isInTime = milliseconds < ALONE_MILLISECONDS_MAX;
	if (isInTime) wipe(node);
	note(
		`${node.name} is killed after ${milliseconds} ms${isInTime ? " and loses its disk" : ": too late for its disk to be lost"}`,
	);
}

async function replaceOrStart(trouble: Trouble): Promise<void> {
	const { world, machine } = trouble;
	if (existsSync(machine.node.data)) await start(trouble);
	else await world.replace(machine);
}

async function loseDisk({ machine }: Trouble): Promise<void> {
	await machine.node.kill9();
	wipe(machine.node);
}

async function restore({ machine, note }: Trouble): Promise<void> {
	const { backup, node } = machine;
	if (backup === undefined) throw new Error("no backup");
	const [program = "", ...script] = pmnode;
	const arguments_ = ["restore", backup, "--data", node.data];
	const back = await run(program, [...script, ...arguments_]);
	if (back.code !== 0) throw new Error(`restore: ${back.stderr}`);
	note(back.stderr.trim());
	await node.start();
}

async function startDamaged(trouble: Trouble): Promise<void> {
	const { world, machine, chances, note } = trouble;
	const { node } = machine;
	const files = filesOf(node.data).sort();
	// RocksDB has many files, and a key is a file as well: each kind is as likely.
	const kinds = [...new Set(files.map(kindOf))];
	const kind = choose(kinds, chances[0]);
	const alike = files.filter((name) => kindOf(name) === kind);
	const file = join(node.data, choose(alike, chances[1]));
	const how = choose(DAMAGES, chances[2]);
	const at = Math.floor((chances[3] ?? 0) * statSync(file).size);
	note(`${how} at ${at} of ${relative(node.data, file)}`);
	const sound = join(world.folder, "sound");
	cpSync(node.data, sound, { recursive: true });
	damage(file, how, at);
	try {
		await node.start();
	} catch (error) {
		// Only what cannot come from anywhere else ends a node, in order.
		if (node.exit?.code !== 1 || !/identity\.key|tls/.test(file)) throw error;
		note("it ended, and gets the file back");
		wipe(node);
		cpSync(sound, node.data, { recursive: true });
		await node.start();
	} finally {
		removeFolder(sound);
	}
}

async function isNoticed(world: World, machine: Machine): Promise<void> {
	const observer: TestNode = world.other(machine);
	await until(
		`${observer.name} to take ${machine.node.name} for down`,
		async () =>
			(await observer.status()).peers.some(
				({ name, state }) => name === machine.node.name && state === "down",
			),
		{ timeoutMilliseconds: 90_000, everyMilliseconds: 200 },
	);
}

async function spoil(world: World, { how, between }: Split): Promise<void> {
	const [one, other] = between.map((index) => world.machine(index).host);
	if (one === undefined || other === undefined) throw new Error("no line");
	if (how === "cut") await world.hosts.cut(one, other);
	else await world.hosts.worsen(one, other, 20);
}

export async function backUp(world: World, machine: Machine): Promise<void> {
	const folder =
		machine.backup ?? join(world.folder, `backup-${machine.node.name}`);
	await machine.node.ok(["backup", folder]);
	machine.backup = folder;
}

/** One round: it begins, it lasts while `during` does, it ends; afterwards all machines run and see each other. */
export async function strike(
	world: World,
	round: Round,
	note: (step: string) => void,
	during: () => Promise<void>,
): Promise<void> {
	const machine = world.machine(round.victim);
	const trouble = { world, machine, chances: round.chances, note };
	const { begin, end } = WAYS[round.fault];
	if (round.split) await spoil(world, round.split);
	await begin(trouble);
	await during();
	const isCutToo = round.split?.how === "cut";
	if (round.isNoticed && SILENT.has(round.fault) && !isCutToo)
		await isNoticed(world, machine);
	await end(trouble);
	await world.hosts.heal();
}
