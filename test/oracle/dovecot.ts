/** Dovecot alone, from Debian, on one loopback port in a temporary folder: what a server that everybody uses says of a message. Root only. */
import { accessSync, constants } from "node:fs";
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../bench/peers/free-port.ts";
import { ImapClient } from "../harness/imap-client.ts";
import {
	removeFolder,
	spawnOwned,
	temporaryFolder,
} from "../harness/processes.ts";
import { until } from "../harness/until.ts";

const mailUser = 5000;
const program = "/usr/sbin/dovecot";

/** Why it cannot run here; undefined when it can. */
export function whyNoDovecot(): string | undefined {
	if (process.getuid?.() !== 0) return "needs root";
	try {
		accessSync(program, constants.X_OK);
		return undefined;
	} catch {
		return `${program} is not installed (Debian: dovecot-imapd)`;
	}
}

const configuration = (folder: string, port: number) => `
base_dir = ${folder}/run
state_dir = ${folder}/state
instance_name = pmnode-oracle-${port}
log_path = ${folder}/diary
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 100
mail_uid = ${mailUser}
mail_gid = ${mailUser}
mail_location = maildir:${folder}/mail/%n
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=${mailUser} gid=${mailUser} home=${folder}/mail/%n
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
`;

export interface Dovecot {
	/** Logged in. */
	readonly client: ImapClient;
	stop(): Promise<void>;
}

export async function startDovecot(): Promise<Dovecot> {
	const folder = temporaryFolder("oracle");
	await chmod(folder, 0o755);
	for (const each of ["run", "state", "mail"])
		await mkdir(join(folder, each), { recursive: true });
	await chown(join(folder, "mail"), mailUser, mailUser);
	const port = await freePort();
	const file = join(folder, "dovecot.conf");
	await writeFile(file, configuration(folder, port));
	const child = spawnOwned(program, ["-F", "-c", file], { stdio: "ignore" });
	const stop = async () => {
		if (child.exitCode === null) {
			const gone = new Promise((resolve) => child.once("exit", resolve));
			child.kill("SIGTERM");
			await gone;
		}
		removeFolder(folder);
	};
	try {
		const client = await until("Dovecot to let a user in", async () => {
			const one = await ImapClient.connect({ host: "127.0.0.1", port });
			await one.login("oracle", "secret");
			return one;
		});
		return {
			client,
			stop: async () => {
				await client.logout();
				await stop();
			},
		};
	} catch (error) {
		await stop();
		throw error;
	}
}
