/** Join links: what is not one ends with one clear line, whatever it is. */
import { createHash } from "node:crypto";
import { encode } from "cborg";
import fc from "fast-check";
import { expect, it } from "vitest";
import { OperatorFault } from "../../../sync/faults.ts";
import type { NodeId } from "../../../sync/ids.ts";
import { decodeInvite, encodeInvite } from "../../../sync/membership/invite.ts";

const invite = {
	cluster: "c",
	node: "12D3KooWaxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" as NodeId,
	multiaddrs: ["/ip4/127.0.0.1/tcp/2401"],
	secret: Uint8Array.of(1, 2, 3),
	expiresMilliseconds: 1_000,
};

/** With the checksum that it should have. */
function linkOf(body: Uint8Array): string {
	const sum = createHash("sha256")
		.update("pmnode-join:")
		.update(body)
		.digest()
		.subarray(0, 6);
	return `pmnode-join:${Buffer.concat([body, sum]).toString("base64url")}`;
}

const refused = (link: string): void => {
	let fault: unknown;
	try {
		decodeInvite(link);
	} catch (error) {
		fault = error;
	}
	expect(fault).toBeInstanceOf(OperatorFault);
	expect((fault as Error).message).not.toContain("\n");
};

it("a link says what it was made of", () => {
	expect(decodeInvite(` ${encodeInvite(invite)}\n`)).toEqual(invite);
});

it("anything else is refused in one line", () => {
	for (const text of ["", "pmnode-join:", "pmnode-join:AA", "https://x"])
		refused(text);
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 80 }), (body) => {
			refused(linkOf(body));
		}),
	);
	fc.assert(
		fc.property(fc.anything(), (value) => {
			try {
				encode(value);
			} catch {
				return; // nothing that could be in a link
			}
			refused(linkOf(encode(value)));
		}),
	);
	const { cluster, node, multiaddrs, secret } = invite;
	for (const fields of [
		[cluster, node, multiaddrs, secret],
		[cluster, "nobody", multiaddrs, secret, 1],
		[cluster, node, [1], secret, 1],
		[cluster, node, multiaddrs, "secret", 1],
		[1, node, multiaddrs, secret, 1],
	])
		refused(linkOf(encode(fields)));
});
