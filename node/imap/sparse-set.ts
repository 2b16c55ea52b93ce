/**
 * A set that is nearly always empty, and then takes a fifth of the memory of a Set and nothing to clear: each session has
 * several, and most sessions only wait.
 */
export class SparseSet<Value> {
	#values: Set<Value> | undefined;

	get size(): number {
		return this.#values?.size ?? 0;
	}
	has(value: Value): boolean {
		return this.#values?.has(value) === true;
	}
	add(value: Value): void {
		this.#values ??= new Set();
		this.#values.add(value);
	}
	delete(value: Value): void {
		this.#values?.delete(value);
	}
	clear(): void {
		this.#values = undefined;
	}
	[Symbol.iterator](): Iterator<Value> {
		return (this.#values ?? [])[Symbol.iterator]();
	}
}
