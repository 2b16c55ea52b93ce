import { NOT_YET, notYet } from "../later.ts";
import type { Register } from "../program.ts";

export const importAccount: Register = (program) =>
	void program
		.command("import <imap-url>")
		.description("Copy an account from another IMAP server")
		.helpGroup(NOT_YET)
		.action(notYet("import", "use imapsync or a mail client instead"));
