/**
 * In which order SORT answered, held between commands: what a UID names never changes, and most clients ask again each time
 * they show a mailbox. So the same messages are put in order once.
 */
import { SORT_ORDERS_BYTES_MAX } from "../../../sync/limits.ts";
import { ByteLru } from "../../mime/lru.ts";
import type { Selected } from "../selected.ts";
import type { Hit } from "./match.ts";

interface Order {
	/** Of which messages, ascending. */
	readonly uids: Uint32Array;
	/** Indices of these. */
	readonly order: Uint32Array;
}

export class SortOrders {
	readonly #orders = new ByteLru<Order>(SORT_ORDERS_BYTES_MAX);

	/** These in their order, if it is known. */
	of(
		{ mailbox }: Selected,
		criteria: string,
		found: readonly Hit[],
	): Hit[] | undefined {
		const held = this.#orders.get(keyOf(mailbox, criteria));
		if (held === undefined || !isOf(held, found)) return undefined;
		return inOrder(held.order, found);
	}

	/** Takes note of the order of these; returns them in it. */
	keep(
		{ mailbox }: Selected,
		criteria: string,
		found: readonly Hit[],
		order: Float64Array,
	): Hit[] {
		const held: Order = {
			uids: Uint32Array.from(found, ({ uid }) => uid),
			order: Uint32Array.from(order),
		};
		this.#orders.set(keyOf(mailbox, criteria), held, 300 + 8 * found.length);
		return inOrder(held.order, found);
	}
}

const keyOf = (
	{ id, uidValidity }: Selected["mailbox"],
	criteria: string,
): string => `${id}/${uidValidity}/${criteria}`;

const isOf = ({ uids }: Order, found: readonly Hit[]): boolean =>
	uids.length === found.length &&
	found.every(({ uid }, at) => uid === uids[at]);

function inOrder(order: Uint32Array, found: readonly Hit[]): Hit[] {
	const ordered: Hit[] = [];
	for (const index of order) ordered.push(found[index] as Hit);
	return ordered;
}
