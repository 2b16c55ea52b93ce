/**
 * Which operations each message of a view has, for rule 13: so compact, and so quick to compare with a vector, that
 * 100,000 messages are nothing. One number per message and origin, in one array; rows are numbered from 0.
 */
import type { Origin } from "../ids.ts";
import type { Vector } from "../log/record.ts";
import type { Operations } from "./rows.ts";

/** origin number · SPAN + sequence: below 2^53 for 8192 incarnations of 2^40 changes. */
const SPAN = 2 ** 40;
const CELLS_MIN = 64;

export class OperationTable {
	readonly #numbers = new Map<Origin, number>();
	#cells = new Float64Array(CELLS_MIN);
	#used = 0;
	/** Of each row: where its cells begin, and how many they are. */
	readonly #starts: number[] = [];
	readonly #counts: number[] = [];

	/** Sets the operations of a row; a new row is the next one. They only ever grow. */
	set(row: number, operations: Operations): void {
		const origins = Object.keys(operations) as Origin[];
		if (origins.length > (this.#counts[row] ?? 0)) {
			this.#reserve(origins.length);
			this.#starts[row] = this.#used;
			this.#counts[row] = origins.length;
			this.#used += origins.length;
		}
		const start = this.#starts[row] as number;
		for (let i = 0; i < origins.length; i++) {
			const origin = origins[i] as Origin;
			this.#cells[start + i] =
				this.#numberOf(origin) * SPAN + (operations[origin] as number);
		}
	}

	of(row: number): Operations {
		const origins = [...this.#numbers.keys()];
		const operations: Operations = {};
		const start = this.#starts[row] as number;
		for (let at = start; at < start + (this.#counts[row] as number); at++) {
			const cell = this.#cells[at] as number;
			const number = Math.floor(cell / SPAN);
			operations[origins[number] as Origin] = cell - number * SPAN;
		}
		return operations;
	}

	#numberOf(origin: Origin): number {
		let number = this.#numbers.get(origin);
		if (number === undefined) {
			number = this.#numbers.size;
			this.#numbers.set(origin, number);
		}
		return number;
	}

	#reserve(count: number): void {
		if (this.#used + count <= this.#cells.length) return;
		const larger = new Float64Array(2 * (this.#used + count));
		larger.set(this.#cells);
		this.#cells = larger;
	}

	/** Rows with an operation that is not in the vector, ascending. */
	rowsBeyond(vector: Vector): number[] {
		const limits = [...this.#numbers.keys()].map((o) => vector.get(o) ?? 0);
		const rows: number[] = [];
		for (let row = 0; row < this.#starts.length; row++) {
			const start = this.#starts[row] as number;
			const end = start + (this.#counts[row] as number);
			for (let at = start; at < end; at++) {
				const cell = this.#cells[at] as number;
				const number = Math.floor(cell / SPAN);
				if (cell - number * SPAN <= (limits[number] as number)) continue;
				rows.push(row);
				break;
			}
		}
		return rows;
	}
}
