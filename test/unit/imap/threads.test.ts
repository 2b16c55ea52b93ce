/** Answers of THREAD that are held are given for the same messages only. */
import { expect, test } from "vitest";
import type { Candidate } from "../../../node/imap/search/match.ts";
import { ThreadAnswers } from "../../../node/imap/search/threads.ts";
import type { Selected } from "../../../node/imap/selected.ts";

const selected = (id: string, uidValidity = 1) =>
	({ mailbox: { id, uidValidity } }) as Selected;
const messages = (...uids: number[]) =>
	uids.map((uid, at) => ({ uid, number: at + 1 })) as unknown as Candidate[];

test("only the same messages of the same mailbox, asked for in the same way, are answered from memory", async () => {
	const answers = new ThreadAnswers();
	let made = 0;
	const ask = async (
		of: Selected,
		found: readonly Candidate[],
		algorithm = "REFERENCES",
		byUid = true,
	) => {
		const before = made;
		await answers.answer(of, { algorithm, byUid }, found, async () => {
			made++;
			return "(1)(2)";
		});
		return made > before;
	};
	const box = selected("a");
	expect(await ask(box, messages(10, 20))).toBe(true);
	expect(await ask(box, messages(10, 20))).toBe(false);
	expect(await ask(box, messages(10, 20), "ORDEREDSUBJECT")).toBe(true);
	expect(await ask(box, messages(10, 20), "REFERENCES", false)).toBe(true);
	expect(await ask(selected("b"), messages(10, 20))).toBe(true);
	expect(await ask(selected("a", 2), messages(10, 20))).toBe(true);
	expect(await ask(box, messages(10, 21))).toBe(true);
	expect(await ask(box, messages(10, 21, 30))).toBe(true);
	// Others have gone before them: their numbers are others.
	const moved = messages(5, 10, 21, 30).slice(1);
	expect(await ask(box, moved)).toBe(true);
	expect(await ask(box, moved)).toBe(false);
});
