/** Bodies of one member that come to another through a third: real stores on loopback, and hypercore at its worst moments. */
import Replicator, { type Peer } from "hypercore/lib/replicator.js";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { BODY_COPY_MILLISECONDS_MAX } from "../../../sync/limits.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import { until } from "../../harness/until.ts";
import { fetchAll, Members, put, putSome } from "./members.ts";

const { prototype } = Replicator.Peer;
let members: Members;

beforeEach(() => {
	members = new Members();
});
afterEach(async () => {
	vi.restoreAllMocks();
	await members.end();
});

it("members that take in the same change at one time know of each other that they have it", async () => {
	const [a, b, c] = await members.three();
	const cut = await members.connect(a, b);
	await members.connect(a, c);
	await members.connect(b, c);
	const first = await put(a, "first");
	await Promise.all([b, c].map(({ bodies }) => bodies.fetch(first)));

	// b wants to tell c, and is held up until c has told it.
	const { _canUpgrade, onsync } = prototype;
	const told = Promise.withResolvers<void>();
	let late: Peer | undefined;
	vi.spyOn(prototype, "_canUpgrade").mockImplementation(async function (
		this: Peer,
		...end
	) {
		const ofB = this.core.storage.store.path.startsWith(members.directory("b"));
		if (ofB && late === undefined && this.syncsProcessing === 0) late = this;
		if (this === late) await told.promise;
		return _canUpgrade.call(this, ...end);
	});
	vi.spyOn(prototype, "onsync").mockImplementation(async function (
		this: Peer,
		message,
	) {
		const taking = onsync.call(this, message);
		if (this === late && message.length === 2) told.resolve();
		await taking;
	});
	const second = await put(a, "second");
	await Promise.all([b, c].map(({ bodies }) => bodies.fetch(second)));
	await told.promise;
	vi.restoreAllMocks();

	cut();
	const more = await putSome(a, 3);
	for (const member of [c, b]) await fetchAll(member, more);
});

it("what a member lacks to bring another up may come with later blocks", async () => {
	const [a, b, c] = await members.three();
	const early = await members.connect(a, b);
	const old = await putSome(a, 6);
	await fetchAll(b, old);
	early();
	// The end at which b stands is none at which c ever was.
	const news = await putSome(a, 6);
	await members.connect(a, c);
	await members.connect(b, c);
	const [last] = news.slice(-1) as [BodyRef];
	await c.bodies.fetch(last);
	const fetching = b.bodies.fetch(last);
	await fetchAll(c, [...old, ...news]);
	await fetching;
	await fetchAll(b, news);
});

it("a member that lacked much of what it was asked for is asked again", async () => {
	const [a, b] = await members.three();
	await members.connect(a, b);
	const some = await putSome(a, 40);
	await b.bodies.fetch(some[0] as BodyRef);
	// What it tells of them is still on the way when they are asked for.
	const { broadcastRange, onnodata } = prototype;
	const underWay: (() => void)[] = [];
	const telling = vi.spyOn(prototype, "broadcastRange");
	telling.mockImplementation(function (this: Peer, ...range) {
		underWay.push(() => broadcastRange.apply(this, range));
	});
	await a.bodies.clear(a.bodies.drive, [{ start: 1, end: 40 }]);
	telling.mockRestore();
	let paused: Peer | undefined;
	vi.spyOn(prototype, "onnodata").mockImplementation(function (
		this: Peer,
		message,
	) {
		onnodata.call(this, message);
		if (this.paused) paused = this;
	});
	const fetching = Promise.allSettled(
		some.slice(1).map((reference) => b.bodies.fetch(reference)),
	);
	const peer = await until("b to ask a for nothing any more", () => paused);
	const hearing = vi.spyOn(prototype, "onrange");
	for (const tell of underWay) tell();
	await until("b to hear it", () => hearing.mock.calls.length > 0);
	await members.clock.advance(BODY_COPY_MILLISECONDS_MAX);
	await fetching;
	expect(peer.paused).toBe(false);
	await b.bodies.fetch(await put(a, "one more"));
});
