/** Members with real body stores on loopback, on a simulated clock. */
import { join } from "node:path";
import { type DriveBodies, openBodies } from "../../../sync/bodies/bodies.ts";
import { type NodeId, nodeId } from "../../../sync/ids.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import {
	connectStreams,
	TestStreams,
	temporaryFolder,
	testLog,
} from "./pair.ts";

export interface Member {
	readonly name: string;
	readonly node: NodeId;
	readonly streams: TestStreams;
	readonly bodies: DriveBodies;
	readonly log: ReturnType<typeof testLog>;
	/** The next sync waits; `begun` resolves when it would have been made. */
	holdSync(): { readonly begun: Promise<void>; release(): void };
}

export class Members {
	readonly clock = new SimClock();
	readonly folder = temporaryFolder();
	readonly #open = new Set<Member>();
	readonly #cuts: (() => void)[] = [];

	directory(name: string): string {
		return join(this.folder.path, name);
	}

	async open(name: string): Promise<Member> {
		const streams = new TestStreams();
		const log = testLog();
		let held: (() => Promise<void>) | undefined;
		const bodies = await openBodies({
			directory: this.directory(name),
			drive: { name, lengthBlocksAtLeast: 0 },
			streams,
			clock: this.clock,
			log,
			wrapSync: (sync) => async () => {
				await held?.();
				await sync();
			},
		});
		const holdSync = () => {
			const begun = Promise.withResolvers<void>();
			const released = Promise.withResolvers<void>();
			held = () => {
				held = undefined;
				begun.resolve();
				return released.promise;
			};
			return { begun: begun.promise, release: released.resolve };
		};
		const node = nodeId(`12D3Koo${name.repeat(20)}`);
		const member = { name, node, streams, bodies, log, holdSync };
		this.#open.add(member);
		return member;
	}

	/** a, b and c, which know each other's drives. */
	async three(): Promise<[Member, Member, Member]> {
		const all: [Member, Member, Member] = [
			await this.open("a"),
			await this.open("b"),
			await this.open("c"),
		];
		const drives = all.map(({ node, bodies }) => ({
			node,
			drive: bodies.drive,
		}));
		for (const { bodies } of all) bodies.setDrives(drives);
		return all;
	}

	async connect(one: Member, other: Member): Promise<() => void> {
		const cut = await connectStreams(one, other);
		this.#cuts.push(cut);
		return cut;
	}

	async close(member: Member): Promise<void> {
		this.#open.delete(member);
		await member.bodies.close();
	}

	async end(): Promise<void> {
		for (const cut of this.#cuts) cut();
		for (const { bodies } of this.#open) await bodies.close();
		this.folder.remove();
	}
}

export async function put({ bodies }: Member, text: string): Promise<BodyRef> {
	const writer = bodies.create();
	await writer.write(Buffer.from(text));
	return writer.commit();
}

export async function putSome(
	member: Member,
	count: number,
): Promise<BodyRef[]> {
	const some: BodyRef[] = [];
	for (let number = 0; number < count; number++)
		some.push(await put(member, `body ${number}`));
	return some;
}

export const fetchAll = ({ bodies }: Member, some: readonly BodyRef[]) =>
	Promise.all(some.map((reference) => bodies.fetch(reference)));

/**
 * A body of a that c has and that hypercore cannot bring to b: c never was as long as b is, and misses what it takes to
 * prove to b that the drive goes on. Nor can b prove the early bodies, which it alone has, to c.
 */
export async function strand(
	members: Members,
	[a, b, c]: readonly [Member, Member, Member],
	text = "stranded",
): Promise<{ stranded: BodyRef; early: readonly BodyRef[] }> {
	const early = await members.connect(a, b);
	const first = await putSome(a, 6);
	await fetchAll(b, first);
	early();
	await putSome(a, 5);
	const stranded = await put(a, text);
	const { blob } = stranded;
	await a.bodies.clear(a.bodies.drive, [{ start: 5, end: blob[1] }]);
	const late = await members.connect(a, c);
	await c.bodies.fetch(stranded);
	late();
	await members.close(a);
	return { stranded, early: first };
}
