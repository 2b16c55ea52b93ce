/** Accounts folded in memory: a bounded number, and never half of a batch. */
import { expect, it } from "vitest";
import {
	AccountStates,
	roleMailbox,
} from "../../../sync/directory/accounts.ts";
import { FlatDocument } from "../../../sync/documents/flat.ts";
import { accountDocument, keys } from "../../../sync/documents/shapes.ts";
import {
	type AccountId,
	deriveId,
	type MailboxId,
	origin,
	type Sequence,
} from "../../../sync/ids.ts";
import { ACCOUNTS_FOLDED_MAX } from "../../../sync/limits.ts";
import { Batch } from "../../../sync/log/batch.ts";
import type { KeyChange, Transaction } from "../../../sync/log/ledger.ts";
import type { Clock } from "../../../sync/ports/clock.ts";
import { ALL_RULES } from "../../../sync/rules.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const me = origin("a".repeat(16));
const idOf = (number: number): AccountId => `account${number}` as AccountId;

function world() {
	const store = new MemoryStore();
	// One for all: each would cost milliseconds.
	const shared = FlatDocument.create(16, me);
	let opened = 0;
	const document = (): FlatDocument => {
		opened++;
		return shared;
	};
	const states = new AccountStates({
		store,
		clock: {} as Clock,
		rules: ALL_RULES,
		document,
		numbers: () => false,
		flush: () => {},
	});
	/** As a batch folds it, before the document has it. */
	const fold = (account: AccountId, passwordHash: string): void => {
		const tx: Transaction = {
			batch: new Batch(store),
			edit: () => {},
			editNew: () => {},
			editFolded: () => 1 as Sequence,
			isDamaged: () => false,
		};
		states.fold(tx, {
			document: accountDocument(account),
			key: keys.password,
			origin: me,
			sequence: 1 as KeyChange["sequence"],
			values: [passwordHash],
		});
	};
	const emit = (passwordHash: string) =>
		shared.change([{ key: keys.password, set: passwordHash }]);
	return { states, fold, emit, opened: () => opened };
}

it("who is not looked at is read again, beyond a bound", () => {
	const { states, opened } = world();
	const stop = states.onChange(idOf(0), () => {});
	const first = states.get(idOf(0));
	for (let i = 1; i < ACCOUNTS_FOLDED_MAX + 50; i++) {
		states.get(idOf(i));
		states.get(idOf(1));
	}
	expect(states.held).toBe(ACCOUNTS_FOLDED_MAX);
	const before = opened();
	expect(states.get(idOf(0))).toBe(first);
	states.get(idOf(1));
	expect(opened()).toBe(before);
	states.get(idOf(2));
	expect(opened()).toBe(before + 1);
	stop();
});

it("what was read in the midst of a batch that changes it is read again after it", () => {
	const { states, fold, emit } = world();
	fold(idOf(1), "new");
	expect(states.get(idOf(1)).passwordHash).toBeUndefined();
	emit("new");
	states.committed();
	expect(states.get(idOf(1)).passwordHash).toBe("new");
});

it("where mail goes follows the mailbox that took the place of a used up one", () => {
	const state = world().states.get(idOf(1));
	const first = roleMailbox(idOf(1), "inbox");
	expect(state.builtIn("inbox")).toBe(first);
	expect(state.builtIn("sent")).toBe(roleMailbox(idOf(1), "sent"));
	const second = deriveId<MailboxId>("renewed", first);
	const register = { parent: null, leaf: "INBOX", stamp: 1, role: "inbox" };
	state.set(keys.mailboxName(second), [JSON.stringify(register)]);
	expect(state.builtIn("inbox")).toBe(second);
	expect(state.builtIn("sent")).toBe(roleMailbox(idOf(1), "sent"));
});
