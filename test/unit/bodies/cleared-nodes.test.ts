/** What is left of a drive when much of it was cleared comes to whoever wants it. */
import { afterEach, beforeEach, expect, it } from "vitest";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import { fetchAll, Members, putSome } from "./members.ts";

let members: Members;
beforeEach(() => {
	members = new Members();
});
afterEach(() => members.end());

it.each([
	["every other body", (at: number) => at % 2 === 1],
	["all but each fifth", (at: number) => at % 5 !== 0],
	["the second half", (at: number) => at >= 20],
])("cleared: %s", async (_, goes) => {
	const [a, b] = await members.three();
	const bodies = await putSome(a, 40);
	const gone = bodies.filter((__, at) => goes(at));
	const ranges = gone.map(({ blob: [, start, count] }: BodyRef) => ({
		start,
		end: start + count,
	}));
	await a.bodies.clear(a.bodies.drive, ranges);
	await members.connect(a, b);
	const left = bodies.filter((__, at) => !goes(at));
	await fetchAll(b, left);
	for (const body of left) expect(await b.bodies.verify(body)).toBe("whole");
	expect(b.log.lines.map(({ message }) => message)).not.toContain(
		"a body stream ended",
	);
	expect(a.log.lines.map(({ message }) => message)).not.toContain(
		"a body stream ended",
	);
});
