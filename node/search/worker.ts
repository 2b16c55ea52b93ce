/**
 * The thread of the index: takes texts out of messages, keeps them in a file for each account, and answers what it knows.
 * Knows no clock; when to commit is said by the thread that it serves.
 */
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { accountId } from "../../sync/ids.ts";
import { SEARCH_FILES_OPEN_MAX } from "../../sync/limits.ts";
import { cacheRow } from "../mime/cache-row.ts";
import { holds, parseMessage } from "../mime/index.ts";
import { TextFile } from "./file.ts";
import { joined, textIn, textOf } from "./load.ts";
import {
	type FilledRow,
	type FillMessage,
	type Reply,
	type Results,
	type Task,
	UNKNOWN,
} from "./types.ts";

const { folder } = workerData as { readonly folder: string };
const port = parentPort;

/** By account, in order of use. */
const files = new Map<string, TextFile>();
let fault: string | undefined;
/** Hashes of the last question. */
let asked = "";

const baseOf = (account: string): string => join(folder, accountId(account));

function fileOf(account: string): TextFile {
	const held = files.get(account);
	files.delete(account);
	const file =
		held ??
		new TextFile(baseOf(account), (text) => {
			fault = text;
		});
	files.set(account, file);
	for (const [oldest, one] of files) {
		if (files.size <= SEARCH_FILES_OPEN_MAX) break;
		files.delete(oldest);
		one.close();
	}
	return file;
}

/** What the file says, or `otherwise` when it cannot be used. */
function guarded<T>(
	account: string,
	work: (file: TextFile) => T,
	otherwise: () => T,
): T {
	try {
		return work(fileOf(account));
	} catch (error) {
		// Errors of the file system have a code; anything else is a bug of ours.
		if (!(error instanceof Error && "code" in error)) throw error;
		drop(account);
		fault = `${baseOf(account)} cannot be used: ${error.message}; searches read the messages`;
		return otherwise();
	}
}

/** One account is asked about at a time: what the others hold in memory for that is given back. */
function forgetOthers(account: string): void {
	for (const [of, file] of files) if (of !== account) file.forget();
}

/** Closes a file that has failed, whatever it says to that. */
function drop(account: string): void {
	const file = files.get(account);
	files.delete(account);
	try {
		file?.close();
	} catch (error) {
		if (!(error instanceof Error && "code" in error)) throw error;
	}
}

/** Each message is parsed once for both: its text, and its row in the cache of structures. */
function fill(
	bytes: Uint8Array,
	messages: readonly FillMessage[],
): Results["fill"] {
	const rows: FilledRow[] = [];
	const parts: Uint8Array[] = [];
	let start = 0;
	for (const { account, hash, sizeBytes, wantsRow } of messages) {
		const whole = bytes.subarray(start, start + sizeBytes);
		start += sizeBytes;
		const parsed = parseMessage(whole);
		const text = textIn(whole, parsed);
		guarded(
			account,
			(file) => file.add(hash, text),
			() => {},
		);
		if (!wantsRow) continue;
		const { note, row } = cacheRow(hash, parsed, whole);
		rows.push({ hash, noteBytes: note.length, rowBytes: row.length });
		parts.push(note, row);
	}
	return { bytes: joined(parts), rows };
}

function run(task: Task): Results[Task["op"]] {
	switch (task.op) {
		case "known": {
			const { account, sought } = task;
			const hashes = task.hashes ?? asked;
			asked = hashes;
			forgetOthers(account);
			return guarded(
				account,
				(file) => file.known(hashes, sought),
				() =>
					sought.map(() => new Uint8Array(hashes.length / 64).fill(UNKNOWN)),
			);
		}
		case "read": {
			const { account, hash, loaded, sought } = task;
			const text = textOf(loaded);
			guarded(
				account,
				(file) => file.add(hash, text),
				() => {},
			);
			return sought.map(({ kind, bytes }) => holds(text, kind, bytes));
		}
		case "fill":
			return fill(task.bytes, task.messages);
		case "too large": {
			const { account, hash } = task;
			guarded(
				account,
				(file) => file.add(hash, "too large"),
				() => {},
			);
			return undefined;
		}
		case "reconcile": {
			const { account, hashes } = task;
			forgetOthers(account);
			return guarded(
				account,
				(file) => file.reconcile(hashes),
				() => new Uint32Array(),
			);
		}
		case "commit":
			keepCompiled();
			for (const account of [...files.keys()])
				guarded(
					account,
					(file) => file.commit(),
					() => {},
				);
			return undefined;
	}
}

/** Once, after work was done: what that compiled is found by the next thread, where the process keeps such things at all. */
let isKept = false;
function keepCompiled(): void {
	if (!isKept) flushCompileCache();
	isKept = true;
}

port?.on("message", ({ id, task }: { id: number; task: Task }) => {
	let reply: Reply;
	fault = undefined;
	try {
		reply = { id, value: run(task), fault };
	} catch (error) {
		reply = {
			id,
			value: undefined,
			error:
				error instanceof Error ? (error.stack ?? error.message) : `${error}`,
		};
	}
	port.postMessage(reply);
});
