/**
 * Answers of THREAD, held between commands: what a UID names never changes, so the same messages have the same threads.
 * Clients ask again and again of a mailbox in which nothing has come or gone.
 */
import { THREADS_BYTES_MAX } from "../../../sync/limits.ts";
import { ByteLru } from "../../mime/lru.ts";
import type { Selected } from "../selected.ts";
import type { Hit } from "./match.ts";

interface Answer {
	/** Of which messages: UIDs, and the numbers they had. */
	readonly uids: Uint32Array;
	readonly numbers: Uint32Array;
	readonly text: string;
}

export class ThreadAnswers {
	readonly #answers = new ByteLru<Answer>(THREADS_BYTES_MAX);

	/** The answer about these; `make` is asked where it is not held. */
	async answer(
		{ mailbox }: Selected,
		how: { readonly algorithm: string; readonly byUid: boolean },
		found: readonly Hit[],
		make: () => Promise<string>,
	): Promise<string> {
		const key = `${mailbox.id}/${mailbox.uidValidity}/${how.algorithm}/${how.byUid}`;
		const held = this.#answers.get(key);
		if (held !== undefined && isOf(held, found)) return held.text;
		const text = await make();
		this.#answers.set(
			key,
			{
				uids: Uint32Array.from(found, ({ uid }) => uid),
				numbers: Uint32Array.from(found, ({ number }) => number),
				text,
			},
			300 + 8 * found.length + text.length,
		);
		return text;
	}
}

const isOf = ({ uids, numbers }: Answer, found: readonly Hit[]): boolean =>
	uids.length === found.length &&
	found.every(
		({ uid, number }, at) => uid === uids[at] && number === numbers[at],
	);
