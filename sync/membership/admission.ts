/** Inviting and admitting new members, and asking to be admitted. A link works once, on the node that made it, in time. */
import { decode, encode } from "cborg";
import {
	type ClusterState,
	type Member,
	readsPacked,
	writeEnded,
	writeIncarnation,
	writeMember,
	writeSlots,
} from "../directory/cluster.ts";
import { OperatorFault } from "../faults.ts";
import {
	type NodeId,
	nodeId,
	type Origin,
	origin as toOrigin,
} from "../ids.ts";
import {
	INVITE_TTL_MILLISECONDS_MAX,
	INVITES_MAX,
	JOIN_MILLISECONDS_MAX,
	MEMBERS_MAX,
} from "../limits.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import { halve, takeLowestUnused } from "../mailbox/slots.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network, PeerAddress } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import type { Rules } from "../rules.ts";
import { decodeInvite, encodeInvite, secretHash } from "./invite.ts";

interface InviteRow {
	readonly expiresMilliseconds: number;
	readonly usedBy: NodeId | null;
}

/** What a joiner says of itself. */
export interface Applicant extends Omit<Member, "joinedMilliseconds"> {
	readonly origin: Origin;
	readonly drive: string;
}

export interface Admitted {
	readonly cluster: string;
	/** Who may send the documents: the admitter, and, should it be lost before it has, the other members. */
	readonly sources: readonly PeerAddress[];
}

const PROTOCOL = "join";
const inviteKey = (hash: string): string => `invite/${hash}`;

interface AdmissionOptions {
	readonly cluster: string;
	readonly state: ClusterState;
	readonly rules: Rules;
	readonly ledger: Ledger;
	readonly store: Store;
	readonly network: Network;
	readonly clock: Clock;
	readonly random: Random;
	readonly diary: Log;
	readonly second: (sequence: number) => Promise<void>;
}

export class Admission {
	readonly #options: AdmissionOptions;

	constructor(options: AdmissionOptions) {
		this.#options = options;
		options.network.handle(PROTOCOL, (peer, body) => this.#answer(peer, body));
		this.#admitWhileOpen();
	}

	async invite(ttlMilliseconds: number): Promise<string> {
		const { clock, random, ledger, network, cluster } = this.#options;
		if (
			!(ttlMilliseconds > 0 && ttlMilliseconds <= INVITE_TTL_MILLISECONDS_MAX)
		)
			throw new OperatorFault(
				"an invite lasts between a moment and 30 days; give --ttl 1h or so",
			);
		const secret = random.bytes(16);
		const expiresMilliseconds = clock.now() + ttlMilliseconds;
		await ledger.write((tx) => {
			if (this.#prune(tx) >= INVITES_MAX)
				throw new OperatorFault(
					`${INVITES_MAX} invites are open already; wait until some expire`,
				);
			const row: InviteRow = { expiresMilliseconds, usedBy: null };
			tx.batch.put(inviteKey(secretHash(secret)), JSON.stringify(row));
		});
		this.#admitWhileOpen();
		return encodeInvite({
			cluster,
			node: network.self,
			multiaddrs: network.addresses(),
			secret,
			expiresMilliseconds,
		});
	}

	*#open(): Iterable<[string, InviteRow]> {
		for (const [key, value] of this.#options.store.range(
			"invite/",
			prefixEnd("invite/"),
		))
			yield [key, JSON.parse(value as string) as InviteRow];
	}

	/** Forgets what expired; returns how many are left. */
	#prune(tx: Transaction): number {
		let left = 0;
		for (const [key, { expiresMilliseconds }] of this.#open())
			if (expiresMilliseconds < this.#options.clock.now())
				tx.batch.put(key, undefined);
			else left++;
		return left;
	}

	/** Strangers may connect only while an invite is open. */
	#admitWhileOpen(): void {
		const { clock, network } = this.#options;
		const now = clock.now();
		const ends = [...this.#open()].map(([, row]) => row.expiresMilliseconds);
		const last = Math.max(0, ...ends);
		network.admitStrangers(last > now);
		if (last > now) clock.after(last - now + 1, () => this.#admitWhileOpen());
	}

	async #answer(peer: NodeId, body: Uint8Array): Promise<Uint8Array> {
		try {
			const [secret, applicant] = decode(body) as [Uint8Array, Applicant];
			await this.#admit(peer, secret, applicant);
			const { cluster, network, state } = this.#options;
			const members = state
				.members()
				.filter(({ node }) => node !== peer && node !== network.self)
				.map(({ node, multiaddrs }) => [node, multiaddrs]);
			return encode({ cluster, members });
		} catch (error) {
			const told = error instanceof OperatorFault;
			if (!told)
				this.#options.diary.error("could not admit a node", {
					peer,
					error: String(error),
				});
			return encode({
				error: told
					? error.message
					: "the member could not admit this node; see its log",
			});
		}
	}

	async #admit(
		peer: NodeId,
		secret: Uint8Array,
		applicant: Applicant,
	): Promise<void> {
		const { ledger, clock, state, diary, second } = this.#options;
		const node = nodeId(applicant.node);
		const origin = toOrigin(applicant.origin);
		if (node !== peer || !(secret instanceof Uint8Array))
			throw new OperatorFault("the join request is not whole");
		const key = inviteKey(secretHash(secret));
		const sequence = await ledger.write((tx) => {
			const text = tx.batch.get(key) as string | undefined;
			const row =
				text === undefined ? undefined : (JSON.parse(text) as InviteRow);
			if (row === undefined || row.expiresMilliseconds < clock.now())
				throw new OperatorFault(
					'the join link has expired; run "pmnode invite" for a new one',
				);
			// It asks again since it did not hear the answer, as another incarnation if it was started anew.
			if (row.usedBy === node && state.slots(origin) !== undefined) return;
			if (row.usedBy !== null && row.usedBy !== node)
				throw new OperatorFault(
					'the join link was used already; run "pmnode invite" for a new one',
				);
			if (state.wasRemoved(node))
				throw new OperatorFault(
					"this node was removed from the cluster; join with an empty data folder",
				);
			if (state.member(node) === undefined) this.#checkApplicant(applicant);
			tx.batch.put(key, JSON.stringify({ ...row, usedBy: node }));
			this.#grant(tx, { ...applicant, node, origin });
		});
		diary.info("admitted a node", { node, name: applicant.name });
		await second(sequence);
	}

	#checkApplicant(applicant: Applicant): void {
		const { state } = this.#options;
		const members = state.members();
		if (members.length >= MEMBERS_MAX)
			throw new OperatorFault(
				`the cluster has ${MEMBERS_MAX} members, which is the limit`,
			);
		// It could read none of the mail that came lately.
		if (state.readPacked() && !readsPacked(applicant))
			throw new OperatorFault(
				"the release of this node is too old for the cluster; install the release that its members run",
			);
		if (members.some(({ name }) => name === applicant.name))
			throw new OperatorFault(
				`the cluster has a node named ${applicant.name} already; give another --name`,
			);
	}

	/** Rule 1: half of the own slots go to the joiner, in the change that makes it a member. */
	#grant(tx: Transaction, applicant: Applicant): void {
		const { state, ledger, clock, rules } = this.#options;
		const range = state.slots(ledger.origin);
		const halves =
			range &&
			(rules.ownSlots
				? halve(range, state.stampSlots())
				: takeLowestUnused(range, state.incarnations().length));
		if (halves === undefined)
			throw new OperatorFault(
				"this node has no UID slots left to share; use an invite of another member",
			);
		const { origin, drive, ...member } = applicant;
		writeSlots(tx, ledger.origin, halves.kept);
		writeSlots(tx, origin, halves.given);
		writeMember(tx, { ...member, joinedMilliseconds: clock.now() });
		writeIncarnation(tx, { origin, node: applicant.node, drive });
		// Attempts to join that came to nothing, and lives whose data folder was lost (rule 9).
		for (const former of state.formerLives(applicant.node, origin))
			writeEnded(tx, former, origin);
	}
}

/** Asks the member that made the link. Throws OperatorFault with its reason, or when it cannot be reached in time. */
export async function askToJoin(
	network: Network,
	clock: Clock,
	link: string,
	applicant: Applicant,
): Promise<Admitted> {
	const invite = decodeInvite(link);
	if (invite.expiresMilliseconds < clock.now())
		throw new OperatorFault(
			'the join link has expired; run "pmnode invite" for a new one',
		);
	const admitter = { node: invite.node, multiaddrs: invite.multiaddrs };
	let answer: { cluster?: string; members?: unknown; error?: string };
	try {
		answer = decode(
			await network.request(
				admitter,
				PROTOCOL,
				encode([invite.secret, { ...applicant }]),
				JOIN_MILLISECONDS_MAX,
			),
		);
	} catch (error) {
		throw new OperatorFault(
			`cannot reach the node that made the link at ${invite.multiaddrs.join(", ")}: ${(error as Error).message}; see that it runs and that its --p2p address can be reached`,
		);
	}
	const members = membersIn(answer.members ?? []);
	if (answer.cluster !== invite.cluster || members === undefined)
		throw new OperatorFault(
			answer.error ??
				"the member gave an answer that makes no sense; run the same release on both",
		);
	return { cluster: invite.cluster, sources: [admitter, ...members] };
}

/** An earlier release names none. undefined for anything that no release says. */
function membersIn(told: unknown): PeerAddress[] | undefined {
	if (!Array.isArray(told) || told.length > MEMBERS_MAX) return undefined;
	try {
		return told.map(([node, multiaddrs]: [string, string[]]) => ({
			node: nodeId(node),
			multiaddrs: multiaddrs.map(String),
		}));
	} catch {
		return undefined; // no list of pairs, or no node's name
	}
}
