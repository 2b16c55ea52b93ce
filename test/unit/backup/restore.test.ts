/** Mail of a backup put back into accounts: on the memory twin of an account, with a backup made by hand. */
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
	BACKUP_FORMAT,
	encodeList,
	type ManifestMailbox,
	writeManifest,
} from "../../../node/backup/manifest.ts";
import { hashOf, Packs } from "../../../node/backup/packs.ts";
import { restoreAccounts } from "../../../node/backup/restore.ts";
import { MemoryAccount } from "../../../node/imap/memory.ts";
import { MemoryBodies } from "../../../node/imap/memory-bodies.ts";
import type { Directory, OperationEvent } from "../../../sync/api.ts";
import type { AccountId, Address } from "../../../sync/ids.ts";
import { realClock } from "../../../sync/real/clock.ts";
import { removeFolder, temporaryFolder } from "../../harness/processes.ts";

interface Mail {
	readonly text: string;
	readonly date: number;
	readonly flags?: readonly string[];
}
const anna = "anna@x.test" as Address;
let folder = "";
afterEach(() => removeFolder(folder));

const body = (text: string) =>
	Buffer.from(`Subject: ${text}\r\n\r\n${text}\r\n`);

/** A backup of anna's mailboxes; `without` names texts whose bodies it lost. */
async function backup(
	mailboxes: Readonly<Record<string, readonly Mail[]>>,
	without: readonly string[] = [],
): Promise<void> {
	folder = temporaryFolder("restore");
	const packs = await Packs.open(join(folder, "packs"));
	const saved: ManifestMailbox[] = [];
	for (const [name, mails] of Object.entries(mailboxes)) {
		for (const { text } of mails)
			if (!without.includes(text)) await packs.put(body(text));
		const list = encodeList(
			mails.map(({ text, date, flags = [] }) => ({
				hash: hashOf(body(text)),
				sizeBytes: body(text).length,
				internalDateMilliseconds: date,
				flags,
			})),
		);
		saved.push({
			name,
			messages: mails.length,
			lists: [await packs.put(list)],
		});
	}
	await packs.flush();
	await packs.close();
	await writeManifest(folder, {
		format: BACKUP_FORMAT,
		version: "0.1.0",
		copiedMilliseconds: 1,
		node: { id: "n", name: "a" },
		cluster: "c",
		domains: ["x.test"],
		aliases: [],
		accounts: [
			{
				address: anna,
				passwordHash: "h",
				subscriptions: ["Work"],
				mailboxes: saved,
			},
		],
		files: [],
		state: { blocks: "0".repeat(64), sizeBytes: 0 },
		missing: [],
	});
}

class Host {
	readonly account = new MemoryAccount(anna, realClock);
	readonly bodies = new MemoryBodies();
	readonly lines: string[] = [];
	async add(mailbox: string, mails: readonly Mail[]): Promise<void> {
		if (this.account.find(mailbox) === undefined)
			await this.account.create(mailbox);
		await this.account.append(
			mailbox,
			mails.map(({ text, date, flags = [] }) => ({
				body: this.bodies.put(body(text)),
				flags,
				internalDateMilliseconds: date,
			})),
		);
	}
	restore(into?: string) {
		const directory: Partial<Directory> = {
			user: () => ({ address: anna, account: "a" as AccountId }),
			isLocalDomain: () => true,
			aliases: () => [],
		};
		return restoreAccounts({
			folder,
			account: anna,
			into,
			replica: {
				account: () => this.account,
				bodies: this.bodies,
				directory: directory as Directory,
			},
			tell: (event: OperationEvent) => {
				if (event.kind === "problem") this.lines.push(event.what);
			},
			signal: new AbortController().signal,
		});
	}
	async mails(mailbox: string): Promise<string[]> {
		const selected = await this.account.select(mailbox);
		const found: string[] = [];
		for (const uid of selected.uids()) {
			const message = selected.get(uid);
			if (message === undefined) continue;
			const bytes = Buffer.from(await this.bodies.read(message.body));
			found.push(
				[
					bytes.toString().split("\r\n")[2],
					message.internalDateMilliseconds,
					...message.flags,
				].join(" "),
			);
		}
		selected.release();
		return found;
	}
}

const one = { text: "one", date: 1_000, flags: ["\\Seen"] };
const two = { text: "two", date: 2_000, flags: ["$later", "\\Flagged"] };
const three = { text: "three", date: 3_000 };

describe("restore of an account", () => {
	it("brings back mailboxes, flags and dates, and nothing twice", async () => {
		await backup({ INBOX: [one, two], "Work/Old": [three] });
		const host = new Host();
		expect(await host.restore()).toEqual({
			accounts: 1,
			restored: 3,
			present: 0,
			missing: 0,
		});
		const inbox = ["one 1000 \\Seen", "two 2000 $later \\Flagged"];
		expect(await host.mails("INBOX")).toEqual(inbox);
		expect(await host.mails("Work/Old")).toEqual(["three 3000"]);
		expect(host.account.subscriptions()).toContain("Work");
		expect(await host.restore()).toMatchObject({ restored: 0, present: 3 });
		expect(await host.mails("INBOX")).toEqual(inbox);
	});

	it("brings back only what is gone, and leaves what was moved where it is now", async () => {
		await backup({ INBOX: [one, two, three] });
		const host = new Host();
		await host.add("INBOX", [{ ...one, flags: [] }]);
		await host.add("Kept", [two]);
		expect(await host.restore()).toMatchObject({ restored: 1, present: 2 });
		expect(await host.mails("INBOX")).toEqual(["one 1000", "three 3000"]);
		expect(await host.mails("Kept")).toHaveLength(1);
	});

	it("tells copies of a message apart: the one that is gone comes back", async () => {
		await backup({ INBOX: [one, one], Archive: [one] });
		const host = new Host();
		await host.add("Archive", [one]);
		expect(await host.restore()).toMatchObject({ restored: 2, present: 1 });
		expect(await host.mails("INBOX")).toHaveLength(2);
		expect(await host.mails("Archive")).toHaveLength(1);
	});

	it("tells apart the same text that came at another time", async () => {
		await backup({ INBOX: [one] });
		const host = new Host();
		await host.add("INBOX", [{ ...one, date: 9_000 }]);
		expect(await host.restore()).toMatchObject({ restored: 1, present: 0 });
	});

	it("puts all below a mailbox where that is asked for, once", async () => {
		await backup({ INBOX: [one], Work: [two] });
		const host = new Host();
		await host.add("INBOX", [one]);
		expect(await host.restore("Back")).toMatchObject({ restored: 2 });
		expect(await host.mails("Back/INBOX")).toEqual(["one 1000 \\Seen"]);
		expect(await host.mails("Back/Work")).toHaveLength(1);
		expect(await host.restore("Back")).toMatchObject({ restored: 0 });
	});

	it("goes on past what is damaged, and says exactly what is missing", async () => {
		await backup({ INBOX: [one, two, three] }, ["two"]);
		const host = new Host();
		expect(await host.restore()).toMatchObject({ restored: 2, missing: 1 });
		expect(await host.mails("INBOX")).toHaveLength(2);
		expect(host.lines).toHaveLength(1);
		expect(host.lines[0]).toContain(
			`a message of ${anna} INBOX that came 1970-01-01T00:00:02.000Z`,
		);
	});
});
