/** Numbers, texts and runs as Automerge lays them down: LEB128, and columns of runs (a length, or a negative count of single values). */

/** A length below this takes one byte. */
const SHORT_MAX = 0x80;

export class ByteWriter {
	length = 0;
	#buffer = Buffer.allocUnsafeSlow(4_096);

	clear(): void {
		this.length = 0;
	}
	/** Until the next call of anything here. */
	written(): Uint8Array {
		return this.#buffer.subarray(0, this.length);
	}
	#room(bytes: number): void {
		if (this.length + bytes <= this.#buffer.length) return;
		const larger = Buffer.allocUnsafeSlow(2 * (this.length + bytes));
		this.#buffer.copy(larger, 0, 0, this.length);
		this.#buffer = larger;
	}
	/** Up to 2^53. */
	unsigned(value: number): void {
		this.#room(8);
		let left = value;
		for (; left >= 0x80; left = Math.floor(left / 0x80))
			this.#buffer[this.length++] = (left % 0x80) | 0x80;
		this.#buffer[this.length++] = left;
	}
	/** Up to 2^52. */
	signed(value: number): void {
		this.#room(8);
		let left = value;
		for (; left < -0x40 || left >= 0x40; left = Math.floor(left / 0x80))
			this.#buffer[this.length++] = (left & 0x7f) | 0x80;
		this.#buffer[this.length++] = left & 0x7f;
	}
	bytes(bytes: Uint8Array): void {
		this.#room(bytes.length);
		this.#buffer.set(bytes, this.length);
		this.length += bytes.length;
	}
	utf8(text: string): void {
		this.#room(3 * text.length);
		this.length += this.#buffer.write(text, this.length);
	}
	/** Bytes with their length before them. */
	block(bytes: Uint8Array): void {
		this.unsigned(bytes.length);
		this.bytes(bytes);
	}
	text(text: string): void {
		if (text.length < SHORT_MAX && this.#ascii(text)) return;
		this.unsigned(Buffer.byteLength(text));
		this.utf8(text);
	}
	/** A text that takes one byte for its length, as keys do; false, and nothing written, where it has others than ASCII. */
	#ascii(text: string): boolean {
		this.#room(1 + text.length);
		const buffer = this.#buffer;
		let at = this.length;
		buffer[at++] = text.length;
		for (let i = 0; i < text.length; i++) {
			const unit = text.charCodeAt(i);
			if (unit >= 0x80) return false;
			buffer[at++] = unit;
		}
		this.length = at;
		return true;
	}
	/** Begins a run of `count` times the value that follows. */
	run(count: number): void {
		this.signed(count === 1 ? -1 : count);
	}
	/** A column of numbers, as runs() has it, without a call for each: a change has five of them. */
	numbers(values: readonly number[]): void {
		const count = values.length;
		for (let from = 0; from < count; ) {
			const value = values[from] as number;
			let to = from + 1;
			if (to < count && values[to] === value) {
				while (to < count && values[to] === value) to++;
				this.signed(to - from);
				this.unsigned(value);
			} else {
				// Up to where a run begins.
				while (to < count && values[to] !== values[to + 1]) to++;
				this.signed(from - to);
				for (let at = from; at < to; at++) this.unsigned(values[at] as number);
			}
			from = to;
		}
	}
	/** A column of values. */
	runs<T>(values: readonly T[], write: (value: T) => void): void {
		const isRun = (at: number) =>
			at + 1 < values.length && values[at] === values[at + 1];
		for (let from = 0; from < values.length; ) {
			let to = from + 1;
			if (isRun(from)) {
				while (to < values.length && values[to] === values[from]) to++;
				this.signed(to - from);
				write(values[from] as T);
			} else {
				while (to < values.length && !isRun(to)) to++;
				this.signed(from - to);
				for (let at = from; at < to; at++) write(values[at] as T);
			}
			from = to;
		}
	}
}

/** Reads what may be anything: what is not there reads as nothing, and `failed` says so in the end. */
export class ByteReader {
	#failed: { is: boolean };
	#at: number;
	readonly #buffer: Buffer;
	readonly #end: number;

	constructor(
		bytes: Uint8Array,
		from = 0,
		end = bytes.length,
		failed = { is: false },
	) {
		this.#buffer = Buffer.from(
			bytes.buffer,
			bytes.byteOffset,
			bytes.byteLength,
		);
		this.#at = from;
		this.#end = end;
		this.#failed = failed;
	}
	get failed(): boolean {
		return this.#failed.is;
	}
	skip(bytes: number): number {
		const from = this.#at;
		if (bytes > this.#end - from) {
			this.#failed.is = true;
			this.#at = this.#end;
		} else this.#at += bytes;
		return from;
	}
	unsigned(): number {
		let value = 0;
		for (let scale = 1; scale < 2 ** 53; scale *= 0x80) {
			const at = this.skip(1);
			if (this.failed) return 0;
			const byte = this.#buffer[at] as number;
			value += (byte & 0x7f) * scale;
			if (byte < 0x80) return value;
		}
		this.#failed.is = true;
		return 0;
	}
	signed(): number {
		let value = 0;
		for (let scale = 1; scale < 2 ** 42; scale *= 0x80) {
			const at = this.skip(1);
			if (this.failed) return 0;
			const byte = this.#buffer[at] as number;
			value += (byte & 0x7f) * scale;
			if (byte < 0x80) return byte < 0x40 ? value : value - scale * 0x80;
		}
		this.#failed.is = true;
		return 0;
	}
	/** How many things of at least so many bytes follow: never more than there is room for. */
	count(bytesEach: number): number {
		const count = this.unsigned();
		if (count * bytesEach <= this.#end - this.#at) return count;
		this.#failed.is = true;
		return 0;
	}
	hex(bytes: number): string {
		const from = this.skip(bytes);
		return this.#buffer.toString("hex", from, this.#at);
	}
	text(bytes: number): string {
		const from = this.skip(bytes);
		return this.#buffer.toString("utf8", from, this.#at);
	}
	/** The next bytes, to be read beside the rest. */
	part(bytes: number): ByteReader {
		const from = this.skip(bytes);
		return new ByteReader(this.#buffer, from, this.#at, this.#failed);
	}
	/** All values of a column, at most so many. */
	runs<T>(most: number, read: () => T): T[] {
		const values: T[] = [];
		while (this.#at < this.#end && !this.failed) {
			const run = this.signed();
			if (run === 0 || values.length + Math.abs(run) > most) {
				this.#failed.is = true;
				break;
			}
			if (run < 0)
				for (let left = -run; left > 0 && !this.failed; left--)
					values.push(read());
			else {
				const value = read();
				for (let left = run; left > 0; left--) values.push(value);
			}
		}
		return values;
	}
}
