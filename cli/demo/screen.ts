/** The demo's terminal: text that scrolls, and below it one line of state that is drawn anew. Plain lines elsewhere. */
import { wantsColour } from "../terminal.ts";

export class Screen {
	readonly colour = wantsColour(process.stdout, process.env);
	readonly #redraws = process.stdout.isTTY === true;
	#live = "";

	/** Lines that stay. */
	say(...lines: string[]): void {
		this.#erase();
		process.stdout.write(`${lines.join("\n")}\n`);
		this.#draw();
	}

	/**
	 * The line of state. On a terminal it replaces the last one, cut to the width (`text` carries no terminal codes);
	 * elsewhere it is printed only when `changed`.
	 */
	live(text: string, changed: boolean): void {
		if (this.#redraws) {
			this.#erase();
			this.#live = text.slice(0, (process.stdout.columns ?? 80) - 1);
			this.#draw();
		} else if (changed) process.stdout.write(`${text}\n`);
	}

	/** No live line any more; what follows is plain. */
	end(): void {
		this.#erase();
		this.#live = "";
	}

	bold(text: string): string {
		return this.colour ? `\u{1b}[1m${text}\u{1b}[0m` : text;
	}
	dim(text: string): string {
		return this.colour ? `\u{1b}[2m${text}\u{1b}[0m` : text;
	}

	#erase(): void {
		if (this.#redraws && this.#live !== "") process.stdout.write("\r\u{1b}[K");
	}
	#draw(): void {
		if (this.#redraws && this.#live !== "") process.stdout.write(this.#live);
	}
}
