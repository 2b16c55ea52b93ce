/**
 * A data folder of the first format, as a node of that time wrote it: six messages for anna@example.org, the second
 * expunged, the first copied to Archive (first-format.json: the rows of its state.db).
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { OpenDocuments } from "../../../sync/documents/open.ts";
import { origin } from "../../../sync/ids.ts";
import { ChangeLog } from "../../../sync/log/log.ts";
import type { EntryRow } from "../../../sync/mailbox/rows.ts";
import type { StoreWrite } from "../../../sync/ports/store.ts";
import { checkSums } from "../../../sync/sim/checkers.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";
import { toPresentFormat } from "../../../sync/space/format.ts";

function opened(): MemoryStore {
	const file = new URL("first-format.json", import.meta.url);
	const rows = JSON.parse(readFileSync(file, "utf8")) as [
		string,
		string | { bytes: string },
	][];
	const store = new MemoryStore();
	store.commit(
		rows.map(
			([key, value]): StoreWrite => [
				key,
				typeof value === "string" ? value : Buffer.from(value.bytes, "base64"),
			],
		),
	);
	return store;
}

it("a folder of the first format is taken over: what it counts and names is as if made today", () => {
	const store = opened();
	expect(() => checkSums("a", store)).toThrow();
	toPresentFormat(store, "state.db");
	checkSums("a", store);
	const rows = [...store.range("ent/", "ent0")].map(
		([, value]) => JSON.parse(value as string) as EntryRow,
	);
	expect(rows).toHaveLength(7);
	expect([...store.range("use/", "use0")]).toHaveLength(7);
	expect([...store.range("dying/", "dying0")]).toHaveLength(1);
	const log = new ChangeLog(store);
	expect(log.keptBytes).toBeGreaterThan(1_000);
	const documents = new OpenDocuments(store, origin("f".repeat(16)), (at) => {
		const { record, previous } = log.read(at);
		return { change: record.change, previous };
	});
	for (const id of documents.ids())
		expect([...documents.get(id).keys()].length).toBeGreaterThan(0);
});
