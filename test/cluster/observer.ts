import type { Fetched } from "../harness/imap-client.ts";

/** Remembers all that clients were ever shown, and checks I1 and I2 of mailbox consistency on it. */
export class Observer {
	/** Must stay empty. */
	readonly contradictions: string[] = [];
	readonly #messageOf = new Map<number, string>();
	readonly #told = new Map<string, { highest: number; shown: Set<number> }>();

	saw(node: string, messages: readonly Fetched[]): void {
		const told = this.#told.get(node) ?? { highest: 0, shown: new Set() };
		this.#told.set(node, told);
		const before = told.highest;
		for (const { uid, messageId } of messages) {
			const known = this.#messageOf.get(uid);
			if (known !== undefined && known !== messageId)
				this.contradictions.push(
					`UID ${uid} named ${known}, and on ${node} it names ${messageId}`,
				);
			this.#messageOf.set(uid, messageId);
			if (uid <= before && !told.shown.has(uid))
				this.contradictions.push(
					`${node} newly shows UID ${uid}, but had told ${before}`,
				);
			told.shown.add(uid);
			told.highest = Math.max(told.highest, uid);
		}
	}
}
