import type { ConnectionEncrypter, MessageStream } from "@libp2p/interface";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
	DOWN_MILLISECONDS,
	SUSPECT_MILLISECONDS,
} from "../../../sync/limits.ts";
import { sourceOf } from "../../../sync/network/addresses.ts";
import {
	BadFrame,
	FrameReader,
	frameHeader,
} from "../../../sync/network/frames.ts";
import { Liveness, TICK_MILLISECONDS } from "../../../sync/network/liveness.ts";
import { withOneWrite } from "../../../sync/network/one-write.ts";
import { requestProtocol } from "../../../sync/network/protocols.ts";
import { RateLimit } from "../../../sync/network/rate-limit.ts";
import { SimClock } from "../../../sync/sim/clock.ts";

test("frames come out as they went in, however the bytes are cut", () => {
	fc.assert(
		fc.property(
			fc.array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 300 }))),
			fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
			(frames, cuts) => {
				const bytes = Buffer.concat(
					frames.flatMap(([kind, payload]) => [
						frameHeader(kind, payload.byteLength),
						payload,
					]),
				);
				const reader = new FrameReader(300);
				const read: [number, Uint8Array][] = [];
				for (let at = 0, i = 0; at < bytes.length; i++) {
					const length = cuts[i % cuts.length] as number;
					reader.push(bytes.subarray(at, at + length));
					at += length;
					for (let next = reader.next(); next; next = reader.next())
						read.push([next.kind, next.payload]);
				}
				expect(read).toEqual(frames);
			},
		),
	);
});

test("a frame that is announced too large, or empty, is refused before it comes", () => {
	const large = new FrameReader(10);
	large.push(frameHeader(1, 11));
	expect(() => large.next()).toThrow(BadFrame);
	const empty = new FrameReader(10);
	empty.push(new Uint8Array(5));
	expect(() => empty.next()).toThrow(BadFrame);
});

test("silence makes suspect, then down; refusal makes down at once, but only without a link", () => {
	const liveness = new Liveness();
	expect(liveness.state).toBe("down");
	expect(new Liveness(true).state).toBe("suspect");
	liveness.linked();
	const silence = (milliseconds: number): void => {
		for (let t = 0; t < milliseconds; t += TICK_MILLISECONDS)
			liveness.tick(TICK_MILLISECONDS);
	};
	expect(liveness.state).toBe("up");
	silence(SUSPECT_MILLISECONDS);
	expect(liveness.state).toBe("suspect");
	liveness.refused();
	expect(liveness.state).toBe("suspect");
	liveness.heard();
	expect(liveness.state).toBe("up");
	silence(DOWN_MILLISECONDS);
	expect(liveness.state).toBe("down");
	liveness.linked();
	liveness.unlinked();
	expect(liveness.state).toBe("suspect");
	liveness.refused();
	expect(liveness.state).toBe("down");
	liveness.linked();
	expect(liveness.state).toBe("up");
});

test("one late tick is no silence", () => {
	const liveness = new Liveness();
	liveness.linked();
	liveness.tick(60_000);
	expect(liveness.state).toBe("up");
});

test("so many at once, so many a second", async () => {
	const clock = new SimClock();
	const limit = new RateLimit(clock, 10, 5);
	const taken = (): number => {
		let count = 0;
		while (limit.take()) count++;
		return count;
	};
	expect(taken()).toBe(5);
	await clock.advance(300);
	expect(taken()).toBe(3);
	await clock.advance(60_000);
	expect(taken()).toBe(5);
});

test("names of request protocols", () => {
	expect(requestProtocol("join")).toBe("/pmnode/join/1");
	for (const bad of ["link", "bodies", "", "Join", "a/b", "x".repeat(40)])
		expect(() => requestProtocol(bad)).toThrow(RangeError);
});

test("a source is an IPv4 address or an IPv6 /64", () => {
	expect(sourceOf("/ip4/192.0.2.7/tcp/1")).toBe("192.0.2.7");
	expect(sourceOf("/ip6/2001:db8:1:2:3:4:5:6/tcp/1")).toBe("2001:db8:1:2");
	expect(sourceOf("/ip6/2001:db8::6/tcp/1")).toBe("2001:db8:0:0");
	expect(sourceOf("/ip6/2001:db8:1:2::9/tcp/1")).toBe("2001:db8:1:2");
});

test("what noise sends as a length and a text goes to the socket as one write", async () => {
	const written: Uint8Array[][] = [];
	const connection = {
		sendData: (data: Iterable<Uint8Array>) => written.push([...data]),
	};
	const secured = [] as unknown[];
	const make = withOneWrite(() => {
		const secure = async (given: unknown) => secured.push(given);
		return {
			protocol: "/x",
			secureOutbound: secure,
			secureInbound: secure,
		} as unknown as ConnectionEncrypter;
	});
	await make({}).secureOutbound(connection as unknown as MessageStream);
	const [given] = secured as [typeof connection];
	const list = Object.assign([Buffer.from("\0\x05"), Buffer.from("hello")], {
		subarray: () => Buffer.from("\0\x05hello"),
	});
	given.sendData(list);
	expect(written).toEqual([[Buffer.from("\0\x05hello")]]);
});
