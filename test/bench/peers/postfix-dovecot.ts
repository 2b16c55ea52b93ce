/**
 * Postfix handing to Dovecot over LMTP, both from Debian, with their defaults for durability (Postfix fsyncs its queue,
 * Dovecot each delivery), in a temporary folder on free loopback ports. Touches neither /etc nor running services. Root only,
 * as both programs change their user.
 */
import { accessSync, constants } from "node:fs";
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ImapClient } from "../../harness/imap-client.ts";
import {
	removeFolder,
	run,
	runOk,
	spawnOwned,
	temporaryFolder,
} from "../../harness/processes.ts";
import { until } from "../../harness/until.ts";
import {
	type MailHost,
	userAddress,
	userCount,
	userPassword,
} from "../system.ts";
import { freePort } from "./free-port.ts";

export type MailboxFormat = "maildir" | "sdbox" | "mdbox";

const programs = [
	"/usr/sbin/postfix",
	"/usr/sbin/dovecot",
	"/usr/lib/dovecot/imap",
	"/usr/lib/dovecot/lmtp",
];
/** Owner of the mail; needs no entry in passwd. */
const mailUser = 5000;

/** Why the pair cannot run here; undefined when it can. */
export function whyNot(): string | undefined {
	if (process.getuid?.() !== 0) return "needs root";
	for (const program of programs)
		try {
			accessSync(program, constants.X_OK);
		} catch {
			return `${program} is not installed (Debian: postfix dovecot-imapd dovecot-lmtpd)`;
		}
	return undefined;
}

interface Place {
	readonly folder: string;
	readonly imapPort: number;
	readonly smtpPort: number;
}

const dovecotConf = ({ folder, imapPort }: Place) => `
base_dir = ${folder}/dovecot/run
state_dir = ${folder}/dovecot/state
instance_name = pmnode-bench-${imapPort}
log_path = ${folder}/dovecot/diary
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_username_format = %Ln
auth_mechanisms = plain login
first_valid_uid = 100
mail_uid = ${mailUser}
mail_gid = ${mailUser}
mail_max_userip_connections = 1000
postmaster_address = postmaster@bench.test
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%Ln ${folder}/dovecot/passwd
}
userdb {
  driver = passwd-file
  args = username_format=%Ln ${folder}/dovecot/passwd
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  inet_listener imap {
    port = ${imapPort}
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
`;

const postfixMain = ({ folder }: Place) => `
compatibility_level = 3.6
queue_directory = ${folder}/postfix/spool
data_directory = ${folder}/postfix/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
syslog_name = pmnode-bench
maillog_file = ${folder}/postfix/diary
maillog_file_prefixes = ${folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = peer.test
mydestination =
mynetworks = 127.0.0.0/8
local_recipient_maps =
virtual_mailbox_domains = bench.test
virtual_transport = lmtp:unix:${folder}/dovecot/run/lmtp
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
alias_database =
`;

const postfixMaster = ({ smtpPort }: Place) => `
127.0.0.1:${smtpPort} inet n - n - - smtpd
pickup    unix  n - n 60    1 pickup
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
verify    unix  - - n -     1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -     - proxymap
proxywrite unix - - n -     1 proxymap
smtp      unix  - - n -     - smtp
relay     unix  - - n -     - smtp
showq     unix  n - n -     - showq
error     unix  - - n -     - error
retry     unix  - - n -     - error
discard   unix  - - n -     - discard
lmtp      unix  - - n -     - lmtp
anvil     unix  - - n -     1 anvil
scache    unix  - - n -     1 scache
postlog   unix-dgram n - n - 1 postlogd
`;

async function layDovecot(place: Place, format: MailboxFormat) {
	const home = join(place.folder, "dovecot");
	for (const each of ["run", "state", "mail"])
		await mkdir(join(home, each), { recursive: true });
	await chown(join(home, "mail"), mailUser, mailUser);
	const location = { maildir: "Maildir", sdbox: "sdbox", mdbox: "mdbox" }[
		format
	];
	const users = Array.from({ length: userCount }, (_, index) => {
		const [name] = userAddress(index + 1).split("@");
		return `${name}:{PLAIN}${userPassword}:${mailUser}:${mailUser}::${home}/mail/${name}::userdb_mail=${format}:~/${location}\n`;
	});
	await writeFile(join(home, "passwd"), users.join(""));
	await writeFile(join(home, "dovecot.conf"), dovecotConf(place));
}

async function layPostfix(place: Place): Promise<void> {
	const home = join(place.folder, "postfix");
	for (const each of ["conf", "spool", "data"])
		await mkdir(join(home, each), { recursive: true });
	const owner = (await runOk("id", ["-u", "postfix"])).trim();
	await chown(join(home, "data"), Number(owner), 0);
	await writeFile(join(home, "conf/main.cf"), postfixMain(place));
	await writeFile(join(home, "conf/master.cf"), postfixMaster(place));
}

async function startPostfix({ folder }: Place): Promise<number> {
	const conf = join(folder, "postfix/conf");
	await runOk("/usr/sbin/postfix", ["-c", conf, "start"]);
	return await until("Postfix's process id", async () =>
		Number(
			await readFile(join(folder, "postfix/spool/pid/master.pid"), "utf8"),
		),
	);
}

/** Starts the pair and waits until a user can log in. Rejects with what the programs said. */
export async function startPostfixDovecot(
	format: MailboxFormat = "maildir",
): Promise<MailHost> {
	const folder = temporaryFolder("peer");
	const place: Place = {
		folder,
		imapPort: await freePort(),
		smtpPort: await freePort(),
	};
	// Both programs drop their rights and must still reach their files.
	await chmod(folder, 0o755);
	await layDovecot(place, format);
	await layPostfix(place);
	const dovecot = spawnOwned(
		"/usr/sbin/dovecot",
		["-F", "-c", join(folder, "dovecot/dovecot.conf")],
		{ stdio: "ignore" },
	);
	const putInOrder = async (user: number, mailbox: string) => {
		// Its index is a file and a log of changes; in bulk the log grows long, and each command reads it until it is folded in.
		const [name] = userAddress(user).split("@") as [string];
		const conf = join(folder, "dovecot/dovecot.conf");
		for (const command of ["force-resync", "index"])
			await runOk("doveadm", ["-c", conf, command, "-u", name, mailbox]);
		return "doveadm force-resync and index";
	};
	const stop = async () => {
		await run("/usr/sbin/postfix", [
			"-c",
			join(folder, "postfix/conf"),
			"stop",
		]);
		if (dovecot.exitCode === null) {
			const gone = new Promise((resolve) => dovecot.once("exit", resolve));
			dovecot.kill("SIGTERM");
			await gone;
		}
		removeFolder(folder);
	};
	try {
		const postfix = await startPostfix(place);
		const imap = { host: "127.0.0.1", port: place.imapPort };
		await until("Dovecot to let a user in", async () => {
			const client = await ImapClient.connect(imap);
			await client.login(userAddress(1), userPassword);
			await client.logout();
			return true;
		});
		return {
			name: "Postfix→Dovecot",
			smtp: { host: "127.0.0.1", port: place.smtpPort },
			imap,
			putInOrder,
			pids: () => [dovecot.pid ?? 0, postfix],
			stop,
		};
	} catch (error) {
		const said = await run("tail", [
			"-n",
			"20",
			join(folder, "dovecot/diary"),
			join(folder, "postfix/diary"),
		]);
		await stop();
		throw new Error(`${error}\n${said.stdout}`);
	}
}
