/**
 * Who has a body that could not be fetched: the member is asked to hand it over (handover.ts). Where nobody has it, it may be
 * lost. It is when every member is linked and serves, and each says that it
 * has not got it: the disks that had it were put back or broke before it had a copy. It then holds up nothing any more
 * (needs.ts); should it turn up, with a member that comes back or is restored, it is taken.
 */
import { decode, encode } from "cborg";
import { Temporary } from "../faults.ts";
import type { NodeId } from "../ids.ts";
import { CENSUS_BODIES_MAX, REQUEST_MILLISECONDS_MAX } from "../limits.ts";
import { type Bodies, type BodyRef, BodyUnavailable } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network, PeerAddress } from "../ports/network.ts";
import { decodeRefs, encodeRefs } from "./body-refs.ts";
import type { Handover } from "./handover.ts";
import type { BodyNeeds } from "./needs.ts";

export interface CensusOptions {
	readonly network: Network;
	readonly clock: Clock;
	readonly diary: Log;
	readonly bodies: Bodies;
	readonly needs: BodyNeeds;
	readonly handover: Pick<Handover, "take">;
	readonly isMember: (node: NodeId) => boolean;
	/** Other members that can be asked now. */
	readonly linked: () => readonly PeerAddress[];
	/** All other members, where each of them can be asked now, and this node serves itself. */
	readonly everybody: () => readonly PeerAddress[] | undefined;
}

interface Answer {
	readonly member: PeerAddress;
	/** True, false, or null where it cannot tell. */
	readonly says: ReadonlyMap<BodyRef, unknown> | undefined;
}

const PROTOCOL = "bodies-held";
/** What one failed fetch finds out is asked together with what others do. */
const GATHER_MILLISECONDS = 500;
/** Bodies whose hashes one line of the diary names. */
const NAMED_MAX = 20;

export class Census {
	readonly #options: CensusOptions;
	#scheduled = false;
	#stopped = false;

	constructor(options: CensusOptions) {
		this.#options = options;
		options.network.handle(PROTOCOL, (peer, body) => this.#answer(peer, body));
	}

	/** A body could not be had. */
	missed(): void {
		if (this.#scheduled || this.#stopped) return;
		this.#scheduled = true;
		this.#options.clock.after(GATHER_MILLISECONDS, async () => {
			const bodies = this.#options.needs.missed(CENSUS_BODIES_MAX);
			if (bodies.length > 0 && !this.#stopped) await this.#take(bodies);
			this.#scheduled = false;
			// There are more of them.
			if (bodies.length === CENSUS_BODIES_MAX) this.missed();
		});
	}

	/** As Bodies.fetch(), or else handed over by a member that has it. */
	async fetch(body: BodyRef): Promise<void> {
		try {
			await this.#options.bodies.fetch(body);
		} catch (error) {
			if (!(error instanceof BodyUnavailable)) throw error;
			const { left } = await this.#bring(this.#options.linked(), [body]);
			if (left.length > 0) throw error;
		}
	}

	async #take(bodies: readonly BodyRef[]): Promise<void> {
		const { linked, everybody } = this.#options;
		const members = everybody();
		const { left, answers } = await this.#bring(members ?? linked(), bodies);
		// Who came meanwhile may have them; and who does not say is asked again with the next fetch that fails.
		if (this.#stopped || members === undefined) return;
		if (!sameNodes(members, everybody())) return;
		this.#giveUp(
			left.filter((body) =>
				answers.every(({ says }) => says?.get(body) === false),
			),
		);
	}

	/** Has the members that have these bodies hand them over. Resolves to those that are not here then, and what was said. */
	async #bring(
		members: readonly PeerAddress[],
		bodies: readonly BodyRef[],
	): Promise<{
		left: readonly BodyRef[];
		answers: readonly Answer[];
	}> {
		const { needs, handover } = this.#options;
		const answers = await Promise.all(
			members.map((member) => this.#ask(member, bodies)),
		);
		let left = bodies;
		for (const { member, says } of answers) {
			if (this.#stopped) break;
			const has = left.filter((body) => says?.get(body) === true);
			const came = await handover.take(member, has);
			needs.came(came);
			left = left.filter((body) => !came.includes(body));
		}
		return { left, answers };
	}

	#giveUp(bodies: readonly BodyRef[]): void {
		const { needs, diary } = this.#options;
		const lost = needs.giveUp(bodies);
		if (lost.length === 0) return;
		diary.error(
			'bodies are lost: no member has them. Bring a member back that may have them, or restore a backup; "pmnode check" names the messages',
			{
				count: lost.length,
				hashes: lost.slice(0, NAMED_MAX).map(({ hash }) => hash),
			},
		);
	}

	/** Of each body whether the member has it; undefined where it does not say. */
	async #ask(member: PeerAddress, bodies: readonly BodyRef[]): Promise<Answer> {
		try {
			const answer: unknown = decode(
				await this.#options.network.request(
					member,
					PROTOCOL,
					encode(encodeRefs(bodies)),
					REQUEST_MILLISECONDS_MAX,
				),
			);
			if (!Array.isArray(answer) || answer.length !== bodies.length)
				throw new TypeError("an answer that makes no sense");
			return {
				member,
				says: new Map(bodies.map((body, i) => [body, answer[i]])),
			};
		} catch (error) {
			this.#options.diary.debug("a member does not say which bodies it has", {
				peer: member.node,
				error: String(error),
			});
			return { member, says: undefined };
		}
	}

	async #answer(peer: NodeId, body: Uint8Array): Promise<Uint8Array> {
		const { bodies, isMember, everybody } = this.#options;
		if (!isMember(peer)) throw new Temporary("only members may ask");
		const asked = decodeRefs(decode(body));
		if (asked.length > CENSUS_BODIES_MAX)
			throw new RangeError("too many bodies at once");
		// A new life that serves nobody yet may not know its drives: what it does not find is not known to be nowhere. A member
		// of an older release takes anything but false for a yes, and counts nothing as lost.
		const no = everybody() === undefined ? null : false;
		const has: (true | false | null)[] = [];
		for (const one of asked) has.push((await bodies.has(one)) || no);
		return encode(has);
	}

	stop(): void {
		this.#stopped = true;
	}
}

const sameNodes = (
	before: readonly PeerAddress[],
	now: readonly PeerAddress[] | undefined,
): boolean =>
	now !== undefined &&
	now.map(({ node }) => node).join() === before.map(({ node }) => node).join();
