import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { guide } from "../../../cli/demo/guide.ts";
import { Keys } from "../../../cli/demo/keys.ts";
import { liveLine } from "../../../cli/demo/live.ts";
import { messageOf, SAMPLES } from "../../../cli/demo/mail.ts";
import { sendMail } from "../../../cli/demo/send.ts";
import { STATUS } from "../fake-node.ts";

describe("sample mail", () => {
	const messages = SAMPLES.map((sample) =>
		messageOf(sample, Date.UTC(2026, 0, 5, 12), 90),
	);

	test("is mail: header, one blank line, CRLF, lines that fit, ASCII headers", () => {
		for (const message of messages) {
			expect(message).toMatch(/^From: .+\r\nTo: /);
			expect(message).toContain(
				"\r\nDate: Mon, 05 Jan 2026 10:30:00 +0000\r\n",
			);
			expect(message.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
			for (const line of message.split("\r\n"))
				expect(Buffer.byteLength(line)).toBeLessThanOrEqual(998);
			const header = message.slice(0, message.indexOf("\r\n\r\n"));
			expect(Buffer.byteLength(header)).toBe(header.length);
		}
	});

	test("has an id of its own each, and every boundary is closed", () => {
		const ids = messages.map((m) => /^Message-ID: (<.*>)\r$/im.exec(m)?.[1]);
		expect(new Set(ids).size).toBe(SAMPLES.length);
		for (const message of messages)
			for (const [, boundary] of message.matchAll(/boundary="(.+)"/g))
				expect(message).toContain(`\r\n--${boundary}--\r\n`);
	});

	test("comes in many languages and shapes", () => {
		const all = messages.join("\n");
		for (const shape of [
			"charset=iso-2022-jp",
			"charset=koi8-r",
			"format=flowed",
			"multipart/alternative",
			"message/rfc822",
			"image/png",
			"quoted-printable",
			"base64",
			"8bit",
		])
			expect(all).toContain(shape);
		const japanese = SAMPLES.find(({ text }) => text.includes("iso-2022-jp"));
		expect(japanese?.text).toContain("\u{1b}$B");
		const picture = messages.find((m) => m.includes("image/png")) ?? "";
		const base64 = /image\/png.*?\r\n\r\n([^-]*)\r\n/s.exec(picture)?.[1] ?? "";
		const png = Buffer.from(base64, "base64");
		expect(png.subarray(1, 4).toString()).toBe("PNG");
		expect(png.subarray(-8, -4).toString()).toBe("IEND");
	});
});

describe("the demo's sender", () => {
	/** A server that answers each line by `answers`, and keeps what it was told. */
	async function server(refuse?: string) {
		let told = "";
		let inData = false;
		const listener = createServer((socket) => {
			socket.write("220-hello\r\n220 there\r\n");
			let rest = "";
			socket.on("data", (chunk) => {
				rest += String(chunk);
				const lines = rest.split("\r\n");
				rest = lines.pop() ?? "";
				for (const line of lines) {
					told += `${line}\n`;
					if (inData && line !== ".") continue;
					if (refuse !== undefined && line.startsWith(refuse))
						socket.write("550 5.1.1 no such user\r\n");
					else if (line.startsWith("EHLO")) socket.write("250-x\r\n250 y\r\n");
					else if (line === "QUIT") socket.end("221 bye\r\n");
					else socket.write(line === "DATA" ? "354 go\r\n" : "250 ok\r\n");
					inData = line === "DATA";
				}
			});
		});
		await new Promise<void>((resolve) =>
			listener.listen(0, "127.0.0.1", resolve),
		);
		const { port } = listener.address() as { port: number };
		return {
			at: { host: "127.0.0.1", port },
			told: () => told,
			close: () => listener.close(),
		};
	}
	const envelope = {
		from: "a@b.example",
		to: ["c@d.example", "e@f.example"],
		message: "Subject: x\r\n\r\n.dot\r\n..two\r\nend",
	};

	test("says what SMTP wants, with dots doubled", async () => {
		const { at, told, close } = await server();
		await sendMail(at, envelope);
		close();
		expect(told().split("\n")).toEqual([
			"EHLO demo.localhost",
			"MAIL FROM:<a@b.example> BODY=8BITMIME SMTPUTF8",
			"RCPT TO:<c@d.example>",
			"RCPT TO:<e@f.example>",
			"DATA",
			"Subject: x",
			"",
			"..dot",
			"...two",
			"end",
			".",
			"QUIT",
			"",
		]);
	});

	test("hands on the words of a server that refuses", async () => {
		const { at, close } = await server("RCPT");
		await expect(sendMail(at, envelope)).rejects.toThrow(
			"sample mail was refused at RCPT TO:<c@d.example>: 550 5.1.1 no such user",
		);
		close();
	});
});

describe("keys", () => {
	test("a letter and a node, with or without blanks, at once or one by one", () => {
		const keys = new Keys(["a", "b"]);
		expect(keys.take("k b\rsbX A")).toEqual([
			{ action: "kill", node: "b" },
			{ action: "start", node: "b" },
			{ action: "cut", node: "a" },
		]);
		expect(keys.take("h")).toEqual([]);
		expect(keys.pending).toBe("h");
		expect(keys.take("b")).toEqual([{ action: "heal", node: "b" }]);
		expect(keys.pending).toBe("");
	});

	test("what means nothing is forgotten; q and ^C end", () => {
		const keys = new Keys(["a", "b"]);
		expect(keys.take("kz b?")).toEqual([]);
		expect(keys.pending).toBe("");
		expect(keys.take("kq\u{3}")).toEqual([
			{ action: "quit" },
			{ action: "quit" },
		]);
	});
});

describe("what is shown", () => {
	const running = { state: "running", status: STATUS } as const;
	const behind = {
		...STATUS,
		mail: { ...STATUS.mail, messages: 1000 },
	};

	test("a line of state", () => {
		const line = (...nodes: Parameters<typeof liveLine>[0]) => liveLine(nodes);
		const a = { name: "a", ...running };
		expect(line(a, { name: "b", ...running })).toBe(
			"a ready, b ready | 1042 messages | converged",
		);
		expect(line(a, { name: "b", state: "killed", status: undefined })).toBe(
			"a ready, b killed | 1042 messages | converged among those that answer",
		);
		expect(line(a, { name: "b", state: "running", status: behind })).toBe(
			"a ready, b ready | 1042 messages | catching up",
		);
		expect(line({ name: "a", state: "running", status: undefined })).toBe(
			"a silent | 0 messages | no node answers",
		);
	});

	test("where to point a client, and commands to copy", () => {
		const plain = { bold: (text: string) => text, dim: (text: string) => text };
		const { listeners } = STATUS;
		const text = guide(
			[
				{ name: "a", listeners, pid: 11 },
				{ name: "b", listeners, pid: 22 },
			],
			plain,
		).join("\n");
		expect(text).toContain("user anna@demo.example   password demo-anna");
		expect(text).toMatch(
			/a +127\.0\.0\.1 +2143 \/ 2993 +2587 \/ 2465 +http:\/\/127\.0\.0\.1:2080\/status/,
		);
		expect(text).toContain("swaks --server 127.0.0.1:2525 ");
		expect(text).toContain("kill -9 22 ");
	});
});
