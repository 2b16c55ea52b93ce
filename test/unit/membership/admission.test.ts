/** What a node that asks to join makes of the answer. */
import { encode } from "cborg";
import { describe, expect, it } from "vitest";
import { OperatorFault } from "../../../sync/faults.ts";
import { origin } from "../../../sync/ids.ts";
import { MEMBERS_MAX } from "../../../sync/limits.ts";
import { askToJoin } from "../../../sync/membership/admission.ts";
import { encodeInvite } from "../../../sync/membership/invite.ts";
import type { Network } from "../../../sync/ports/network.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { simNodeId } from "../../../sync/sim/machine.ts";

const admitter = {
	node: simNodeId("a"),
	multiaddrs: ["/ip4/192.0.2.1/tcp/2401"],
};

const askedOf = (answer: unknown) => {
	const clock = new SimClock({ closed: true });
	const link = encodeInvite({
		...admitter,
		cluster: "c1",
		secret: new Uint8Array(16),
		expiresMilliseconds: clock.now() + 1_000,
	});
	const network = { request: async () => encode(answer) };
	return askToJoin(network as unknown as Network, clock, link, {
		node: simNodeId("n"),
		name: "n",
		hostname: "n.example",
		site: "default",
		multiaddrs: [],
		publicIps: [],
		origin: origin("0123456789abcdef"),
		drive: "",
	});
};

describe("the answer to a request to join", () => {
	it("names the other members: they may send the documents too", async () => {
		const b = simNodeId("b");
		const address = "/ip4/192.0.2.2/tcp/2401";
		expect(await askedOf({ cluster: "c1", members: [[b, [address]]] })).toEqual(
			{
				cluster: "c1",
				sources: [admitter, { node: b, multiaddrs: [address] }],
			},
		);
	});

	it("of an earlier release names none", async () => {
		expect(await askedOf({ cluster: "c1" })).toEqual({
			cluster: "c1",
			sources: [admitter],
		});
	});

	it.each([
		[{ cluster: "another" }],
		[{ cluster: "c1", members: 7 }],
		[{ cluster: "c1", members: [7] }],
		[{ cluster: "c1", members: [["no node id", []]] }],
		[{ cluster: "c1", members: [[simNodeId("b"), 7]] }],
		[
			{
				cluster: "c1",
				members: Array(MEMBERS_MAX + 1).fill([simNodeId("b"), []]),
			},
		],
	])("that makes no sense is refused: %j", async (answer) => {
		const refused = askedOf(answer);
		await expect(refused).rejects.toThrow(/makes no sense/);
		await expect(refused).rejects.toBeInstanceOf(OperatorFault);
	});
});
