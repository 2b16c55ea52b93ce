/** The two kinds of worlds that the body store's contract is checked in. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { openBodies } from "../../sync/bodies/bodies.ts";
import { type NodeId, nodeId } from "../../sync/ids.ts";
import type { ReclaimableBodies } from "../../sync/ports/bodies.ts";
import { SimBodiesWorld } from "../../sync/sim/bodies.ts";
import { SimClock } from "../../sync/sim/clock.ts";
import { simRandom } from "../../sync/sim/random.ts";
import {
	connectStreams,
	type End,
	TestStreams,
	temporaryFolder,
	testLog,
} from "../unit/bodies/pair.ts";

/** Up to three nodes with a body store each. Bounds of time are on a simulated clock in both kinds. */
export interface World {
	open(
		name: string,
		drive?: { name: string; lengthBlocksAtLeast: number },
	): Promise<ReclaimableBodies>;
	connect(a: string, b: string): Promise<void>;
	cut(): void;
	/** Runs the operation to its end, moving time on as far as it needs. */
	run<T>(operation: Promise<T>): Promise<T>;
	/** Moves time on. */
	pass(milliseconds: number): Promise<void>;
	/** The disk of a node whose store is closed is gone. */
	loseDisk(name: string): Promise<void>;
	end(): Promise<void>;
}

export const idOf = (name: string): NodeId =>
	nodeId(`12D3Koo${name.repeat(20)}`);
export const driveOf = (name: string) => ({ name, lengthBlocksAtLeast: 0 });

export function simulatedWorld(): World {
	const clock = new SimClock();
	const links = new Set<string>();
	const opened: ReclaimableBodies[] = [];
	const world = new SimBodiesWorld({
		clock,
		random: simRandom(1),
		connected: (a, b) => links.has([a, b].sort().join()),
	});
	return {
		async open(name, drive = driveOf(name)) {
			const bodies = world.open(idOf(name), drive);
			opened.push(bodies);
			return bodies;
		},
		async connect(a, b) {
			links.add([idOf(a), idOf(b)].sort().join());
		},
		cut: () => links.clear(),
		async run(operation) {
			let settled = false;
			const done = () => {
				settled = true;
			};
			operation.then(done, done);
			await clock.runUntil(() => settled, 1_000_000);
			return operation;
		},
		pass: (milliseconds) => clock.advance(milliseconds),
		async loseDisk(name) {
			world.loseDisk(idOf(name));
		},
		async end() {
			for (const bodies of opened) await this.run(bodies.close());
		},
	};
}

export function realWorld(): World {
	const folder = temporaryFolder();
	const clock = new SimClock();
	const ends = new Map<string, End>();
	const opened: ReclaimableBodies[] = [];
	const cuts: (() => void)[] = [];
	const end = (name: string): End => {
		const known = ends.get(name);
		if (known !== undefined) return known;
		const made = { node: idOf(name), streams: new TestStreams() };
		ends.set(name, made);
		return made;
	};
	return {
		async open(name, drive = driveOf(name)) {
			const bodies = await openBodies({
				directory: join(folder.path, name),
				drive,
				streams: end(name).streams,
				clock,
				log: testLog(),
			});
			opened.push(bodies);
			return bodies;
		},
		async connect(a, b) {
			cuts.push(await connectStreams(end(a), end(b)));
		},
		cut() {
			for (const cut of cuts.splice(0)) cut();
		},
		run: (operation) => operation,
		pass: (milliseconds) => clock.advance(milliseconds),
		loseDisk: (name) => rm(join(folder.path, name), { recursive: true }),
		async end() {
			this.cut();
			for (const bodies of opened) await bodies.close();
			folder.remove();
		},
	};
}
