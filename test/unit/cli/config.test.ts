import { describe, expect, test } from "vitest";
import {
	type ConfigSources,
	readConfig,
	WrongUsage,
} from "../../../node/config.ts";

const warnings: string[] = [];
const read = (given: Partial<ConfigSources>) =>
	readConfig({
		dataDirectory: "/data",
		options: {},
		environment: {},
		toml: undefined,
		machineName: "mx1",
		stderrIsTerminal: false,
		warn: (line) => warnings.push(line),
		...given,
	});
const at = (host: string, port: number) => ({ host, port });

describe("settings", () => {
	test("have the contract's defaults", () => {
		expect(read({})).toEqual({
			dataDirectory: "/data",
			name: "mx1",
			hostname: "mx1",
			site: "default",
			smtp: at("127.0.0.1", 2525),
			submission: at("127.0.0.1", 2587),
			submissions: at("127.0.0.1", 2465),
			imap: at("127.0.0.1", 2143),
			imaps: at("127.0.0.1", 2993),
			http: at("127.0.0.1", 2080),
			dns: undefined,
			p2p: at("127.0.0.1", 2401),
			announce: [],
			publicIps: [],
			tls: undefined,
			copies: 2,
			whenAlone: "accept",
			alone: false,
			allowPlaintextAuth: false,
			forbidUnauthenticate: false,
			logLevel: "info",
			logFormat: "json",
		});
		expect(read({ stderrIsTerminal: true }).logFormat).toBe("text");
		expect(read({ machineName: "bad name!" }).name).toBe("node");
	});

	test("come from the option, then the environment, then pmnode.toml", () => {
		const toml = 'imap = "10.0.0.3:3"\ncopies = 3';
		const environment = { PMNODE_IMAP: "10.0.0.2:2", PMNODE_SITE: "" };
		const options = { imap: "10.0.0.1:1" };
		expect(read({ toml }).imap).toEqual(at("10.0.0.3", 3));
		expect(read({ toml, environment }).imap).toEqual(at("10.0.0.2", 2));
		expect(read({ toml, environment, options }).imap).toEqual(
			at("10.0.0.1", 1),
		);
		expect(read({ toml, environment })).toMatchObject({
			copies: 3,
			site: "default", // an empty variable is as good as none
		});
	});

	test("the hostname is the name unless given", () => {
		expect(read({ options: { name: "a" } }).hostname).toBe("a");
		expect(
			read({ options: { name: "a", hostname: "mx.example.org" } }).hostname,
		).toBe("mx.example.org");
	});

	test.each([
		["[::1]:25", at("::1", 25)],
		["localhost:0", at("localhost", 0)],
		["0.0.0.0:65535", at("0.0.0.0", 65535)],
		["off", undefined],
	])("listen at %s", (smtp, expected) => {
		expect(read({ options: { smtp } }).smtp).toEqual(expected);
	});

	test.each([
		"foo",
		"127.0.0.1",
		"127.0.0.1:",
		":25",
		"127.0.0.1:65536",
		"127.0.0.1:2525x",
		"127.0.0.1:-1",
		"::1:25",
		"[127.0.0.1]:25",
		"1.2.3.4.5:25",
		"999.1.1.1:25",
		"a b:25",
		"",
	])("never listen at %j", (smtp) => {
		expect(() => read({ options: { smtp } })).toThrow(
			/^--smtp is .*; it must be HOST:PORT/,
		);
	});

	test("name where a wrong one was given", () => {
		expect(() => read({ environment: { PMNODE_COPIES: "0" } })).toThrow(
			'PMNODE_COPIES is "0"; it must be a number from 1 to 64',
		);
		expect(() => read({ toml: "when-alone = 7" })).toThrow(
			'when-alone in /data/pmnode.toml is "7"; it must be accept or defer',
		);
		expect(() => read({ toml: "smtp = { a = 1 }" })).toThrow(
			"smtp in /data/pmnode.toml is a structure; it must be one value",
		);
	});

	test("refuse what pmnode.toml should not hold, in one line", () => {
		const wrong = (toml: string) => () => read({ toml });
		expect(wrong('smpt = "x"')).toThrow(
			/^\/data\/pmnode.toml has an unknown key "smpt"; known are name, /,
		);
		expect(wrong("smtp = ")).toThrow(/^\/data\/pmnode.toml line 1 is not TOML/);
		for (const toml of ['smpt = "x"', "a = [\n", "smtp = ", "\u{0}"])
			expect(wrong(toml)).toThrow(
				expect.objectContaining({
					name: "WrongUsage",
					message: expect.not.stringContaining("\n"),
				}),
			);
	});

	test("p2p cannot be off", () => {
		expect(() => read({ options: { p2p: "off" } })).toThrow(WrongUsage);
	});

	test("dns is checked, and stays off with a word about it", () => {
		warnings.length = 0;
		expect(read({ options: { dns: "off" } }).dns).toBeUndefined();
		expect(warnings).toEqual([]);
		expect(read({ options: { dns: "127.0.0.1:2053" } }).dns).toBeUndefined();
		expect(warnings).toEqual([
			"--dns has no effect: the DNS server is not part of this version",
		]);
		expect(() => read({ options: { dns: "x" } })).toThrow(WrongUsage);
	});

	test("announce takes addresses and multiaddrs", () => {
		const announce = (text: string) =>
			read({ options: { announce: text } }).announce;
		expect(
			announce("1.2.3.4:5, [2001:db8::1]:6,mx.example.org:7,/dns4/x.org/tcp/8"),
		).toEqual([
			"/ip4/1.2.3.4/tcp/5",
			"/ip6/2001:db8::1/tcp/6",
			"/dns/mx.example.org/tcp/7",
			"/dns4/x.org/tcp/8",
		]);
		expect(
			read({ toml: 'announce = ["1.2.3.4:5"]\npublic-ip = ["::1"]' }),
		).toMatchObject({ announce: ["/ip4/1.2.3.4/tcp/5"], publicIps: ["::1"] });
		for (const text of ["off", "1.2.3.4:0", "/ip4/1.2.3.4", "1.2.3.4:5,"])
			expect(() => announce(text)).toThrow(WrongUsage);
	});

	test("a certificate needs its key", () => {
		expect(
			read({ options: { "tls-cert": "/c.pem", "tls-key": "/k.pem" } }).tls,
		).toEqual({ certFile: "/c.pem", keyFile: "/k.pem" });
		expect(() => read({ options: { "tls-cert": "/c.pem" } })).toThrow(
			"--tls-cert is given alone",
		);
	});

	test.each([
		["name", "a b"],
		["name", "x".repeat(64)],
		["site", "-"],
		["hostname", "a..b"],
		["public-ip", "1.2.3"],
		["copies", "65"],
		["copies", "2.5"],
		["log-level", "loud"],
		["log-format", "xml"],
		["allow-plaintext-auth", "maybe"],
		["forbid-unauthenticate", "maybe"],
	])("refuse --%s %j", (name, value) => {
		expect(() => read({ options: { [name]: value } })).toThrow(WrongUsage);
	});
});
