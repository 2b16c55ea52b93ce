/** Messages to send: made from numbers only, so that what arrives can be told from what was sent. */

const words =
	"alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu invoice meeting report urgent budget travel lunch server".split(
		" ",
	);

/** The same numbers for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

function bodyText(sizeBytes: number, seed: number): string {
	const random = seeded(seed);
	const lines: string[] = [];
	let length = 0;
	while (length < sizeBytes) {
		const line = Array.from(
			{ length: 10 },
			() => words[Math.floor(random() * words.length)],
		)
			.join(" ")
			.slice(0, 70);
		lines.push(line);
		length += line.length + 2;
	}
	return lines.join("\r\n");
}

/** Makes messages of about `sizeBytes`; `run` sets the ones of one run apart from those of another. */
export class MessageMaker {
	readonly #run: string;
	readonly #sizeBytes: number;
	readonly #bodies: readonly string[];
	constructor(run: string, sizeBytes = 4096) {
		this.#run = run;
		this.#sizeBytes = sizeBytes;
		this.#bodies = Array.from({ length: 16 }, (_, seed) =>
			bodyText(sizeBytes + 100, seed + 1),
		);
	}

	messageId(number: number): string {
		return `<${this.#run}.${number}@bench.test>`;
	}

	/** CRLF line ends, nothing to be dot-stuffed. */
	make(number: number, recipient: string): Buffer {
		const day = (number % 28) + 1;
		const head = [
			`Received: from bench.test (localhost [127.0.0.1]) by peer.test with ESMTP id ${this.#run}${number}`,
			`Date: ${new Date(Date.UTC(2023, 10, day, 12, number % 60)).toUTCString().replace("GMT", "+0000")}`,
			`From: "Sender ${number % 50}" <s${number % 50}@sender.test>`,
			`To: <${recipient}>`,
			`Subject: ${words[number % words.length]} ${words[(number * 7) % words.length]} number ${number}`,
			`Message-ID: ${this.messageId(number)}`,
			"MIME-Version: 1.0",
			"Content-Type: text/plain; charset=utf-8",
			"",
			"",
		].join("\r\n");
		const tail = `\r\nneedle${number % 1000}\r\n`;
		const body = this.#bodies[number % 16] ?? "";
		const room = Math.max(10, this.#sizeBytes - head.length - tail.length);
		// Half a line end would not come back as it was sent.
		return Buffer.from(head + body.slice(0, room).replace(/\r$/, "") + tail);
	}
}
