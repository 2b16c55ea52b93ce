/** The options of `start` and `join`, as help shows them. What they mean is read in node/config.ts. */
import type { Command } from "commander";
import { SETTINGS } from "../node/config.ts";

const OPTIONS: readonly (readonly [flags: string, description: string])[] = [
	["--name <name>", "name in the cluster (default: the machine's name)"],
	[
		"--hostname <fqdn>",
		"name in SMTP, IMAP and TLS (default: the node's name)",
	],
	["--site <site>", "nodes of one site share a fate (default: default)"],
	["--smtp <h:p>", "mail from other servers (default 127.0.0.1:2525)"],
	["--submission <h:p>", "mail from users, STARTTLS (default 127.0.0.1:2587)"],
	["--submissions <h:p>", "mail from users, TLS (default 127.0.0.1:2465)"],
	["--imap <h:p>", "IMAP, STARTTLS (default 127.0.0.1:2143)"],
	["--imaps <h:p>", "IMAP, TLS (default 127.0.0.1:2993)"],
	["--http <h:p>", "status page and health (default 127.0.0.1:2080)"],
	["--dns <h:p>", "DNS; not part of this version, stays off"],
	["--p2p <h:p>", "where nodes meet (default 127.0.0.1:2401)"],
	[
		"--announce <addresses>",
		"H:P or multiaddrs that peers dial, with commas (default: the address of --p2p)",
	],
	["--public-ip <ips>", "addresses for DNS answers, with commas"],
	[
		"--tls-cert <file>",
		"certificate chain, PEM (default: self-signed, made once)",
	],
	["--tls-key <file>", "its private key, PEM"],
	[
		"--copies <n>",
		"nodes that hold a message before it is acknowledged (default 2)",
	],
	[
		"--when-alone <what>",
		"below that number: accept, or defer with 451 (default accept)",
	],
	["--allow-plaintext-auth", "log in without TLS also from other machines"],
	["--alone", "after a restore: no other member will come, so wait for none"],
	[
		"--forbid-unauthenticate",
		"no UNAUTHENTICATE in IMAP, for use behind a proxy",
	],
	["--log-level <level>", "debug, info, warn or error (default info)"],
	["--log-format <format>", "text or json (default: text on a terminal)"],
];

export function withNodeOptions(command: Command): Command {
	for (const [flags, description] of OPTIONS)
		command.option(flags, description);
	return command.addHelpText(
		"after",
		`
Port 0 takes any free port; "off" turns a listener off. Each option may also be
set in the environment (PMNODE_SMTP for --smtp) or in DIR/pmnode.toml
(smtp = "127.0.0.1:2525"); the option counts first, then the environment.
When the node is ready it prints one line: "ready " and its status as JSON.
SIGTERM and SIGINT end it in order; a second one ends it at once.`,
	);
}

/** What commander read (`tlsCert`), under the setting's own name (`tls-cert`). */
export function givenOptions(
	options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
	const camel = (name: string) =>
		name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
	return Object.fromEntries(
		SETTINGS.map((name) => [name, options[camel(name)]]),
	);
}
