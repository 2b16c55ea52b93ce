/** How far a long command is: one line on a terminal, drawn in place. Elsewhere nothing is shown but what must be said. */
import { printable } from "../node/printable.ts";

interface Stream {
	readonly isTTY?: boolean;
	readonly columns?: number;
	write(text: string): unknown;
}

const BAR = 20;

export class Progress {
	readonly #stream: Stream;
	readonly #draws: boolean;
	readonly #quiet: boolean;
	#drawn = "";

	constructor(stream: Stream, quiet = false) {
		this.#stream = stream;
		this.#quiet = quiet;
		this.#draws = stream.isTTY === true && !quiet;
	}

	/** `total` 0: it is not known how much there is. */
	show(
		what: string,
		done: number,
		total: number,
		{ bytes = false } = {},
	): void {
		if (!this.#draws) return;
		const amount = (n: number) => (bytes ? bytesText(n) : String(n));
		const text =
			total > 0
				? `${bar(done / total)} ${percent(done / total)} ${what} (${amount(done)} of ${amount(total)})`
				: `${" ".repeat(BAR + 7)}${what}${done > 0 ? ` (${amount(done)})` : ""}`;
		const line = text.slice(0, (this.#stream.columns || 80) - 1);
		if (line === this.#drawn) return;
		this.#drawn = line;
		this.#stream.write(`\r${line}\u{1b}[K`);
	}

	/** A line that stays. To the same stream, left out where quiet was asked for. */
	line(text: string, to: Stream = this.#stream): void {
		if (this.#quiet && to === this.#stream) return;
		this.end();
		to.write(`${printable(text)}\n`);
	}

	/** Takes the drawn line away. */
	end(): void {
		if (this.#drawn !== "") this.#stream.write("\r\u{1b}[K");
		this.#drawn = "";
	}
}

function bar(part: number): string {
	const full = Math.round(Math.min(1, Math.max(0, part)) * BAR);
	return `[${"#".repeat(full)}${".".repeat(BAR - full)}]`;
}
const percent = (part: number): string =>
	`${Math.floor(Math.min(1, Math.max(0, part)) * 100)}%`.padStart(4);

/** `512 B`, `12.5 kB`, `3.2 GB`. */
export function bytesText(bytes: number): string {
	const units = ["B", "kB", "MB", "GB", "TB"];
	let size = bytes;
	let unit = 0;
	while (size >= 1000 && unit < units.length - 1) {
		size /= 1000;
		unit++;
	}
	return `${size.toFixed(unit === 0 || size >= 100 ? 0 : 1)} ${units[unit]}`;
}
