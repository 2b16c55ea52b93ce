/**
 * The table of commands: name, states it is legal in, whether message numbers must keep their meaning while it runs, and
 * what runs it. A new command is a file in command/ and its rows here (and its word in capability.ts).
 */
import { append } from "./command/append.ts";
import { authenticate } from "./command/authenticate.ts";
import { capability } from "./command/capability.ts";
import { check } from "./command/check.ts";
import { close } from "./command/close.ts";
import { compress } from "./command/compress.ts";
import { copy } from "./command/copy.ts";
import { create } from "./command/create.ts";
import { remove } from "./command/delete.ts";
import { enable } from "./command/enable.ts";
import { expunge } from "./command/expunge.ts";
import { fetch } from "./command/fetch.ts";
import { id } from "./command/id.ts";
import { idle } from "./command/idle.ts";
import { list } from "./command/list.ts";
import { login } from "./command/login.ts";
import { logout } from "./command/logout.ts";
import { lsub } from "./command/lsub.ts";
import { getMetadata, setMetadata } from "./command/metadata.ts";
import { move } from "./command/move.ts";
import { namespace } from "./command/namespace.ts";
import { noop } from "./command/noop.ts";
import { notify } from "./command/notify.ts";
import { getQuota, getQuotaRoot, setQuota } from "./command/quota.ts";
import { rename } from "./command/rename.ts";
import { replace } from "./command/replace.ts";
import { search } from "./command/search.ts";
import { examine, select } from "./command/select.ts";
import { sort } from "./command/sort.ts";
import { startTls } from "./command/starttls.ts";
import { statusCommand } from "./command/status.ts";
import { store } from "./command/store.ts";
import { subscribe, unsubscribe } from "./command/subscribe.ts";
import { thread } from "./command/thread.ts";
import { unauthenticate } from "./command/unauthenticate.ts";
import { unselect } from "./command/unselect.ts";
import type { Command, State } from "./session.ts";

const before: readonly State[] = ["not authenticated"];
const after: readonly State[] = ["authenticated", "selected"];
const selected: readonly State[] = ["selected"];
const any: readonly State[] = [...before, ...after];

const numbered = { byNumber: true, keepsNumbers: true } as const;

// A row without `keepsNumbers` lets EXPUNGE be told at its end.
const rows: readonly Command[] = [
	{ name: "CAPABILITY", states: any, run: capability },
	{ name: "NOOP", states: any, run: noop },
	{ name: "LOGOUT", states: any, run: logout },
	{ name: "ID", states: any, run: id },

	{ name: "STARTTLS", states: before, run: startTls },
	{ name: "AUTHENTICATE", states: before, run: authenticate },
	{ name: "LOGIN", states: before, run: login },

	{ name: "ENABLE", states: after, run: enable },
	{ name: "UNAUTHENTICATE", states: after, run: unauthenticate },
	{ name: "COMPRESS", states: after, run: compress },
	{ name: "NAMESPACE", states: after, run: namespace },
	{ name: "GETQUOTA", states: after, run: getQuota },
	{ name: "GETQUOTAROOT", states: after, run: getQuotaRoot },
	{ name: "SETQUOTA", states: after, run: setQuota },
	{ name: "GETMETADATA", states: after, run: getMetadata },
	{ name: "SETMETADATA", states: after, run: setMetadata },
	{ name: "SELECT", states: after, isLong: true, run: select },
	{ name: "EXAMINE", states: after, isLong: true, run: examine },
	{ name: "CREATE", states: after, run: create },
	{ name: "DELETE", states: after, run: remove },
	{ name: "RENAME", states: after, run: rename },
	{ name: "SUBSCRIBE", states: after, run: subscribe },
	{ name: "UNSUBSCRIBE", states: after, run: unsubscribe },
	{ name: "LIST", states: after, run: list },
	{ name: "LSUB", states: after, run: lsub },
	{ name: "STATUS", states: after, run: statusCommand },
	{ name: "APPEND", states: after, streamsLiteral: 0, run: append },
	{ name: "IDLE", states: after, run: idle },
	{ name: "NOTIFY", states: after, run: notify },

	{ name: "CHECK", states: selected, run: check },
	{ name: "CLOSE", states: selected, run: close },
	{ name: "UNSELECT", states: selected, run: unselect },
	{ name: "EXPUNGE", states: selected, isLong: true, run: expunge },
	{
		name: "UID EXPUNGE",
		states: selected,
		isLong: true,
		byUid: true,
		run: expunge,
	},
	{ name: "SEARCH", states: selected, isLong: true, ...numbered, run: search },
	{
		name: "UID SEARCH",
		states: selected,
		isLong: true,
		byUid: true,
		run: search,
	},
	{ name: "SORT", states: selected, isLong: true, ...numbered, run: sort },
	{ name: "UID SORT", states: selected, isLong: true, byUid: true, run: sort },
	{ name: "THREAD", states: selected, isLong: true, ...numbered, run: thread },
	{
		name: "UID THREAD",
		states: selected,
		isLong: true,
		byUid: true,
		run: thread,
	},
	{ name: "FETCH", states: selected, ...numbered, run: fetch },
	{ name: "UID FETCH", states: selected, byUid: true, run: fetch },
	{ name: "STORE", states: selected, isLong: true, ...numbered, run: store },
	{
		name: "UID STORE",
		states: selected,
		isLong: true,
		byUid: true,
		run: store,
	},
	{ name: "COPY", states: selected, isLong: true, byNumber: true, run: copy },
	{ name: "UID COPY", states: selected, isLong: true, byUid: true, run: copy },
	{ name: "MOVE", states: selected, isLong: true, byNumber: true, run: move },
	{ name: "UID MOVE", states: selected, isLong: true, byUid: true, run: move },
	{
		name: "REPLACE",
		states: selected,
		byNumber: true,
		streamsLiteral: 1,
		run: replace,
	},
	{
		name: "UID REPLACE",
		states: selected,
		byUid: true,
		streamsLiteral: 1,
		run: replace,
	},
];

const byName = new Map(rows.map((row) => [row.name, row]));

/** The row of a command by its name in upper case, e.g. `UID FETCH`. */
export const commandNamed = (name: string): Command | undefined =>
	byName.get(name);

/** Names of all commands, for tests. */
export const commandNames: readonly string[] = rows.map(({ name }) => name);
