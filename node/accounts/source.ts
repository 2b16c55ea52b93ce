/** Where a client comes from, as far as limits per source are concerned. */
import { isIPv4, isIPv6 } from "node:net";

/**
 * The unit that limits count by: an IPv4 address, or the /64 of an IPv6 address, for whoever has one of its addresses
 * has them all. IPv4-mapped IPv6 addresses are IPv4. Anything else stands for itself.
 */
export function sourceOf(remoteIp: string): string {
	const ip = unmapped(remoteIp);
	if (!isIPv6(ip)) return ip;
	return `${expandIPv6(ip).slice(0, 4).join(":")}::/64`;
}

/** All of 127/8 and ::1. */
export function isLoopback(remoteIp: string): boolean {
	const ip = unmapped(remoteIp);
	if (isIPv4(ip)) return ip.startsWith("127.");
	return isIPv6(ip) && expandIPv6(ip).join(":") === "0:0:0:0:0:0:0:1";
}

/** `::ffff:192.0.2.1` → `192.0.2.1`; zone identifiers (`%eth0`) go. */
const unmapped = (ip: string): string =>
	ip.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");

/** The eight groups, lower-case hex without leading zeros. */
function expandIPv6(ip: string): string[] {
	const [head = "", tail] = ip.toLowerCase().split("::");
	const before = groups(head);
	const after = tail === undefined ? [] : groups(tail);
	const zeros = Array<string>(8 - before.length - after.length).fill("0");
	return [...before, ...zeros, ...after];
}

const groups = (text: string): string[] =>
	text === ""
		? []
		: text.split(":").flatMap((group) => {
				if (!group.includes(".")) return [trimmed(group)];
				const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
				return [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)];
			});

const trimmed = (group: string): string => group.replace(/^0+(?=.)/, "");
