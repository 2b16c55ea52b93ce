/**
 * Makes broken input out of good input, from a seed: the same seed gives the same octets. What is sent stays close to
 * what is meant, so that it gets deep into a parser before it goes wrong.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Rounds of a fuzzer: as given, times PMNODE_FUZZ_FACTOR where more time is (the long suite). */
export const rounds = (count: number): number =>
	count * Number(process.env.PMNODE_FUZZ_FACTOR ?? 1);

/** The seed of this run: PMNODE_FUZZ_SEED to see a failure again. In the short run always the same. */
export const firstSeed = (): number =>
	Number(process.env.PMNODE_FUZZ_SEED ?? 20_261_126);

/** Octets that mean something to one of the parsers. */
const TOKENS = [
	...'\0|\r|\n|\r\n|\r\n.\r\n| |\t|\x7f|\xff|\xc3\xa9|\xed\xa0\x80|(|)|[|]|<|>|{|}|"|\\|*|%|~|+|=|,|:|;|@|/|-|.'.split(
		"|",
	),
	..."{0}|{1}|{3+}|{9+}|~{2+}|{4294967296}|{99999999999999999999}|{-1}|{5-}|{65537+}|(((((((((((|))))".split(
		"|",
	),
	..."0 1 * 1:* *:1 4294967295 4294967296 18446744073709551616 9007199254740993 -1 1e9 NaN NIL".split(
		" ",
	),
	..."=?utf-8?B?/w==?= =?x?Q?=?= &AAA- &- +AAA- %00 %s ../../../etc/passwd __proto__ constructor toString".split(
		" ",
	),
	"A".repeat(70_000),
	"(".repeat(2_000),
	"x,".repeat(3_000),
];

export class Mutator {
	#state: number;

	constructor(seed: number) {
		this.#state = seed >>> 0;
	}

	/** 0 to 1, by mulberry32. */
	next(): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let t = this.#state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	}

	/** A whole number below `end`. */
	below(end: number): number {
		return Math.floor(this.next() * end);
	}

	pick<T>(from: readonly T[]): T {
		return from[this.below(from.length)] as T;
	}

	/** Latin1 text with some mistakes in it; every other time with none. */
	text(good: string, others: readonly string[] = [good]): string {
		let text = good;
		for (let left = Math.max(0, this.below(6) - 2); left > 0; left--)
			text = this.#once(text, others);
		return text;
	}

	#once(text: string, others: readonly string[]): string {
		const at = this.below(text.length + 1);
		const length = this.below(Math.min(text.length - at, 12) + 1);
		const [before, rest] = [text.slice(0, at), text.slice(at)];
		switch (this.below(8)) {
			case 0:
				return before + rest.slice(length);
			case 1:
				return before + this.pick(TOKENS) + rest;
			case 2:
				return before + this.pick(TOKENS) + rest.slice(length);
			case 3:
				return before + String.fromCharCode(this.below(256)) + rest.slice(1);
			case 4:
				return before + rest.slice(0, length).repeat(this.below(20)) + rest;
			case 5:
				return before;
			case 6:
				return before + this.#part(this.pick(others)) + rest;
			default:
				return this.#swap(text);
		}
	}

	#part(of: string): string {
		const at = this.below(of.length + 1);
		return of.slice(at, at + this.below(40));
	}

	/** Two words change places. */
	#swap(text: string): string {
		const words = text.split(" ");
		const [a, b] = [this.below(words.length), this.below(words.length)];
		[words[a], words[b]] = [words[b] as string, words[a] as string];
		return words.join(" ");
	}

	bytes(good: Uint8Array): Uint8Array {
		const text = Buffer.from(good).toString("latin1");
		return Buffer.from(this.text(text), "latin1");
	}
}

/** Bytes of heap and buffers in use, after a collection of garbage. */
export function usedBytes(): number {
	setFlagsFromString("--expose-gc");
	const collect = runInNewContext("gc") as () => void;
	collect();
	collect();
	const { heapUsed, arrayBuffers } = process.memoryUsage();
	return heapUsed + arrayBuffers;
}
