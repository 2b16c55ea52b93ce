import { ImapFlow } from "imapflow";
import { describe, expect, test } from "vitest";
import type { TestNode } from "../harness/node.ts";
import { runOk } from "../harness/processes.ts";
import { until } from "../harness/until.ts";
import { testWith } from "./programs.ts";
import { password, port, useWorld } from "./world.ts";

const world = useWorld();

describe("imaplib of Python", () => {
	testWith(
		"python3",
		"logs in, appends, searches, stores, copies and expunges",
		async () => {
			await world.put(world.a, "one", "two", "three");
			await world.arrived(world.b, 3);
			const said = await runOk("python3", [
				"-c",
				imaplibScript,
				port(world.b, "imap"),
				world.user,
				password,
			]);
			expect(JSON.parse(said)).toEqual({
				search: "2",
				flags: true,
				copied: 1,
				left: 3,
				uidplus: true,
			});
			await world.arrived(world.a, 3);
		},
	);
});

const imaplibScript = `
import imaplib, json, ssl, sys
port, user, password = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
c = imaplib.IMAP4("127.0.0.1", int(port))
c.starttls(context)
c.login(user, password)
def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]
ok(c.append("INBOX", "(\\\\Seen)", None, b"Subject: four\\r\\n\\r\\nappended by imaplib\\r\\n"))
ok(c.select("INBOX"))
search = ok(c.search(None, "SUBJECT", "two"))[0].decode()
ok(c.store("2", "+FLAGS", "(\\\\Flagged \\\\Deleted)"))
flags = b"\\\\Flagged" in ok(c.fetch("2", "(FLAGS)"))[0]
ok(c.copy("2", "Archive"))
ok(c.expunge())
copied = int(ok(c.select("Archive"))[0])
left = int(ok(c.select("INBOX"))[0])
print(json.dumps({"search": search, "flags": flags, "copied": copied, "left": left, "uidplus": b"UIDPLUS" in ok(c.capability())[0].split()}))
c.logout()
`;

describe("imapflow", () => {
	const connect = async (node: TestNode, qresync = false) => {
		const client = new ImapFlow({
			host: "127.0.0.1",
			port: node.listener("imaps").port,
			secure: true,
			tls: { rejectUnauthorized: false },
			auth: { user: world.user, pass: password },
			logger: false,
			qresync,
		});
		await client.connect();
		return client;
	};

	test("lists, appends, fetches, flags, moves and hears of new mail", async () => {
		const client = await connect(world.a);
		const roles = (await client.list()).map((each) => each.specialUse);
		expect(roles).toEqual(
			expect.arrayContaining([
				"\\Inbox",
				"\\Sent",
				"\\Drafts",
				"\\Trash",
				"\\Junk",
				"\\Archive",
			]),
		);
		const appended = await client.append("INBOX", world.message("flow"), [
			"\\Seen",
		]);
		expect(appended ? appended.uid : undefined).toBeGreaterThan(0);
		await client.mailboxOpen("INBOX");
		const fetched = await client.fetchOne("*", {
			envelope: true,
			source: true,
			flags: true,
			bodyStructure: true,
		});
		if (!fetched) throw new Error("nothing fetched");
		expect(fetched.envelope?.subject).toBe("flow");
		expect(fetched.source).toEqual(world.message("flow"));
		expect(fetched.bodyStructure?.type).toBe("text/plain");
		const more = new Promise((resolve) => client.once("exists", resolve));
		// Left alone, it would begin to idle after 15 s.
		const idling = client.idle();
		await world.put(world.b, "from the other node");
		await more;
		await client.noop();
		await idling;
		await client.messageFlagsAdd("1:*", ["\\Flagged"]);
		const moved = await client.messageMove("1", "Archive");
		expect(moved ? moved.uidMap?.size : undefined).toBe(1);
		expect(await client.status("INBOX", { messages: true })).toMatchObject({
			messages: 1,
		});
		await client.logout();
		const other = await connect(world.b);
		await until("the move on b", async () => {
			const archive = await other.status("Archive", { messages: true });
			return archive && archive.messages === 1;
		});
		await other.logout();
	});

	test("comes back to the other node with what it knows: what changed, what vanished, no more", async () => {
		await world.put(world.a, "one", "two", "three", "four");
		await world.arrived(world.b, 4);
		const first = await connect(world.a, true);
		const { highestModseq, uidValidity } = await first.mailboxOpen("INBOX");
		const uids = await first.search({ all: true }, { uid: true });
		if (!uids || highestModseq === undefined) throw new Error("no mail");
		await first.logout();
		const other = await connect(world.a);
		await other.mailboxOpen("INBOX");
		await other.messageDelete(String(uids[1]), { uid: true });
		await other.messageFlagsAdd(String(uids[2]), ["\\Flagged"], { uid: true });
		await other.logout();
		await world.arrived(world.b, 3);
		const watching = await world.b.imap(world.user, password);
		await watching.select("INBOX", "EXAMINE");
		await until("the flag on b", async () => {
			const { untagged } = await watching.ok("UID SEARCH FLAGGED");
			return untagged.some(({ text }) => text === `SEARCH ${uids[2]}`);
		});
		await watching.logout();
		const again = await connect(world.b, true);
		const vanished: (number | undefined)[] = [];
		again.on("expunge", ({ uid }) => vanished.push(uid));
		const now = await again.mailboxOpen("INBOX");
		expect(now.uidValidity).toBe(uidValidity);
		const changed = [];
		for await (const { uid, flags } of again.fetch(
			"1:*",
			{ uid: true, flags: true },
			{ uid: true, changedSince: highestModseq },
		))
			changed.push([uid, flags?.has("\\Flagged")]);
		expect(changed).toEqual([[uids[2], true]]);
		// RFC 7162 §3.2.10 lets it span numbers that were never used.
		expect(vanished).toContain(uids[1]);
		for (const live of [uids[0], uids[2], uids[3]])
			expect(vanished).not.toContain(live);
		await again.logout();
	});
});
