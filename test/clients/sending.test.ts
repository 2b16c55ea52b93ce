import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { ListenerName, TestNode } from "../harness/node.ts";
import { run } from "../harness/processes.ts";
import { testWith } from "./programs.ts";
import { password, port, useWorld } from "./world.ts";

const world = useWorld();

describe("swaks", () => {
	/** `options` as one would type them. */
	const swaks = (
		node: TestNode,
		listener: ListenerName,
		options: string,
		to = world.user,
	) =>
		run("swaks", [
			..."--timeout 20 --server 127.0.0.1 --port".split(" "),
			port(node, listener),
			"--to",
			to,
			...options.split(" "),
		]);
	const login = (secret: string) => [
		"--auth-user",
		world.user,
		"--auth-password",
		secret,
	];
	const submit = (
		node: TestNode,
		listener: ListenerName,
		options: string,
		secret = password,
	) =>
		run("swaks", [
			..."--timeout 20 --server 127.0.0.1 --auth PLAIN --port".split(" "),
			port(node, listener),
			...["--to", world.user, "--from", world.user],
			...options.split(" "),
			...login(secret),
		]);

	testWith(
		"swaks",
		"delivers as another server would, and the other node has it",
		async () => {
			const sent = await swaks(
				world.a,
				"smtp",
				"--from ben@sender.test --header Subject:\tgreeting",
			);
			expect(sent.code, sent.stdout + sent.stderr).toBe(0);
			expect(await world.arrived(world.b, 1)).toEqual([
				expect.stringMatching(/^Subject:\s+greeting\r$/m),
			]);
		},
	);

	testWith("swaks", "delivers over STARTTLS", async () => {
		const sent = await swaks(world.a, "smtp", "--from ben@sender.test --tls");
		expect(sent.code, sent.stdout + sent.stderr).toBe(0);
		await world.arrived(world.b, 1);
	});

	testWith(
		"swaks",
		"submits with STARTTLS and AUTH, and with TLS from the start",
		async () => {
			const first = await submit(world.b, "submission", "--tls");
			expect(first.code, first.stdout + first.stderr).toBe(0);
			const second = await submit(world.b, "submissions", "--tls-on-connect");
			expect(second.code, second.stdout + second.stderr).toBe(0);
			await world.arrived(world.a, 2);
		},
	);

	testWith(
		"swaks",
		"is refused: unknown recipient, wrong password, submission without login",
		async () => {
			const unknown = await swaks(
				world.a,
				"smtp",
				"--from ben@sender.test",
				"nobody@clients.test",
			);
			expect(unknown.code).not.toBe(0);
			expect(unknown.stdout).toMatch(/<\*\* 550/);
			const wrong = await submit(
				world.a,
				"submissions",
				"--tls-on-connect",
				"wrong",
			);
			expect(wrong.code).not.toBe(0);
			expect(wrong.stdout).toMatch(/<[~*]\* 535/);
			const without = await swaks(
				world.a,
				"submissions",
				`--tls-on-connect --from ${world.user}`,
			);
			expect(without.code).not.toBe(0);
			expect(without.stdout).toMatch(/<[~*]\* 53\d/);
		},
	);
});

describe("curl", () => {
	const curl = (...args: string[]) =>
		run("curl", [
			"--silent",
			"--show-error",
			"--max-time",
			"30",
			"--insecure",
			"--user",
			`${world.user}:${password}`,
			...args,
		]);

	testWith(
		"curl",
		"lists mailboxes, searches and fetches over IMAP with TLS",
		async () => {
			await world.put(world.a, "one", "two");
			await world.arrived(world.b, 2);
			const base = `imaps://127.0.0.1:${port(world.b, "imaps")}`;
			const listed = await curl(`${base}/`);
			for (const name of [
				"INBOX",
				"Sent",
				"Drafts",
				"Trash",
				"Junk",
				"Archive",
			])
				expect(listed.stdout, listed.stderr).toContain(name);
			const found = await curl(`${base}/INBOX?SUBJECT%20two`);
			expect(found.stdout.trim(), found.stderr).toBe("* SEARCH 2");
			const fetched = await curl(`${base}/INBOX;MAILINDEX=2`);
			expect(fetched.stdout, fetched.stderr).toBe(
				world.message("two").toString(),
			);
		},
	);

	testWith(
		"curl",
		"appends over STARTTLS, and sends through submission",
		async () => {
			const file = join(world.folder, "upload.eml");
			await writeFile(file, world.message("uploaded"));
			const appended = await curl(
				"--ssl-reqd",
				"--upload-file",
				file,
				`imap://127.0.0.1:${port(world.a, "imap")}/INBOX`,
			);
			expect(appended.code, appended.stderr).toBe(0);
			const sent = await curl(
				"--ssl-reqd",
				"--mail-from",
				world.user,
				"--mail-rcpt",
				world.user,
				"--upload-file",
				file,
				`smtp://127.0.0.1:${port(world.a, "submission")}/clients.test`,
			);
			expect(sent.code, sent.stderr).toBe(0);
			const bodies = await world.arrived(world.b, 2);
			expect(bodies).toContain(world.message("uploaded").toString());
		},
	);
});

describe("gsasl", () => {
	/** A login and LOGOUT or QUIT, by the library that neomutt, exim and others use. */
	const gsasl = (
		protocol: "imap" | "smtp",
		mechanism: string,
		secret: string,
		...more: string[]
	) =>
		run("gsasl", [
			`--${protocol}`,
			`--connect=127.0.0.1:${port(world.a, protocol === "imap" ? "imap" : "submission")}`,
			`--mechanism=${mechanism}`,
			`--authentication-id=${world.user}`,
			"--authorization-id=",
			`--password=${secret}`,
			"--quality-of-protection=qop-auth",
			"--verbose",
			...more,
		]);

	testWith(
		"gsasl",
		"logs in with SCRAM-SHA-256, in clear and with TLS",
		async () => {
			for (const protocol of ["imap", "smtp"] as const) {
				const clear = await gsasl(
					protocol,
					"SCRAM-SHA-256",
					password,
					"--no-starttls",
				);
				expect(clear.code, clear.stdout + clear.stderr).toBe(0);
				const bound = await gsasl(
					protocol,
					"SCRAM-SHA-256-PLUS",
					password,
					"--starttls",
					"--x509-ca-file=",
				);
				expect(bound.code, bound.stdout + bound.stderr).toBe(0);
				const wrong = await gsasl(
					protocol,
					"SCRAM-SHA-256",
					"wrong",
					"--no-starttls",
				);
				expect(wrong.code).not.toBe(0);
			}
		},
	);
});
