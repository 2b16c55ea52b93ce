/**
 * Rule 9 between two members: a node whose former life was lost, restored or cloned asks another member for slots of its
 * own, and learns what that life is known to have had. The request travels on the members' own connection.
 */
import { decode, encode } from "cborg";
import {
	type ClusterState,
	writeEnded,
	writeIncarnation,
	writeSlots,
} from "../directory/cluster.ts";
import { OperatorFault, Temporary } from "../faults.ts";
import { type NodeId, type Origin, origin as toOrigin } from "../ids.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import type { Vector } from "../log/record.ts";
import { halve, type SlotRange, slotCount } from "../mailbox/slots.ts";
import type { Want } from "../mailbox/wanted.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network, PeerAddress } from "../ports/network.ts";
import { decodeGranted, encodeGranted, type Granted } from "./granted.ts";
import type { Contact } from "./lives.ts";
import { asOne, emptySlots, mayReturn } from "./own-slots.ts";

const PROTOCOL = "revive";
const REVIVE_MILLISECONDS_MAX = 15_000;
/** Below it the UIDs that a node gives lie far apart. */
const SLOTS_KEPT_WISHED = 64;

/** A new life, as it asks for slots. */
export interface Reborn {
	readonly origin: Origin;
	readonly drive: string;
}

export interface GranterOptions {
	readonly state: ClusterState;
	readonly ledger: Ledger;
	readonly network: Network;
	readonly clock: Clock;
	readonly diary: Log;
	/** Why this node cannot grant anything now; undefined when it can. */
	readonly unable: () => string | undefined;
	/** What lives of this member were heard to have, before the one that asks. */
	readonly had: (node: NodeId) => Vector;
	/** Claims that some node found too low, as far as is known. */
	readonly wanted: () => readonly Want[];
	readonly second: (sequence: number) => Promise<void>;
	/** All other members. */
	readonly contacts: () => readonly Contact[];
}

/** Answers members that begin a new life. */
export class Granter {
	readonly #options: GranterOptions;

	constructor(options: GranterOptions) {
		this.#options = options;
		options.network.handle(PROTOCOL, (peer, body) => this.#answer(peer, body));
	}

	async #answer(peer: NodeId, body: Uint8Array): Promise<Uint8Array> {
		const { diary, had, wanted, ledger, second } = this.#options;
		try {
			const [origin, drive] = decode(body) as [string, string];
			const sequence = await this.#grant(peer, {
				origin: toOrigin(origin),
				drive: driveKey(drive),
			});
			await second(sequence);
			diary.info("a member begins a new life and got slots from here", {
				node: peer,
				origin,
			});
			return encodeGranted({
				had: had(peer),
				vector: ledger.log.vector,
				wants: wanted(),
			});
		} catch (error) {
			const told = error instanceof OperatorFault || error instanceof Temporary;
			if (!told)
				diary.error("could not grant slots to a new life of a member", {
					node: peer,
					error: String(error),
				});
			return encode([
				"refused",
				told ? (error as Error).message : "it failed; see the log there",
			]);
		}
	}

	#grant(node: NodeId, reborn: Reborn): Promise<number> {
		const { ledger, state, unable } = this.#options;
		return ledger.write((tx) => {
			const reason = unable();
			if (reason !== undefined) throw new Temporary(reason);
			if (state.member(node) === undefined)
				throw new OperatorFault("this node is no member any more");
			// It asks again, since it did not hear the answer.
			if (state.slots(reborn.origin) !== undefined) return;
			this.#write(tx, node, reborn);
		});
	}

	/** In the change that ends the former lives. */
	#write(tx: Transaction, node: NodeId, { origin, drive }: Reborn): void {
		const { state } = this.#options;
		const former = state.formerLives(node, origin);
		const own = this.#halves();
		const isAmple =
			own !== undefined && slotCount(own.kept) >= SLOTS_KEPT_WISHED;
		const returned = isAmple ? undefined : this.#returned(node, former);
		if (returned !== undefined) {
			writeSlots(tx, origin, returned);
			for (const one of former) emptySlots(tx, state, one);
		} else if (own !== undefined) {
			writeSlots(tx, this.#options.ledger.origin, own.kept);
			writeSlots(tx, origin, own.given);
		} else throw new Temporary("the member has no UID slots left to share");
		writeIncarnation(tx, { origin, node, drive });
		for (const one of former) writeEnded(tx, one, origin);
	}

	/** Rule 1: half of the own range. */
	#halves(): ReturnType<typeof halve> {
		const { state, ledger } = this.#options;
		const range = state.slots(ledger.origin);
		return range && halve(range, state.stampSlots());
	}

	/**
	 * What the former lives of the node had, where it may return to it at once: a node that was put back many times has
	 * gathered the slots of all others.
	 */
	#returned(node: NodeId, former: readonly Origin[]): SlotRange | undefined {
		const { state, ledger, contacts } = this.#options;
		const others = contacts().filter((one) => one.node !== node);
		return mayReturn(former, others, ledger.log.vector)
			? asOne(state, former)
			: undefined;
	}
}

/** Asks one member. Throws Temporary with its reason, or when it does not answer. */
export async function askToRevive(
	network: Network,
	member: PeerAddress,
	{ origin, drive }: Reborn,
): Promise<Granted> {
	return decodeGranted(
		await network.request(
			member,
			PROTOCOL,
			encode([origin, drive]),
			REVIVE_MILLISECONDS_MAX,
		),
	);
}

function driveKey(text: string): string {
	if (!/^[0-9a-f]{64}$/.test(text))
		throw new OperatorFault("the request for a new life is not whole");
	return text;
}
