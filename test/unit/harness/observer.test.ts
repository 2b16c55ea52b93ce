import { expect, test } from "vitest";
import { Observer } from "../../cluster/observer.ts";

/** What must be found in the splits of test/cluster, planted. */
const message = (uid: number, name: string) => ({
	uid,
	flags: [],
	messageId: `<${name}>`,
});

test("the same UIDs on two nodes, and new ones above, are in order", () => {
	const observer = new Observer();
	observer.saw("a", [message(1, "x"), message(2, "y")]);
	observer.saw("b", [message(2, "y")]);
	observer.saw("a", [message(1, "x"), message(3, "z")]);
	// Told before, gone for a moment, and back under its number: allowed.
	observer.saw("a", [message(1, "x"), message(2, "y"), message(3, "z")]);
	expect(observer.contradictions).toEqual([]);
});

test("one UID for two messages is found, also on different nodes and at different times", () => {
	const observer = new Observer();
	observer.saw("a", [message(5, "x")]);
	observer.saw("a", []);
	observer.saw("b", [message(5, "y")]);
	expect(observer.contradictions).toEqual([
		"UID 5 named <x>, and on b it names <y>",
	]);
});

test("a message that appears below what the node had told is found", () => {
	const observer = new Observer();
	observer.saw("a", [message(7, "x")]);
	observer.saw("b", [message(3, "y"), message(7, "x")]);
	observer.saw("a", [message(3, "y"), message(7, "x")]);
	expect(observer.contradictions).toEqual([
		"a newly shows UID 3, but had told 7",
	]);
});
