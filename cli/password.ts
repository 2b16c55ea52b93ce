/** Passwords from the first line of standard input, or asked twice on a terminal without echo. */
import type { ReadStream } from "node:tty";
import { WrongUsage } from "../node/config.ts";
import { OperatorFault } from "../sync/faults.ts";
import { PASSWORD_BYTES_MAX } from "../sync/limits.ts";

/** Rejects with WrongUsage when there is none, or OperatorFault when the two differ or ^C was pressed. */
export async function newPassword(
	user: string,
	fromStdin: boolean,
): Promise<string> {
	const { stdin } = process;
	try {
		if (fromStdin) return acceptable(await firstLine(stdin));
		if (!stdin.isTTY)
			throw new WrongUsage(
				"there is no terminal to ask for the password; give it with --password-stdin",
			);
		const password = acceptable(await hidden(stdin, `Password for ${user}: `));
		if ((await hidden(stdin, "The same again: ")) !== password)
			throw new OperatorFault("the two passwords differ; nothing was changed");
		return password;
	} finally {
		stdin.destroy(); // or it keeps the process alive
	}
}

function acceptable(password: string): string {
	if (password === "")
		throw new WrongUsage("the password is empty; give one on the first line");
	if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX)
		throw new WrongUsage(
			`the password is longer than ${PASSWORD_BYTES_MAX} bytes; take a shorter one`,
		);
	return password;
}

async function firstLine(stream: AsyncIterable<Buffer>): Promise<string> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of stream) {
		chunks.push(chunk);
		bytes += chunk.length;
		if (chunk.includes(0x0a) || bytes > PASSWORD_BYTES_MAX + 2) break;
	}
	const text = Buffer.concat(chunks).toString("utf8");
	return (text.split("\n")[0] ?? "").replace(/\r$/, "");
}

/** One line from the terminal, unseen. Backspace and ^U correct; ^C and ^D give up. */
function hidden(terminal: ReadStream, prompt: string): Promise<string> {
	terminal.setRawMode(true); // first, so that nothing typed early is shown
	process.stderr.write(prompt);
	terminal.setEncoding("utf8");
	terminal.resume();
	return new Promise((resolve, reject) => {
		let typed = "";
		const end = (finish: () => void) => {
			terminal.off("data", take);
			terminal.pause();
			terminal.setRawMode(false);
			process.stderr.write("\n");
			finish();
		};
		const take = (chunk: Buffer | string) => {
			for (const key of String(chunk)) {
				if (key === "\r" || key === "\n") return end(() => resolve(typed));
				if (key === "\u{3}" || key === "\u{4}")
					return end(() =>
						reject(new OperatorFault("given up; nothing was changed")),
					);
				typed = edited(typed, key);
			}
		};
		terminal.on("data", take);
	});
}

function edited(typed: string, key: string): string {
	if (key === "\u{7f}" || key === "\b") return [...typed].slice(0, -1).join("");
	if (key === "\u{15}") return "";
	return typed + key;
}
