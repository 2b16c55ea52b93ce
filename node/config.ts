/** Options of `start` and `join`, read once: option, then environment, then DIR/pmnode.toml, then default. */
import { isIP, isIPv4, isIPv6 } from "node:net";
import { join, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { OperatorFault } from "../sync/faults.ts";
import { isDomain } from "../sync/ids.ts";
import { MEMBERS_MAX } from "../sync/limits.ts";

/** Where to listen; port 0 takes any free port. `undefined` turns the listener off. */
export interface HostPort {
	readonly host: string;
	readonly port: number;
}

export interface NodeConfig {
	/** Folder of everything the node keeps, mode 0700. */
	readonly dataDirectory: string;
	readonly name: string;
	readonly hostname: string;
	readonly site: string;
	readonly smtp: HostPort | undefined;
	readonly submission: HostPort | undefined;
	readonly submissions: HostPort | undefined;
	readonly imap: HostPort | undefined;
	readonly imaps: HostPort | undefined;
	readonly http: HostPort | undefined;
	readonly dns: HostPort | undefined;
	readonly p2p: HostPort;
	/** Multiaddrs that peers dial; empty: the address of `p2p`. */
	readonly announce: readonly string[];
	readonly publicIps: readonly string[];
	readonly tls:
		| { readonly certFile: string; readonly keyFile: string }
		| undefined;
	/** Members that hold a message durably before it is acknowledged, this one included. */
	readonly copies: number;
	readonly whenAlone: "accept" | "defer";
	/** LOGIN/AUTH without TLS also outside loopback. */
	readonly allowPlaintextAuth: boolean;
	/** The operator says that no other member will come. */
	readonly alone: boolean;
	/** No UNAUTHENTICATE (RFC 8437 §8), for proxies that would let through whoever logs in after another. */
	readonly forbidUnauthenticate: boolean;
	readonly logLevel: "debug" | "info" | "warn" | "error";
	readonly logFormat: "text" | "json";
}

/** A setting that cannot be understood: wrong usage, exit status 2. The message names where it was given. */
export class WrongUsage extends OperatorFault {
	override name = "WrongUsage";
}

/** What was given for one setting, and where ("--smtp", "PMNODE_SMTP", "smtp in DIR/pmnode.toml"), for messages. */
interface Given {
	readonly value: unknown;
	readonly source: string;
}

export interface ConfigSources {
	readonly dataDirectory: string;
	/** By option name without dashes (`tls-cert`); undefined or missing: not given. */
	readonly options: Readonly<Record<string, unknown>>;
	readonly environment: Readonly<Record<string, string | undefined>>;
	/** Text of DIR/pmnode.toml, if there is one. */
	readonly toml: string | undefined;
	readonly machineName: string;
	readonly stderrIsTerminal: boolean;
	/** Takes one line for the operator about something that has no effect. */
	readonly warn: (line: string) => void;
}

/**
 * Option, then environment, then DIR/pmnode.toml, then default. Throws WrongUsage with one line that names the setting,
 * where it was given, and what it should look like.
 */
export function readConfig(sources: ConfigSources): NodeConfig {
	const given = finder(sources);
	const defaultName = isNodeName(sources.machineName)
		? sources.machineName
		: "node";
	const name = text(given("name"), defaultName, nodeName);
	const p2p = text(given("p2p"), "127.0.0.1:2401", hostPort);
	if (p2p === undefined)
		throw new WrongUsage(
			"p2p cannot be off: nodes meet there; give it an address such as 127.0.0.1:2401",
		);
	const listen = (setting: ListenerSetting, fallback: string) =>
		text(given(setting), fallback, hostPort);
	return {
		dataDirectory: resolve(sources.dataDirectory),
		name,
		hostname: text(given("hostname"), name, hostName),
		site: text(given("site"), "default", siteName),
		smtp: listen("smtp", "127.0.0.1:2525"),
		submission: listen("submission", "127.0.0.1:2587"),
		submissions: listen("submissions", "127.0.0.1:2465"),
		imap: listen("imap", "127.0.0.1:2143"),
		imaps: listen("imaps", "127.0.0.1:2993"),
		http: listen("http", "127.0.0.1:2080"),
		dns: dnsListener(given("dns"), sources.warn),
		p2p,
		announce: list(given("announce"), dialAddress),
		publicIps: list(given("public-ip"), ipAddress),
		tls: tlsFiles(given),
		copies: text(given("copies"), "2", copies),
		whenAlone: text(given("when-alone"), "accept", oneOf("accept", "defer")),
		allowPlaintextAuth: text(given("allow-plaintext-auth"), "false", truth),
		alone: text(given("alone"), "false", truth),
		forbidUnauthenticate: text(given("forbid-unauthenticate"), "false", truth),
		logLevel: text(
			given("log-level"),
			"info",
			oneOf("debug", "info", "warn", "error"),
		),
		logFormat: text(
			given("log-format"),
			sources.stderrIsTerminal ? "text" : "json",
			oneOf("text", "json"),
		),
	};
}

/** Every setting, named as its option; `PMNODE_` and upper case make the environment variable. */
export const SETTINGS = [
	"name",
	"hostname",
	"site",
	"smtp",
	"submission",
	"submissions",
	"imap",
	"imaps",
	"http",
	"dns",
	"p2p",
	"announce",
	"public-ip",
	"tls-cert",
	"tls-key",
	"copies",
	"when-alone",
	"allow-plaintext-auth",
	"alone",
	"forbid-unauthenticate",
	"log-level",
	"log-format",
] as const;
export type Setting = (typeof SETTINGS)[number];
type ListenerSetting =
	| "smtp"
	| "submission"
	| "submissions"
	| "imap"
	| "imaps"
	| "http";
type Find = (setting: Setting) => Given | undefined;

function finder(sources: ConfigSources): Find {
	const toml = parseToml(sources);
	return (setting) => {
		const option = sources.options[setting];
		if (option !== undefined) return { value: option, source: `--${setting}` };
		const variable = `PMNODE_${setting.toUpperCase().replaceAll("-", "_")}`;
		const environment = sources.environment[variable];
		if (environment !== undefined && environment !== "")
			return { value: environment, source: variable };
		const value = toml[setting];
		if (value !== undefined)
			return { value, source: `${setting} in ${tomlFile(sources)}` };
		return undefined;
	};
}

const tomlFile = (sources: ConfigSources): string =>
	join(sources.dataDirectory, "pmnode.toml");

function parseToml(sources: ConfigSources): Record<string, unknown> {
	if (sources.toml === undefined) return {};
	let parsed: Record<string, unknown>;
	try {
		parsed = parse(sources.toml);
	} catch (error) {
		if (!(error instanceof TomlError)) throw error;
		const what = error.message.split("\n")[0]?.replace(/^.*?: /, "");
		throw new WrongUsage(
			`${tomlFile(sources)} line ${error.line} is not TOML (${what}); correct it`,
		);
	}
	const known = new Set<string>(SETTINGS);
	const unknown = Object.keys(parsed).find((key) => !known.has(key));
	if (unknown !== undefined)
		throw new WrongUsage(
			`${tomlFile(sources)} has an unknown key ${JSON.stringify(unknown)}; known are ${SETTINGS.join(", ")}`,
		);
	return parsed;
}

type Parse<T> = (text: string) => T;
/** What a parser of one setting throws: what the text should look like. `read` puts the rest of the line around it. */
class Malformed extends Error {}

function text<T>(
	given: Given | undefined,
	fallback: string,
	parse: Parse<T>,
): T {
	return given === undefined
		? parse(fallback)
		: read(given, given.value, parse);
}

function list(given: Given | undefined, parse: Parse<string>): string[] {
	if (given === undefined) return [];
	const items = Array.isArray(given.value)
		? given.value
		: String(given.value)
				.split(",")
				.map((item) => item.trim());
	return items.map((item: unknown) => read(given, item, parse));
}

function read<T>(given: Given, value: unknown, parse: Parse<T>): T {
	const isScalar = ["string", "number", "bigint", "boolean"].includes(
		typeof value,
	);
	try {
		if (!isScalar) throw new Malformed("one value");
		return parse(String(value));
	} catch (error) {
		if (!(error instanceof Malformed)) throw error;
		const shown = isScalar ? JSON.stringify(String(value)) : "a structure";
		throw new WrongUsage(
			`${given.source} is ${shown}; it must be ${error.message}`,
		);
	}
}

/**
 * `host:port`, `[v6]:port`, or `off`. A host is an IP address or a name; `*` is not taken, since what it means differs
 * between programs. Throws Malformed.
 */
function hostPort(value: string): HostPort | undefined {
	if (value === "off" || value === "false") return undefined;
	const parts =
		/^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:[\]]+)):(?<port>\d{1,5})$/.exec(
			value,
		)?.groups;
	const host = parts?.v6 ?? parts?.host ?? "";
	const port = Number(parts?.port ?? "NaN");
	const good =
		parts?.v6 === undefined ? isIPv4(host) || isName(host) : isIPv6(host);
	if (!good || !(port <= 65_535))
		throw new Malformed(
			"HOST:PORT such as 127.0.0.1:2525 or [::1]:2525 (port 0 takes any free one), or off",
		);
	return { host, port };
}

/** Digits and dots alone are a mistyped IPv4 address, not a name. */
const isName = (host: string): boolean =>
	isDomain(host) && !/^[\d.]+$/.test(host);

/** The DNS server is not part of this version: the setting is checked, then the listener stays off. */
function dnsListener(
	given: Given | undefined,
	warn: (line: string) => void,
): undefined {
	if (given !== undefined && text(given, "off", hostPort) !== undefined)
		warn(
			`${given.source} has no effect: the DNS server is not part of this version`,
		);
	return undefined;
}

/** A multiaddr as it is, or HOST:PORT made into one. */
function dialAddress(value: string): string {
	const malformed = new Malformed(
		"HOST:PORT with the port that peers dial, or a multiaddr such as /dns4/mail.example.org/tcp/2401",
	);
	if (value.startsWith("/")) {
		if (!/^\/(ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/\d{1,5}(\/|$)/.test(value))
			throw malformed;
		return value;
	}
	let at: HostPort | undefined;
	try {
		at = hostPort(value);
	} catch {
		throw malformed;
	}
	if (at === undefined || at.port === 0) throw malformed;
	const family = isIPv4(at.host) ? "ip4" : isIPv6(at.host) ? "ip6" : "dns";
	return `/${family}/${at.host}/tcp/${at.port}`;
}

function ipAddress(value: string): string {
	if (isIP(value) === 0) throw new Malformed("an IP address");
	return value;
}

function tlsFiles(given: Find): NodeConfig["tls"] {
	const path = (value: string) => {
		if (value === "") throw new Malformed("the name of a file");
		return resolve(value);
	};
	const certificate = given("tls-cert");
	const key = given("tls-key");
	if (certificate === undefined && key === undefined) return undefined;
	if (certificate === undefined || key === undefined)
		throw new WrongUsage(
			`${(certificate ?? key)?.source} is given alone; give tls-cert and tls-key together, or neither`,
		);
	return {
		certFile: read(certificate, certificate.value, path),
		keyFile: read(key, key.value, path),
	};
}

/** A name in the cluster will also be a DNS label below each mail domain. */
const isNodeName = (value: string): boolean =>
	isDomain(value) && value.length <= 63;

function nodeName(value: string): string {
	if (!isNodeName(value))
		throw new Malformed("letters, digits, hyphens and dots, at most 63");
	return value;
}

function hostName(value: string): string {
	if (!isDomain(value))
		throw new Malformed("a host name such as mx1.example.org");
	return value;
}

function siteName(value: string): string {
	if (!/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,62}$/u.test(value))
		throw new Malformed("a short name of letters, digits, dots and hyphens");
	return value;
}

function copies(value: string): number {
	const count = /^\d{1,3}$/.test(value) ? Number(value) : 0;
	if (count < 1 || count > MEMBERS_MAX)
		throw new Malformed(`a number from 1 to ${MEMBERS_MAX}`);
	return count;
}

const oneOf =
	<const T extends string>(...allowed: readonly T[]): Parse<T> =>
	(value) => {
		const found = allowed.find((one) => one === value);
		if (found === undefined) throw new Malformed(allowed.join(" or "));
		return found;
	};

function truth(value: string): boolean {
	if (["true", "1", "yes", "on"].includes(value)) return true;
	if (["false", "0", "no", "off"].includes(value)) return false;
	throw new Malformed("true or false");
}
