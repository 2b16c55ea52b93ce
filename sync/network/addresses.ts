/** Where a node listens and where it is dialled, between `H:P`, multiaddrs and what sockets want. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { multiaddr } from "@multiformats/multiaddr";
import { OperatorFault } from "../faults.ts";
import { isDomain } from "../ids.ts";

/** Host (name, IPv4 or IPv6 without brackets) and port. The same shape as in node/config.ts. */
export interface HostPort {
	readonly host: string;
	readonly port: number;
}

/** `/ip4/…/tcp/…`, `/ip6/…/tcp/…` or `/dns/…/tcp/…` (resolved by whoever dials). */
export function toMultiaddr({ host, port }: HostPort): string {
	const family = isIP(host);
	return `/${family === 0 ? "dns" : `ip${family}`}/${host}/tcp/${port}`;
}

/** As toMultiaddr, but a name is resolved here, because a socket is bound to an address. */
export async function toListenMultiaddr(listen: HostPort): Promise<string> {
	if (isIP(listen.host) !== 0) return toMultiaddr(listen);
	try {
		const { address } = await lookup(listen.host);
		return toMultiaddr({ host: address, port: listen.port });
	} catch {
		throw new OperatorFault(
			`cannot listen on ${listen.host}: the name has no address; give an IP address`,
		);
	}
}

/**
 * What `--announce` takes, as a multiaddr: a multiaddr or `H:P` (IPv6 in brackets). Port 0 becomes `port`, the one that
 * is listened on. Throws OperatorFault for anything else.
 */
export function parseAnnounce(text: string, port: number): string {
	const given = text.startsWith("/") ? text : fromHostPort(text);
	try {
		const parsed = multiaddr(given.replace(/\/tcp\/0(?=\/|$)/, `/tcp/${port}`));
		const names = parsed.getComponents().map(({ name }) => name);
		if (!names.includes("tcp")) throw new Error("no TCP port");
		return withoutPeer(parsed.toString());
	} catch {
		throw new OperatorFault(
			`--announce ${text}: want a multiaddr such as /ip4/192.0.2.1/tcp/2401, or host:port`,
		);
	}
}

function fromHostPort(text: string): string {
	const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
	const host = match?.[1] ?? match?.[2] ?? "";
	const port = Number(match?.[3]);
	const isHost = isIP(host) !== 0 || isDomain(host);
	return isHost && port <= 65_535 ? toMultiaddr({ host, port }) : "";
}

/** The address without its `/p2p/<peer id>`, which is known otherwise. */
export const withoutPeer = (address: string): string =>
	address.replace(/\/p2p\/[^/]+$/, "");

/** The TCP port in a multiaddr, 0 if there is none. */
export const portOf = (address: string): number =>
	Number(/\/tcp\/(\d+)/.exec(address)?.[1] ?? 0);

/** The IP address in a multiaddr of an accepted connection; IPv6 by its /64, which is one customer. */
export function sourceOf(address: string): string {
	const host = /^\/ip[46]\/([^/]+)/.exec(address)?.[1] ?? "";
	if (!host.includes(":") || host.startsWith("::ffff:")) return host;
	const [head = "", tail] = host.split("::");
	const left = head.split(":");
	const missing =
		tail === undefined ? 0 : 8 - left.length - tail.split(":").length;
	const groups = [
		...left,
		...new Array<string>(Math.max(0, missing)).fill("0"),
	];
	return groups.slice(0, 4).join(":");
}
