/**
 * Whether a body that could not be fetched is lost. It is when every member is linked and serves, and each says that it
 * has not got it: the disks that had it were put back or broke before it had a copy. It then holds up nothing any more
 * (needs.ts); should it turn up, with a member that comes back or is restored, it is taken.
 */
import { decode, encode } from "cborg";
import { Temporary } from "../faults.ts";
import type { NodeId } from "../ids.ts";
import { CENSUS_BODIES_MAX, REQUEST_MILLISECONDS_MAX } from "../limits.ts";
import type { Bodies, BodyRef } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network, PeerAddress } from "../ports/network.ts";
import { decodeRefs, encodeRefs } from "./body-refs.ts";
import type { BodyNeeds } from "./needs.ts";

export interface CensusOptions {
	readonly network: Network;
	readonly clock: Clock;
	readonly diary: Log;
	readonly bodies: Bodies;
	readonly needs: BodyNeeds;
	readonly isMember: (node: NodeId) => boolean;
	/** All other members, where each of them can be asked now, and this node serves itself. */
	readonly everybody: () => readonly PeerAddress[] | undefined;
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
			await this.#take();
			this.#scheduled = false;
		});
	}

	async #take(): Promise<void> {
		const { needs, everybody, diary } = this.#options;
		const bodies = needs.missed(CENSUS_BODIES_MAX);
		const members = everybody();
		if (bodies.length === 0 || members === undefined || this.#stopped) return;
		let answers: boolean[][];
		try {
			answers = await Promise.all(
				members.map((member) => this.#ask(member, bodies)),
			);
		} catch (error) {
			// Asked again with the next fetch that fails.
			diary.debug("a member does not say which bodies it has", {
				error: String(error),
			});
			return;
		}
		// Who came meanwhile may have them.
		if (this.#stopped || !sameNodes(members, everybody())) return;
		const lost = bodies.filter((_, i) => !answers.some((has) => has[i]));
		if (lost.length === 0) return;
		needs.giveUp(lost);
		diary.error(
			'bodies are lost: no member has them. Bring a member back that may have them, or restore a backup; "pmnode check" names the messages',
			{
				count: lost.length,
				hashes: lost.slice(0, NAMED_MAX).map(({ hash }) => hash),
			},
		);
	}

	async #ask(
		member: PeerAddress,
		bodies: readonly BodyRef[],
	): Promise<boolean[]> {
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
		return answer.map((has) => has !== false);
	}

	async #answer(peer: NodeId, body: Uint8Array): Promise<Uint8Array> {
		const { bodies, isMember, everybody } = this.#options;
		if (!isMember(peer)) throw new Temporary("only members may ask");
		const asked = decodeRefs(decode(body));
		if (asked.length > CENSUS_BODIES_MAX)
			throw new RangeError("too many bodies at once");
		// A new life that serves nobody yet may not know its drives.
		if (everybody() === undefined)
			throw new Temporary("this member cannot tell now");
		const has: boolean[] = [];
		for (const one of asked) has.push(await bodies.has(one));
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
