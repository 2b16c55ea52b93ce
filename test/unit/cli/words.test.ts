import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { duration, durationText } from "../../../cli/duration.ts";
import { failure } from "../../../cli/failure.ts";
import { wantsColour } from "../../../cli/terminal.ts";
import { WrongUsage } from "../../../node/config.ts";
import {
	missingText,
	statusText,
	uptimeText,
} from "../../../node/status-text.ts";
import { OperatorFault, Temporary } from "../../../sync/faults.ts";
import { address } from "../../../sync/ids.ts";
import { STATUS } from "../fake-node.ts";

describe("durations", () => {
	test.each([
		["500ms", 500],
		["60s", 60_000],
		["5m", 300_000],
		["1h", 3_600_000],
		["1.5h", 5_400_000],
		["7d", 604_800_000],
	])("%s", (text, milliseconds) => {
		expect(duration(text)).toBe(milliseconds);
	});
	test.each(["", "5", "s", "-1s", "1 s", "1w", "1e3s", "1s2", "∞s"])(
		"not %j",
		(text) => {
			expect(() => duration(text)).toThrow("a number with a unit");
		},
	);
	test("and back", () => {
		expect([200, 60_000, 90_000, 7_200_000].map(durationText)).toEqual([
			"200 ms",
			"1 m",
			"90 s",
			"2 h",
		]);
	});
});

describe("a failure", () => {
	const of = (error: unknown) => failure(error, {});
	const thrown = (run: () => unknown): unknown => {
		try {
			return run();
		} catch (error) {
			return error;
		}
	};

	test("has its status by whose fault it is, and one line", () => {
		expect(of(new OperatorFault("no room;\n make some"))).toEqual({
			exitStatus: 1,
			line: "pmnode: no room; make some",
		});
		expect(of(new Temporary("later")).exitStatus).toBe(1);
		expect(of(new WrongUsage("so not")).exitStatus).toBe(2);
		expect(of(thrown(() => address("anna")))).toEqual({
			exitStatus: 2,
			line: 'pmnode: not a mail address: "anna"',
		});
	});

	test("cannot move the cursor of a terminal", () => {
		expect(of(new OperatorFault("x\u{1b}[2J\u{202e}")).line).toBe(
			"pmnode: x\\u{1b}[2J\\u{202e}",
		);
	});

	test("of the system names the port, also through wrappers", () => {
		const taken = Object.assign(new Error("listen"), {
			code: "EADDRINUSE",
			address: "::1",
			port: 2525,
		});
		const wrapped = new Error("x", { cause: new AggregateError([taken]) });
		expect(of(wrapped)).toEqual({
			exitStatus: 1,
			line: "pmnode: port [::1]:2525 is taken; stop what listens there, or give another port",
		});
	});

	test("of ours says so, and shows where on demand", () => {
		const bug = new TypeError("x is undefined");
		expect(of(bug).line).toMatch(/^pmnode: failed inside: x is undefined; .*$/);
		expect(failure(bug, { PMNODE_DEBUG: "1" }).line).toContain("words.test");
	});
});

describe("status in words", () => {
	test("is a table for people", () => {
		expect(statusText(STATUS, false)).toEqual([
			"node     a, ready, up 12 s, version 0.1.0, pid 4242",
			"cluster  2 members up of 3, converged",
			"mail     1042 messages in 2 accounts, 0 queued, all with enough copies",
			"",
			"NODE  STATE    ROUND TRIP  MISSING",
			"a     ready    this node",
			"b     up       1.2 ms      nothing",
			"c     suspect  35 ms       12 changes, 1 body",
			"",
			"smtp         127.0.0.1:2525",
			"submission   127.0.0.1:2587",
			"submissions  127.0.0.1:2465",
			"imap         127.0.0.1:2143",
			"imaps        127.0.0.1:2993",
			"http         127.0.0.1:2080",
			"dns          off",
			"p2p          127.0.0.1:2401",
		]);
	});

	test("colour adds nothing but colour", () => {
		const bare = (line: string) => stripVTControlCharacters(line).trimEnd();
		const painted = statusText(STATUS, true);
		expect(painted.join("")).toContain("\u{1b}[33msuspect\u{1b}[0m");
		expect(painted.map(bare)).toEqual(statusText(STATUS, false));
	});

	test("the name of another node cannot forge lines", () => {
		const peer = { ...STATUS.peers[0], name: "b\n\u{1b}[31mroot" } as const;
		const lines = statusText(
			{ ...STATUS, peers: [peer as (typeof STATUS.peers)[number]] },
			false,
		);
		expect(lines.find((line) => line.startsWith("b"))).toContain(
			"b\\u{a}\\u{1b}[31mroot",
		);
	});

	test("a member that was admitted and never came is told from one that is down", () => {
		const [peer] = STATUS.peers;
		if (peer === undefined) throw new Error("no peer");
		const lines = statusText(
			{ ...STATUS, peers: [{ ...peer, state: "down", neverCame: true }] },
			false,
		);
		expect(lines.find((line) => line.startsWith("b"))).toMatch(
			/^b +down .*never came: join it again, or remove it$/,
		);
	});

	test("a member that refuses what was made here is named with its reason, which cannot forge lines", () => {
		const [peer] = STATUS.peers;
		if (peer === undefined) throw new Error("no peer");
		const refuses = "change 7: it is\nbad";
		const lines = statusText(
			{ ...STATUS, peers: [{ ...peer, missingChanges: 3, refuses }] },
			false,
		);
		expect(lines.find((line) => line.startsWith("b"))).toMatch(
			/ 3 changes: it refuses what this node made \(change 7: it is\\u\{a\}bad\); run the same/,
		);
	});

	test("counts and times as people say them", () => {
		const peer = STATUS.peers[0] as (typeof STATUS.peers)[number];
		const missing = (missingChanges: number, missingBodies: number) =>
			missingText({ ...peer, missingChanges, missingBodies });
		expect([
			missing(0, 0),
			missing(1, 0),
			missing(0, 2),
			missing(3, 1),
		]).toEqual(["nothing", "1 change", "2 bodies", "3 changes, 1 body"]);
		expect([0.4, 59, 185, 15_000, 1_050_000].map(uptimeText)).toEqual([
			"0 s",
			"59 s",
			"3 min 5 s",
			"4 h 10 min",
			"12 d 3 h",
		]);
	});

	test("colour only on a terminal, and not against NO_COLOR", () => {
		expect(wantsColour({ isTTY: true }, {})).toBe(true);
		expect(wantsColour({}, {})).toBe(false);
		expect(wantsColour({ isTTY: true }, { NO_COLOR: "1" })).toBe(false);
		expect(wantsColour({ isTTY: true }, { NO_COLOR: "" })).toBe(true);
		expect(wantsColour({ isTTY: true }, { TERM: "dumb" })).toBe(false);
	});
});
