/** The demo's own sender: one message over SMTP (RFC 5321) without TLS, to a node on this machine. */
import { connect, type Socket } from "node:net";
import type { HostPort } from "../../node/config.ts";
import { OperatorFault } from "../../sync/faults.ts";

export interface Envelope {
	readonly from: string;
	readonly to: readonly string[];
	/** The message with CRLF line ends, dots not yet doubled. */
	readonly message: string;
}

/** Resolves when the node has answered 250 to the message. Rejects with OperatorFault and the server's words. */
export async function sendMail(
	to: HostPort,
	envelope: Envelope,
): Promise<void> {
	const socket = connect(to);
	socket.setTimeout(30_000, () =>
		socket.destroy(new Error("no answer within 30 s")),
	);
	try {
		const replies = repliesOf(socket);
		const expect = async (command: string, code: string): Promise<void> => {
			if (command !== "") socket.write(`${command}\r\n`);
			const { value: reply = "the connection was closed" } =
				await replies.next();
			if (!reply.startsWith(code))
				throw new OperatorFault(
					`sample mail was refused at ${command.split("\r\n")[0]?.slice(0, 60) || "the greeting"}: ${reply}`,
				);
		};
		await expect("", "220");
		await expect("EHLO demo.localhost", "250");
		await expect(`MAIL FROM:<${envelope.from}> BODY=8BITMIME SMTPUTF8`, "250");
		for (const recipient of envelope.to)
			await expect(`RCPT TO:<${recipient}>`, "250");
		await expect("DATA", "354");
		await expect(`${dotStuffed(envelope.message)}.`, "250");
		await expect("QUIT", "221");
	} finally {
		socket.destroy();
	}
}

/** RFC 5321 §4.5.2; ends with a line end, so that the final dot is a line of its own. */
const dotStuffed = (message: string): string =>
	`${message.replace(/(\r\n)*$/, "")}\r\n`.replace(/^\./gm, "..");

/** Whole replies: the last line of several has a space after its code (RFC 5321 §4.2.1). */
async function* repliesOf(socket: Socket): AsyncGenerator<string, undefined> {
	let text = "";
	for await (const chunk of socket) {
		text += String(chunk);
		for (;;) {
			const end = /^\d{3}(?: .*)?\r\n/m.exec(text);
			if (end === null) break;
			const length = end.index + end[0].length;
			yield text.slice(0, length).trim();
			text = text.slice(length);
		}
	}
	return undefined;
}
