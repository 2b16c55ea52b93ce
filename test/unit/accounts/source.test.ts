import { expect, test } from "vitest";
import { isLoopback, sourceOf } from "../../../node/accounts/source.ts";

test.each([
	["192.0.2.1", "192.0.2.1"],
	["::ffff:192.0.2.1", "192.0.2.1"],
	["2001:db8::1", "2001:db8:0:0::/64"],
	["2001:DB8:0:0:ffff::9", "2001:db8:0:0::/64"],
	["2001:0db8:0000:0001::", "2001:db8:0:1::/64"],
	["fe80::1%eth0", "fe80:0:0:0::/64"],
	["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
	["::1", "0:0:0:0::/64"],
	["", ""],
])("%s counts as %s", (ip, source) => {
	expect(sourceOf(ip)).toBe(source);
});

test.each([
	["127.0.0.1", true],
	["127.255.0.9", true],
	["::1", true],
	["0:0:0:0:0:0:0:1", true],
	["::ffff:127.0.0.1", true],
	["128.0.0.1", false],
	["::2", false],
	["::", false],
	["127.evil", false],
	["", false],
])("%s is loopback: %s", (ip, loopback) => {
	expect(isLoopback(ip)).toBe(loopback);
});
