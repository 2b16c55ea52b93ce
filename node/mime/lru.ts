/** A map bounded in bytes, from which the least recently used goes first. */
export class ByteLru<Value> {
	readonly #bytesMax: number;
	/** In order of use. */
	readonly #values = new Map<string, { value: Value; bytes: number }>();
	#bytes = 0;

	constructor(bytesMax: number) {
		this.#bytesMax = bytesMax;
	}

	get bytes(): number {
		return this.#bytes;
	}

	get(key: string): Value | undefined {
		const held = this.#values.get(key);
		if (held === undefined) return undefined;
		this.#values.delete(key);
		this.#values.set(key, held);
		return held.value;
	}

	set(key: string, value: Value, bytes: number): void {
		this.#drop(key);
		if (bytes > this.#bytesMax) return;
		this.#values.set(key, { value, bytes });
		this.#bytes += bytes;
		for (const oldest of this.#values.keys()) {
			if (this.#bytes <= this.#bytesMax) return;
			this.#drop(oldest);
		}
	}

	#drop(key: string): void {
		const held = this.#values.get(key);
		if (held === undefined) return;
		this.#values.delete(key);
		this.#bytes -= held.bytes;
	}
}
