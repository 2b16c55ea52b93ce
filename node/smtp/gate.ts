/** How many connections there may be, in all and from one source, so that a flood from one never keeps others out. */
import {
	SMTP_CONNECTIONS_MAX,
	SMTP_CONNECTIONS_PER_SOURCE_MAX,
} from "../../sync/limits.ts";
import { sourceOf } from "../accounts/source.ts";

export class ConnectionGate {
	readonly #bySource = new Map<string, number>();
	#total = 0;

	/** Takes a place for a connection from this address. Undefined: none is free. Give it back once, or more often. */
	enter(remoteIp: string): (() => void) | undefined {
		const source = sourceOf(remoteIp);
		const count = this.#bySource.get(source) ?? 0;
		if (
			count >= SMTP_CONNECTIONS_PER_SOURCE_MAX ||
			this.#total >= SMTP_CONNECTIONS_MAX
		)
			return undefined;
		this.#bySource.set(source, count + 1);
		this.#total++;
		let inside = true;
		return () => {
			if (!inside) return;
			inside = false;
			this.#leave(source);
		};
	}

	get size(): number {
		return this.#total;
	}

	#leave(source: string): void {
		this.#total--;
		const count = (this.#bySource.get(source) ?? 1) - 1;
		if (count > 0) this.#bySource.set(source, count);
		else this.#bySource.delete(source);
	}
}
