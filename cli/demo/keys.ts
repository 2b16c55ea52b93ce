/** What is typed at the demo: a letter for what to do and a letter for the node, or q. Pure. */

export type Action = "kill" | "start" | "cut" | "heal";
export type Typed =
	| { readonly action: Action; readonly node: string }
	| { readonly action: "quit" };

const ACTIONS: Readonly<Record<string, Action>> = {
	k: "kill",
	s: "start",
	x: "cut",
	h: "heal",
};
/** ^C and ^D arrive as keys while the terminal is in raw mode. */
const QUIT = new Set(["q", "\u{3}", "\u{4}"]);

/** Takes keys as they come, one or many at a time; blanks and Enter between them are as good as none. */
export class Keys {
	/** The letter that waits for its node, shown at the prompt. */
	pending = "";
	readonly #nodes: readonly string[];

	constructor(nodes: readonly string[]) {
		this.#nodes = nodes;
	}

	/** What was asked for by these keys, in order. */
	take(text: string): Typed[] {
		return [...text.toLowerCase()].flatMap((key): Typed[] => {
			const action = ACTIONS[this.pending];
			if (QUIT.has(key)) return [{ action: "quit" }];
			if (action !== undefined && this.#nodes.includes(key)) {
				this.pending = "";
				return [{ action, node: key }];
			}
			if (/\s/.test(key)) return [];
			this.pending = key in ACTIONS ? key : "";
			return [];
		});
	}
}
