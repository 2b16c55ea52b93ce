import { join } from "node:path";
import { expect, test } from "vitest";
import { password, startCluster } from "../harness/cluster.ts";
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
	settled,
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
			// Some may still go into room that files had before.
			const shown = range(0, 10);
			let next = 100;
			const isTaken = async () => {
				const taken = await send(node, maker, [next++]);
				shown.push(...taken);
				return taken.length === 1;
			};
			await until("mail to be refused", async () => !(await isTaken()));
			expect(node.running).toBe(true);
			const client = await node.imap(user, password);
			const refused = await client.command([
				"APPEND INBOX () ",
				maker.make(50, user),
			]);
			expect(refused.status).toBe("NO");
			expect(refused.text).toMatch(/^\[(OVERQUOTA|UNAVAILABLE)\]/);
			await expectBodies(client, maker, range(0, 10));
			disk.free();
			const start = performance.now();
			await until("mail to be taken again", isTaken, {
				timeoutMilliseconds: RECOVERY_MILLISECONDS_MAX,
				everyMilliseconds: 500,
			});
			expect(performance.now() - start).toBeLessThan(RECOVERY_MILLISECONDS_MAX);
			await client.logout();
			const { messages } = await look(node);
			expectExactly(messages, maker, shown);
			expect(await node.restart("kill9")).toBeDefined();
			expectExactly((await look(node)).messages, maker, shown);
		} finally {
			await node.kill9();
			await disk.close();
		}
	},
	180_000,
);

test.runIf(isRoot)(
	"a full disk of one node holds up no mail at the other, and there is all when it has room",
	async () => {
		const disk = await SmallDisk.create("full-pair", 160);
		const cluster = await startCluster({
			names: ["a", "b"],
			placeOf: (name) =>
				name === "b" ? { data: join(disk.folder, "data") } : {},
			users: [user],
		});
		try {
			const [a] = cluster.nodes;
			if (a === undefined) throw new Error("no node");
			const maker = new MessageMaker("full-pair");
			await sendAll(a, maker, range(0, 5));
			await settled(cluster.nodes, 5);
			disk.fill();
			// The first of them find it out; they are taken, too.
			await sendAll(a, maker, range(5, 10));
			const start = performance.now();
			await sendAll(a, maker, range(10, 15), 1);
			expect(performance.now() - start).toBeLessThan(5_000);
			expect((await a.status()).mail.bodiesWithTooFewCopies).toBeGreaterThan(0);
			disk.free();
			const messages = await settled(cluster.nodes, 15);
			expectExactly(messages, maker, range(0, 15));
			await until(
				"all copies to be made",
				async () => (await a.status()).mail.bodiesWithTooFewCopies === 0,
			);
		} finally {
			await cluster.close();
			await disk.close();
		}
	},
	180_000,
);
