/**
 * Bodies that a member has and that its copy of the drive cannot bring here: hypercore proves to this node that the drive
 * goes on, from where this node knows it, and a member may lack what that takes for good, where blocks were cleared before
 * it got them. The member is asked for the bytes themselves. A member of an older release does not know the question,
 * and is no help.
 */
import { decode, encode } from "cborg";
import { Temporary } from "../faults.ts";
import type { NodeId } from "../ids.ts";
import {
	CENSUS_BODIES_MAX,
	HANDOVER_BYTES_MAX,
	REQUEST_MILLISECONDS_MAX,
} from "../limits.ts";
import {
	type BodyRef,
	BodyUnavailable,
	type ReclaimableBodies,
} from "../ports/bodies.ts";
import type { Log } from "../ports/log.ts";
import type { Network, PeerAddress } from "../ports/network.ts";
import { decodeRefs, encodeRefs } from "./body-refs.ts";

export interface HandoverOptions {
	readonly network: Network;
	readonly diary: Log;
	readonly bodies: ReclaimableBodies;
	readonly isMember: (node: NodeId) => boolean;
	/** Whether the body is missed here. */
	readonly isWanted: (body: BodyRef) => boolean;
}

const PROTOCOL = "body-bytes";

export class Handover {
	readonly #options: HandoverOptions;

	constructor(options: HandoverOptions) {
		this.#options = options;
		options.network.handle(PROTOCOL, (peer, body) => this.#answer(peer, body));
	}

	/** Takes these bodies from a member that said that it has them. Resolves to those that are here then. Never rejects. */
	async take(
		member: PeerAddress,
		bodies: readonly BodyRef[],
	): Promise<BodyRef[]> {
		const taken: BodyRef[] = [];
		try {
			const wanted = await this.#stuck(bodies);
			for (let at = 0; at < wanted.length; ) {
				const some = together(wanted, at);
				at += some.length;
				taken.push(...(await this.#takeSome(member, some)));
			}
		} catch (error) {
			this.#options.diary.debug("a member does not hand bodies over", {
				peer: member.node,
				error: String(error),
			});
		}
		if (taken.length > 0)
			this.#options.diary.info(
				"bodies were handed over by a member: its copy of their drive could not bring them",
				{ peer: member.node, count: taken.length },
			);
		return taken;
	}

	/** Of these the ones that are missed and do not come. */
	async #stuck(all: readonly BodyRef[]): Promise<BodyRef[]> {
		const { bodies, isWanted } = this.#options;
		const stuck: BodyRef[] = [];
		for (const body of all)
			if (isWanted(body) && (await bodies.isStuck(body))) stuck.push(body);
		return stuck;
	}

	async #takeSome(
		member: PeerAddress,
		some: readonly BodyRef[],
	): Promise<BodyRef[]> {
		const [first] = some;
		if (first !== undefined && first.sizeBytes > HANDOVER_BYTES_MAX)
			return (await this.#keep(member, first, this.#pieces(member, first)))
				? [first]
				: [];
		const answer = await this.#ask(member, some, 0);
		const kept = await Promise.all(
			some.map(async (body, i) => {
				const bytes = answer[i];
				return bytes !== null && this.#keep(member, body, once(bytes));
			}),
		);
		return some.filter((_, i) => kept[i]);
	}

	/** Resolves to whether it is here then; rejects where the disk does not take it. */
	async #keep(
		member: PeerAddress,
		body: BodyRef,
		bytes: AsyncIterable<Uint8Array>,
	): Promise<boolean> {
		try {
			await this.#options.bodies.takeIn(body, bytes);
			return true;
		} catch (error) {
			if (!(error instanceof BodyUnavailable)) throw error;
			this.#options.diary.warn("a body that was handed over is refused", {
				peer: member.node,
				hash: body.hash,
				error: error.message,
			});
			return false;
		}
	}

	async *#pieces(
		member: PeerAddress,
		body: BodyRef,
	): AsyncGenerator<Uint8Array> {
		for (let at = 0; at < body.sizeBytes; ) {
			let piece: Uint8Array | null | undefined;
			try {
				[piece] = await this.#ask(member, [body], at);
			} catch (error) {
				throw new BodyUnavailable(`the rest does not come: ${String(error)}`);
			}
			if (!piece?.length) throw new BodyUnavailable("the rest does not come");
			yield piece;
			at += piece.length;
		}
	}

	/** What the member has of each from `start` on, as far as it goes into one answer; null for what it does not have. */
	async #ask(
		member: PeerAddress,
		bodies: readonly BodyRef[],
		start: number,
	): Promise<(Uint8Array | null)[]> {
		const answer: unknown = decode(
			await this.#options.network.request(
				member,
				PROTOCOL,
				encode([encodeRefs(bodies), start]),
				REQUEST_MILLISECONDS_MAX,
			),
		);
		if (!Array.isArray(answer) || answer.length !== bodies.length)
			throw new TypeError("an answer that makes no sense");
		return answer.map((bytes: unknown) =>
			bytes instanceof Uint8Array ? bytes : null,
		);
	}

	async #answer(peer: NodeId, question: Uint8Array): Promise<Uint8Array> {
		const { bodies, isMember } = this.#options;
		if (!isMember(peer)) throw new Temporary("only members may ask");
		const { refs, start } = decodeQuestion(question);
		const answer: (Uint8Array | null)[] = [];
		for (const body of refs)
			answer.push(
				(await bodies.has(body))
					? await bodies.read(body, start, start + HANDOVER_BYTES_MAX)
					: null,
			);
		return encode(answer);
	}
}

/** As many from `at` on as go into one answer; or a large one alone. */
function together(bodies: readonly BodyRef[], at: number): readonly BodyRef[] {
	let bytes = 0;
	let end = at;
	while (end < bodies.length && end - at < CENSUS_BODIES_MAX) {
		bytes += (bodies[end] as BodyRef).sizeBytes;
		if (bytes > HANDOVER_BYTES_MAX && end > at) break;
		end++;
		if (bytes > HANDOVER_BYTES_MAX) break;
	}
	return bodies.slice(at, end);
}

function decodeQuestion(question: Uint8Array): {
	refs: BodyRef[];
	start: number;
} {
	const value: unknown = decode(question);
	if (!Array.isArray(value)) throw new TypeError("not a question");
	const [list, start] = value as unknown[];
	if (!Number.isSafeInteger(start) || (start as number) < 0)
		throw new TypeError("not a question");
	const refs = decodeRefs(list);
	const bytes = refs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
	if (
		refs.length > CENSUS_BODIES_MAX ||
		(refs.length > 1 && bytes > HANDOVER_BYTES_MAX)
	)
		throw new RangeError("too many bodies at once");
	return { refs, start: start as number };
}

async function* once(bytes: Uint8Array | undefined) {
	if (bytes !== undefined) yield bytes;
}
