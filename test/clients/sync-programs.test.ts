/** offlineimap3, fetchmail, and neomutt with what its library negotiates: their usual work, against two nodes. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { TestNode } from "../harness/node.ts";
import { run, runOk } from "../harness/processes.ts";
import { until } from "../harness/until.ts";
import { testWith } from "./programs.ts";
import { muttrc, password, port, useWorld } from "./world.ts";

const world = useWorld();

async function home(name: string): Promise<string> {
	const folder = join(world.folder, `${name}${world.number}`);
	await mkdir(folder, { recursive: true });
	return folder;
}

async function filesBelow(folder: string): Promise<string[]> {
	const some = await Promise.all(
		["cur", "new"].map(async (name) =>
			(await readdir(join(folder, name))).map((file) => join(name, file)),
		),
	);
	return some.flat();
}

describe("offlineimap", () => {
	testWith(
		"offlineimap",
		"synchronises both ways: mail, flags, deletions, folders; and goes on at the other node",
		async () => {
			await world.put(world.a, "one", "two", "three");
			await world.arrived(world.b, 3);
			const folder = await home("offlineimap");
			const sync = async (node: TestNode) => {
				await writeFile(join(folder, "rc"), offlineimaprc(folder, node));
				await runOk("offlineimap", ["-c", join(folder, "rc"), "-o"], {
					env: { ...process.env, HOME: folder },
				});
			};
			const inbox = join(folder, "mail/INBOX");
			await sync(world.a);
			expect((await filesBelow(inbox)).length).toBe(3);
			// At the other node nothing comes twice.
			await sync(world.b);
			const files = await filesBelow(inbox);
			expect(files.length).toBe(3);
			expect(await readdir(join(folder, "mail"))).toEqual(
				expect.arrayContaining(["INBOX", "Archive", "Drafts", "Sent", "Trash"]),
			);
			// A flag set there, a message written here.
			const client = await world.b.imap(world.user, password);
			await client.select("INBOX");
			await client.ok("UID STORE 1:* +FLAGS (\\Seen \\Flagged)");
			await client.logout();
			await writeFile(
				join(inbox, "cur/1700000000.1_1.here:2,S"),
				world.message("written here").toString().replaceAll("\r\n", "\n"),
			);
			await sync(world.b);
			expect((await world.arrived(world.a, 4)).join("\n")).toContain(
				"Subject: written here",
			);
			const flagged = (await filesBelow(inbox)).filter((name) =>
				/:2,[A-Z]*F[A-Z]*S/.test(name),
			);
			expect(flagged).toHaveLength(3);
		},
	);
});

const offlineimaprc = (folder: string, node: TestNode) => `
[general]
accounts = test
metadata = ${folder}/metadata
ui = quiet
socktimeout = 30

[Account test]
localrepository = local
remoterepository = remote

[Repository local]
type = Maildir
localfolders = ${folder}/mail

[Repository remote]
type = IMAP
remotehost = 127.0.0.1
remoteport = ${port(node, "imap")}
remoteuser = ${world.user}
remotepass = ${password}
ssl = no
starttls = no
auth_mechanisms = LOGIN
`;

describe("fetchmail", () => {
	testWith(
		"fetchmail",
		"fetches new mail, hands it on, and deletes it on the server",
		async () => {
			await world.put(world.a, "one", "two");
			await world.arrived(world.b, 2);
			const folder = await home("fetchmail");
			const rc = join(folder, "rc");
			await writeFile(
				rc,
				`set no bouncemail
poll 127.0.0.1 service ${port(world.b, "imap")} protocol imap auth password
  username "${world.user}" password "${password}" fetchall
  sslproto ''
  mda "cat >> ${folder}/mbox"
`,
				{ mode: 0o600 },
			);
			const env = { ...process.env, HOME: folder, FETCHMAILHOME: folder };
			const fetch = () =>
				run("fetchmail", ["-f", rc, "-v", "--nosyslog"], { env });
			const first = await fetch();
			expect(first.code, first.stdout + first.stderr).toBe(0);
			const mbox = await readFile(join(folder, "mbox"), "utf8");
			expect(mbox).toContain("Subject: one");
			expect(mbox).toContain("Subject: two");
			await world.arrived(world.a, 0);
			// 1: there is nothing to fetch.
			expect((await fetch()).code).toBe(1);
		},
	);
});

describe("neomutt", () => {
	testWith(
		"neomutt",
		"takes CONDSTORE and QRESYNC, and comes back with what it knows",
		async () => {
			await world.put(world.a, "first", "second");
			await world.arrived(world.b, 2);
			const folder = await home("mutt");
			const open = async (node: TestNode, keys: string) => {
				await writeFile(
					join(folder, "rc"),
					muttrc(
						folder,
						node,
						world.user,
						"set imap_condstore = yes",
						"set imap_qresync = yes",
						`push "${keys}"`,
					),
				);
				const env = { ...process.env, HOME: folder, TERM: "xterm" };
				const log = join(folder, "debug");
				const said = await run(
					"script",
					["-qec", `neomutt -n -F ${folder}/rc -d 2 -l ${log}`, "/dev/null"],
					{ env },
				);
				expect(said.code, said.stdout.slice(-500)).toBe(0);
				// It numbers its logs, the latest is 0.
				return readFile(`${log}0`, "latin1");
			};
			const first = await open(world.b, "<exit>");
			expect(first).toMatch(/ENABLE QRESYNC/);
			// Something changes at the other node while it is away.
			const client = await world.a.imap(world.user, password);
			await client.select("INBOX");
			const [uid] = (await client.list()).map((one) => one.uid);
			await client.ok(`UID STORE ${uid} +FLAGS (\\Deleted)`);
			await client.ok("EXPUNGE");
			await client.logout();
			await world.arrived(world.b, 1);
			const second = await open(
				world.b,
				"<tag-pattern>~A<enter><tag-prefix><copy-message>=Archive<enter><exit>",
			);
			// This version then distrusts its own numbering and reads all UIDs again; with what is right, it must end right.
			expect(second).toMatch(/\(CHANGEDSINCE \d+ VANISHED\)/);
			expect(second).toMatch(/Handling VANISHED/);
			const there = await world.a.imap(world.user, password);
			await until("the one that is left in Archive", async () => {
				const { MESSAGES } = await there.mailboxStatus("Archive");
				return MESSAGES === 1;
			});
			await there.logout();
		},
	);
});
