import { join } from "node:path";
import { expect, test } from "vitest";
import { password } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { startNode } from "../harness/node.ts";
import { SmallDisk } from "../harness/small-disk.ts";
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

test.runIf(isRoot)(
	"a full disk: SMTP 4xx, APPEND NO with a code, reads go on, and it recovers by itself",
	async () => {
		const disk = await SmallDisk.create("full", 160);
		const node = await startNode({
			name: "full",
			data: join(disk.folder, "data"),
		});
		try {
			await node.addUser(user, password);
			const maker = new MessageMaker("full");
			await sendAll(node, maker, range(0, 10));
			// What was shown once can be read; to show more has to be written down first.
			expect((await look(node)).messages).toHaveLength(10);
			disk.fill();
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
			disk.free();
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
			await disk.close();
		}
	},
	180_000,
);
