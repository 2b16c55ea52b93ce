/** `pmnode check` on real nodes: nothing is wrong after kills, a lost disk and a replacement; planted damage is found and mended. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore } from "../../sync/real/store.ts";
import { startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { planted, type TestNode } from "../harness/node.ts";
import { expectBodies, range, send, sendAll, settled, user } from "./mail.ts";
import { placeOfBody } from "./stored.ts";

const nothingWrong = async (node: TestNode): Promise<void> => {
	await node.converged();
	expect(await node.cli(["check"]), node.tail()).toMatchObject({
		code: 0,
		stdout: "",
		stderr: "nothing is wrong\n",
	});
};

/** As a bug would have written it: what a disk garbles is seen by its checksum, and is another matter. */
function spoil(file: string): void {
	const store = openStore(file);
	try {
		const shown = [...store.range("ent/", "ent0")].find(
			([, row]) => JSON.parse(row as string).v,
		);
		if (shown === undefined) throw new Error("nothing is shown");
		const [key, row] = shown;
		const boxKey = `box/${key.split("/")[1]}`;
		const box = store.get(boxKey);
		if (box === undefined) throw new Error("no mailbox");
		const otherFlags = { ...JSON.parse(row as string), g: { $gone: "$gone" } };
		const otherCount = { ...JSON.parse(box as string), unseen: 1_234 };
		store.commit([
			[key, JSON.stringify(otherFlags)],
			[boxKey, JSON.stringify(otherCount)],
		]);
	} finally {
		store.close();
	}
}

test("nothing is wrong after kill -9 under load, a lost disk and its replacement", async () => {
	const cluster = await startCluster({ names: ["a", "b"], users: [user] });
	try {
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		const maker = new MessageMaker("check");
		let killed: Promise<void> | undefined;
		await send(b, maker, range(0, 200), {
			connections: 3,
			acknowledged: (count) => {
				if (count === 60) killed = b.kill9();
			},
		});
		await killed;
		await b.start();
		await nothingWrong(b);
		await nothingWrong(a);
		await b.kill9();
		rmSync(b.data, { recursive: true });
		await a.ok(["remove", "b"]);
		const c = await cluster.add("c", a);
		await nothingWrong(c);
		await nothingWrong(a);
	} finally {
		await cluster.close();
	}
});

test("damage of rows, counters, log and bodies is found, named, and mended with --repair", async () => {
	const cluster = await startCluster({
		names: ["a", "b"],
		users: [user],
		placeOf: () => ({ program: planted("plant-late-scrub.ts") }),
	});
	try {
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		const maker = new MessageMaker("damage");
		await sendAll(a, maker, range(0, 60));
		const [first] = await settled(cluster.nodes, 60);
		const reader = await b.imap(user, "correct horse");
		await reader.select("INBOX", "EXAMINE");
		const body = await reader.body(first?.uid ?? 0);
		await reader.logout();
		// Stopped and started, so that bodies are in the files that are damaged now.
		await b.stop();
		await b.start();
		await b.converged();
		await b.stop();
		spoil(join(b.data, "state.db"));
		const { file, at } = await placeOfBody(b.data, body, /\.blob$/);
		const bytes = readFileSync(file);
		bytes.writeUInt8(bytes.readUInt8(at + 100) ^ 0x40, at + 100);
		writeFileSync(file, bytes);
		await b.start();
		await b.converged();
		const found = await b.cli(["check"]);
		expect(found.code).toBe(1);
		expect(found.stdout).toMatch(
			/^wrong: message \S+ of mailbox \S+: its row does not say its flags as its document does; --repair/m,
		);
		expect(found.stdout).toMatch(
			/^wrong: mailbox \S+: it counts 1234 unseen messages, there are \d+; /m,
		);
		expect(found.stdout).toMatch(
			/^wrong: the body of message \S+ of mailbox \S+ is damaged here /m,
		);
		const mended = await b.cli(["check", "--repair"]);
		expect(mended.code, mended.stdout).toBe(0);
		expect(mended.stderr).toMatch(
			/^\d+ problems were mended; nothing is wrong any more$/m,
		);
		for (const node of cluster.nodes) await nothingWrong(node);
		const client = await b.imap(user, "correct horse");
		await expectBodies(client, maker, range(0, 60));
		await client.logout();
	} finally {
		await cluster.close();
	}
});
