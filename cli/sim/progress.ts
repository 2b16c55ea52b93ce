/** How far a long run is: a line that is written over on a terminal, and a line now and then elsewhere. */
import type { Clock } from "../../sync/ports/clock.ts";

interface Screen {
	readonly isTTY?: boolean;
	write(text: string): unknown;
}

const TERMINAL_MILLISECONDS = 200;
const LINE_MILLISECONDS = 30_000;

export class Progress {
	readonly #clock: Clock;
	readonly #screen: Screen;
	#shownMilliseconds: number;
	#isShown = false;

	constructor(clock: Clock, screen: Screen) {
		this.#clock = clock;
		this.#screen = screen;
		this.#shownMilliseconds = clock.monotonic();
	}

	show(text: () => string): void {
		const now = this.#clock.monotonic();
		const every = this.#screen.isTTY
			? TERMINAL_MILLISECONDS
			: LINE_MILLISECONDS;
		if (now - this.#shownMilliseconds < every) return;
		this.#shownMilliseconds = now;
		if (this.#screen.isTTY) this.#screen.write(`\r\u{1b}[K${text()}`);
		else this.#screen.write(`${text()}\n`);
		this.#isShown = true;
	}

	/** The line is cleared, so that something else can be said. */
	end(): void {
		if (this.#isShown && this.#screen.isTTY) this.#screen.write("\r\u{1b}[K");
		this.#isShown = false;
	}
}
