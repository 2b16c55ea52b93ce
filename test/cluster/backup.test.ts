/** Real nodes: backups while mail comes in, what a second one costs, and everything that can be put back. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { password, startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { planted, pmnode, startNode } from "../harness/node.ts";
import { removeFolder, run, temporaryFolder } from "../harness/processes.ts";
import { until } from "../harness/until.ts";
import { expectBodies, range, send, sendAll, settled, user } from "./mail.ts";

const sizeOf = (folder: string): number =>
	readdirSync(folder, { recursive: true }).reduce<number>((sum, name) => {
		const found = statSync(join(folder, String(name)));
		return sum + (found.isFile() ? found.size : 0);
	}, 0);

test("a backup under load is consistent, the next one small, and one account comes back", async () => {
	const cluster = await startCluster({ names: ["a", "b"], users: [user] });
	const folder = join(temporaryFolder("backup"), "a");
	try {
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		const maker = new MessageMaker("backup");
		await sendAll(a, maker, range(0, 300));
		const loading = send(b, maker, range(300, 500), { connections: 3 });
		const first = await a.cli(["backup", folder]);
		expect(first, a.tail()).toMatchObject({ code: 0, stdout: "" });
		expect(await loading).toHaveLength(200);
		await settled(cluster.nodes, 500);
		const full = sizeOf(folder);
		expect(statSync(folder).mode & 0o777).toBe(0o700);
		for (const name of readdirSync(folder, { recursive: true })) {
			const { mode } = statSync(join(folder, String(name)));
			expect(mode & 0o077, String(name)).toBe(0);
		}
		// What came last settles; then nothing is new, and nothing is written but the manifest.
		let before = full;
		await until(
			"a backup that finds nothing new",
			async () => {
				before = sizeOf(folder);
				await a.ok(["backup", folder]);
				return sizeOf(folder) - before < 10_000;
			},
			{ timeoutMilliseconds: 60_000 },
		);
		await sendAll(a, maker, range(500, 510));
		const third = await a.cli(["backup", folder]);
		expect(third.code).toBe(0);
		expect(third.stderr).toMatch(/^510 messages of 1 account are in /);
		expect(sizeOf(folder) - before).toBeLessThan(before / 4);
		// Nothing of the copying is left.
		expect(readdirSync(folder).sort()).toEqual([
			"manifest.before.json",
			"manifest.json",
			"packs",
		]);

		// A user's accident, and its undoing on another node.
		await settled(cluster.nodes, 510);
		const client = await b.imap(user, password);
		await client.select("INBOX");
		await client.ok("UID STORE 1:* +FLAGS.SILENT (\\Seen)");
		await client.ok("STORE 1:200 +FLAGS.SILENT (\\Deleted)");
		await client.ok("EXPUNGE");
		const restored = await b.cli(["restore", folder, "--account", user]);
		expect(restored).toMatchObject({
			code: 0,
			stdout: "",
			stderr: "200 messages are back, 310 were there\n",
		});
		await settled(cluster.nodes, 510);
		await expectBodies(client, maker, range(0, 510));
		await client.logout();
		for (const node of cluster.nodes) {
			await node.converged();
			expect(await node.cli(["check"])).toMatchObject({
				code: 0,
				stdout: "",
				stderr: "nothing is wrong\n",
			});
		}
		expect(await b.cli(["backup", folder])).toMatchObject({
			code: 1,
			stderr: `pmnode: ${folder} holds a backup of node a; each node needs a folder of its own\n`,
		});
	} finally {
		await cluster.close();
		removeFolder(join(folder, ".."));
	}
});

test("what is expunged while a backup runs is in it, however soon its space comes back", async () => {
	const folder = join(temporaryFolder("backup"), "a");
	const program = planted("plant-hasty-space.ts");
	const a = await startNode({ name: "a", program });
	try {
		await a.addUser(user, password);
		const maker = new MessageMaker("meanwhile", 60_000);
		const count = 1_000;
		await sendAll(a, maker, range(0, count), 8);
		const client = await a.imap(user, password);
		await client.select("INBOX");
		const running = a.cli(["backup", folder]);
		await until("bodies are copied", () =>
			readdirSync(join(folder, "packs")).some(
				(name) => statSync(join(folder, "packs", name)).size > 0,
			),
		);
		// The last ones: they are not copied yet.
		await client.ok(`STORE ${count / 2}:* +FLAGS.SILENT (\\Deleted)`);
		await client.ok("EXPUNGE");
		expect(await running, a.tail()).toMatchObject({ code: 0, stdout: "" });
		// Then it is cleared, and comes back from the backup.
		await until("space comes back", () => a.diary.includes("begins: clear"));
		const restored = await a.cli(["restore", folder, "--account", user]);
		expect(restored.stderr).toBe(
			`${count / 2 + 1} messages are back, ${count / 2 - 1} were there\n`,
		);
		await expectBodies(client, maker, range(0, count));
		await client.logout();
	} finally {
		await a.close();
		removeFolder(join(folder, ".."));
	}
}, 200_000);

test("a lone node comes back whole from its backup; its accounts, from a damaged one, in a new cluster", async () => {
	const root = temporaryFolder("backup");
	const folder = join(root, "backup");
	const a = await startNode({ name: "a" });
	try {
		await a.addUser(user, password);
		await a.addUser("bob@bench.test", password);
		await a.ok(["alias", "add", "info@bench.test", user]);
		const maker = new MessageMaker("lone");
		await sendAll(a, maker, range(0, 120));
		const client = await a.imap(user, password);
		await client.ok("CREATE Work");
		await client.append(
			"Work",
			maker.make(120, user),
			"\\Flagged $todo",
			"01-Jan-2020 10:00:00 +0000",
		);
		const { uidValidity, uidNext } = await client.select("INBOX");
		await client.logout();
		await a.ok(["backup", folder]);
		await a.kill9();

		// The whole node, under its name, with all it had shown.
		const data = join(root, "again");
		const into = ["restore", folder, "--data", data];
		const [program = "", ...script] = pmnode;
		const back = await run(program, [...script, ...into]);
		expect(back.stderr).toMatch(/^node a is back in .* with 121 messages; /);
		expect(back.code).toBe(0);
		const again = await startNode({ name: "a", data });
		try {
			const reader = await again.imap(user, password);
			expect(await reader.select("INBOX")).toMatchObject({
				exists: 120,
				uidValidity,
			});
			await until("all bodies to be readable", async () => {
				await expectBodies(reader, maker, range(0, 120));
				return true;
			});
			expect((await reader.select("INBOX")).uidNext).toBeGreaterThanOrEqual(
				uidNext,
			);
			await reader.logout();
			expect(await again.cli(["check"])).toMatchObject({ code: 0, stdout: "" });
			expect(await again.cli(["restore", folder])).toMatchObject({ code: 1 });
		} finally {
			await again.close();
		}

		// Mail alone, from a backup with holes.
		const pack = join(folder, "packs", "00000001.pack");
		const bytes = readFileSync(pack);
		const hits = [0.2, 0.3, 0.4].map((part) => {
			const at = bytes.indexOf("needle", Math.floor(bytes.length * part));
			bytes[at] = 0;
			return at;
		});
		expect(hits.every((at) => at > 0)).toBe(true);
		writeFileSync(pack, bytes);
		const fresh = await startNode({ name: "fresh" });
		try {
			const result = await fresh.cli(["restore", folder, "--all"]);
			expect(result.code).toBe(1);
			expect(result.stdout.trim().split("\n")).toHaveLength(3);
			expect(result.stdout).toMatch(
				/^wrong: a message of ana@bench.test INBOX that came \S+ \(hash \w{12}\): 00000001.pack is damaged at byte \d+; /,
			);
			expect(result.stderr).toMatch(
				/118 messages are back, 0 were there; 3 are missing/,
			);
			const reader = await fresh.imap(user, password);
			expect((await reader.select("Work")).exists).toBe(1);
			const [work] = (
				await reader.ok("FETCH 1 (FLAGS INTERNALDATE)")
			).untagged.map(({ text }) => text);
			expect(work).toMatch(/\\Flagged.*\$todo|\$todo.*\\Flagged/);
			expect(work).toContain('1-Jan-2020 10:00:00 +0000"');
			expect((await reader.select("INBOX")).exists).toBe(117);
			await reader.logout();
			expect(await fresh.ok(["user", "list"])).toBe(
				`${user}\nbob@bench.test\n`,
			);
			expect(await fresh.ok(["alias", "list"])).toContain("info@bench.test");
			// What is there is not brought again.
			expect((await fresh.cli(["restore", folder, "--all"])).stderr).toMatch(
				/0 messages are back, 118 were there; 3 are missing/,
			);
		} finally {
			await fresh.close();
		}
	} finally {
		await a.close();
		removeFolder(root);
	}
});
