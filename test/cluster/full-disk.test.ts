/** A disk that is full: mail is refused for now, reading goes on, and mail is taken again by itself when there is room. */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { password } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { startNode } from "../harness/node.ts";
import { removeFolder, run, temporaryFolder } from "../harness/processes.ts";
import { until } from "../harness/until.ts";
import {
	expectBodies,
	expectExactly,
	look,
	range,
	send,
	sendAll,
	user,
} from "./mail.ts";

const isRoot = process.getuid?.() === 0;
const RECOVERY_MILLISECONDS_MAX = 20_000;

/** Writes until nothing more goes in. */
function fill(file: string): void {
	const handle = openSync(file, "w");
	try {
		for (let size = 1 << 20; size >= 512; )
			try {
				writeSync(handle, Buffer.alloc(size));
			} catch {
				size >>= 1;
			}
	} finally {
		closeSync(handle);
	}
}

test.runIf(isRoot)(
	"a full disk: SMTP 4xx, APPEND NO with a code, reads go on, and it recovers by itself",
	async () => {
		const base = temporaryFolder("full");
		const mounted = join(base, "disk");
		mkdirSync(mounted);
		const mount = await run("mount", [
			"-t",
			"tmpfs",
			"-o",
			"size=160m",
			"tmpfs",
			mounted,
		]);
		expect(mount.code, mount.stderr).toBe(0);
		const node = await startNode({ name: "full", data: join(mounted, "data") });
		try {
			await node.addUser(user, password);
			const maker = new MessageMaker("full");
			await sendAll(node, maker, range(0, 10));
			// What was shown once can be read; to show more has to be written down first.
			expect((await look(node)).messages).toHaveLength(10);
			const ballast = join(mounted, "ballast");
			fill(ballast);
			await until(
				"mail to be refused",
				async () => (await send(node, maker, [100])).length === 0,
			);
			expect(node.running).toBe(true);
			const client = await node.imap(user, password);
			const refused = await client.command([
				"APPEND INBOX () ",
				maker.make(101, user),
			]);
			expect(refused.status).toBe("NO");
			expect(refused.text).toMatch(/^\[(OVERQUOTA|UNAVAILABLE)\]/);
			await expectBodies(client, maker, range(0, 10));
			rmSync(ballast);
			const start = performance.now();
			await until(
				"mail to be taken again",
				async () => (await send(node, maker, [100])).length === 1,
				{
					timeoutMilliseconds: RECOVERY_MILLISECONDS_MAX,
					everyMilliseconds: 500,
				},
			);
			expect(performance.now() - start).toBeLessThan(RECOVERY_MILLISECONDS_MAX);
			await client.logout();
			const { messages } = await look(node);
			expectExactly(messages, maker, [...range(0, 10), 100]);
			expect(await node.restart("kill9")).toBeDefined();
			expectExactly((await look(node)).messages, maker, [...range(0, 10), 100]);
		} finally {
			await node.kill9();
			await run("umount", [mounted]);
			removeFolder(base);
		}
	},
	180_000,
);
