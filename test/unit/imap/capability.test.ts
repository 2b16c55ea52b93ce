import { describe, expect, test } from "vitest";
import { capabilities } from "../../../node/imap/capability.ts";
import { commandNames } from "../../../node/imap/commands.ts";
import { Session } from "../../../node/imap/session.ts";

/** A session as far as its promises go. */
const session = (
	isSecure: boolean,
	isLoopback: boolean,
	allowPlaintextAuth = false,
): Session => {
	const surroundings = {
		allowPlaintextAuth,
		allowUnauthenticate: true,
		messagesPerCommandMax: 1_000,
	};
	const transport = { isSecure: () => isSecure, isLoopback };
	const nothing = undefined as never;
	return new Session(
		surroundings as never,
		transport as never,
		nothing,
		nothing,
	);
};

describe("before login", () => {
	test.each([
		// secure, loopback, allowed; STARTTLS, AUTH=PLAIN
		[false, false, false, true, false],
		[false, true, false, true, true],
		[false, false, true, true, true],
		[true, false, false, false, true],
		[true, true, true, false, true],
	])(
		"secure %s, loopback %s, allowed %s",
		(secure, loopback, allowed, startTls, plain) => {
			const names = capabilities(session(secure, loopback, allowed)).split(" ");
			expect(names.includes("STARTTLS")).toBe(startTls);
			expect(names.includes("AUTH=PLAIN")).toBe(plain);
			expect(names.includes("LOGINDISABLED")).toBe(!plain);
		},
	);
});

test("what is promised has its command", () => {
	const after = session(true, false);
	after.account = {} as never;
	for (const name of capabilities(after).split(" "))
		if (
			["IDLE", "NAMESPACE", "UNSELECT", "MOVE", "ID", "ENABLE"].includes(name)
		)
			expect(commandNames).toContain(name);
});
