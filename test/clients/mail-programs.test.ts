import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { TestNode } from "../harness/node.ts";
import { run, runOk } from "../harness/processes.ts";
import { until } from "../harness/until.ts";
import { testWith } from "./programs.ts";
import { muttrc, password, port, useWorld } from "./world.ts";

const world = useWorld();

describe("mbsync", () => {
	testWith(
		"mbsync",
		"copies a mailbox both ways, and goes on with the other node without starting over",
		async () => {
			await world.put(world.a, "one", "two", "three");
			await world.arrived(world.b, 3);
			const home = join(world.folder, `mbsync${world.number}`);
			await mkdir(join(home, "mail"), { recursive: true });
			const sync = async (node: TestNode) => {
				await writeFile(join(home, "mbsyncrc"), mbsyncrc(home, node));
				await runOk("mbsync", ["-c", join(home, "mbsyncrc"), "-a"]);
			};
			const box = join(home, "mail/INBOX");
			const files = async () => [
				...(await readdir(join(box, "cur"))),
				...(await readdir(join(box, "new"))),
			];
			await sync(world.a);
			expect((await files()).length).toBe(3);
			// The same client at the other node: same UIDs, so nothing is fetched again or lost.
			await sync(world.b);
			expect((await files()).length).toBe(3);
			await writeFile(
				join(box, "cur/1700000000.1_1.here:2,S"),
				world.message("written here").toString().replaceAll("\r\n", "\n"),
			);
			await world.put(world.b, "four");
			await sync(world.b);
			expect((await files()).length).toBe(5);
			await world.arrived(world.a, 5);
			await sync(world.a);
			expect((await files()).length).toBe(5);
			const texts = await Promise.all(
				(await readdir(join(box, "new"))).map((name) =>
					readFile(join(box, "new", name), "utf8"),
				),
			);
			expect(texts.join("\n")).toContain("Subject: four");
		},
	);
});

const mbsyncrc = (home: string, node: TestNode) => `
IMAPAccount node
Host 127.0.0.1
Port ${port(node, "imap")}
User ${world.user}
Pass "${password}"
SSLType None
AuthMechs LOGIN

IMAPStore far
Account node

MaildirStore near
Path ${home}/mail/
Inbox ${home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Both
Expunge Both
SyncState *
`;

describe("neomutt", () => {
	testWith(
		"neomutt",
		"reads INBOX in batch mode, saves a message elsewhere, and sends",
		async () => {
			await world.put(world.a, "first", "second");
			await world.arrived(world.b, 2);
			const home = join(world.folder, `mutt${world.number}`);
			await mkdir(home, { recursive: true });
			await writeFile(
				join(home, "rc"),
				muttrc(
					home,
					world.b,
					world.user,
					`set from = "${world.user}"`,
					`set smtp_url = "smtp://${world.user.replace("@", "%40")}@127.0.0.1:${port(world.b, "submission")}/"`,
					`set smtp_pass = "${password}"`,
					'set smtp_authenticators = "plain"',
					"set abort_unmodified = no",
				),
			);
			const env = { ...process.env, HOME: home, TERM: "xterm" };
			await writeFile(
				join(home, "copy"),
				`source ${home}/rc\npush "<tag-pattern>~A<enter><tag-prefix><copy-message>=Archive<enter><exit>"\n`,
			);
			// It opens a mailbox only on a terminal: script(1) gives it one.
			const saved = await run(
				"script",
				["-qec", `neomutt -n -F ${home}/copy`, "/dev/null"],
				{ env },
			);
			const client = await world.a.imap(world.user, password);
			await until(
				`both copied to Archive (neomutt said ${saved.code}: ${saved.stdout.slice(-300)})`,
				async () => (await client.mailboxStatus("Archive")).MESSAGES === 2,
			);
			await client.logout();
			const sent = await run(
				"neomutt",
				["-n", "-F", join(home, "rc"), "-s", "from mutt", world.user],
				{ env, input: "Hello.\n" },
			);
			expect(sent.code, sent.stdout + sent.stderr).toBe(0);
			const bodies = await world.arrived(world.a, 3);
			expect(bodies.join("\n")).toContain("Subject: from mutt");
		},
	);
});
