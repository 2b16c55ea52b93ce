import { expect, test } from "vitest";
import { createLog } from "../../../node/log.ts";

function diary(format: "text" | "json", colour = false) {
	const lines: string[] = [];
	const log = createLog({
		level: "info",
		format,
		colour,
		stream: { write: (line) => lines.push(line) },
		clock: { now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) },
	});
	return { log, lines };
}

test("JSON: one object a line, levels as words, children repeat their fields", () => {
	const { log, lines } = diary("json");
	log.debug("not shown");
	log.child({ peer: "b" }).warn("slow", { milliseconds: 7 });
	expect(lines.map((line) => JSON.parse(line))).toEqual([
		{
			level: "warn",
			time: "2026-01-02T03:04:05.006Z",
			peer: "b",
			milliseconds: 7,
			message: "slow",
		},
	]);
	expect(lines[0]).toMatch(/^[^\n]*\n$/);
});

test("text: one readable line, whatever is in it", () => {
	const { log, lines } = diary("text");
	log.info("peer\nis up", { peer: "b", note: "two words\u{1b}[2J", count: 3 });
	expect(lines).toEqual([
		'03:04:05.006 info  peer\\u{a}is up  peer=b note="two words\\u001b[2J" count=3\n',
	]);
});

test("an error keeps its message and where it was", () => {
	for (const format of ["json", "text"] as const) {
		const { log, lines } = diary(format);
		log.error("failed", { error: new RangeError("too far") });
		expect(lines.join("")).toMatch(/RangeError.*too far.*log\.test/);
		expect(lines.join("").split("\n").length).toBe(2);
	}
});

test("colour when asked for", () => {
	const { log, lines } = diary("text", true);
	log.error("x");
	expect(lines).toEqual(["03:04:05.006 \u{1b}[31merror\u{1b}[0m x\n"]);
});
