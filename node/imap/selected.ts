/** The mailbox a session has selected: which messages its message numbers and UIDs mean. */
import type { Message, SelectedMailbox } from "../../sync/api.ts";
import type { Uid } from "../../sync/ids.ts";
import { Refusal } from "./answer.ts";
import { Known } from "./difference.ts";
import {
	indexOf,
	largestNamed,
	lowerBound,
	normalise,
	SAVED,
	type SequenceSet,
	STAR,
} from "./sequence-set.ts";

/** A message a command acts on, as this session's client knows it. */
export interface Target {
	/** Message number; 0 when the client named a UID that it was never told here: then only acting on it is possible. */
	readonly number: number;
	/** The UID under which the client knows it; `message.uid` differs when it was renumbered and that is not told yet. */
	readonly uid: Uid;
	readonly message: Message;
	/** Its mod-sequence as far as it may be told: never above what the client was told all of (rule 16). */
	readonly modSeq: number;
}
export interface Targets {
	readonly targets: readonly Target[];
	/** Some named messages are gone, and the client has not been told (RFC 2180 §4.1). */
	readonly someGone: boolean;
}

export class Selected {
	readonly mailbox: SelectedMailbox;
	readonly readOnly: boolean;
	readonly known: Known;
	/** Keywords that the client was told of in FLAGS: lower case → as told. */
	readonly keywords = new Map<string, string>();

	/** What `$` names (RFC 5182), ascending. Messages that are gone are passed over when it is used. */
	saved: readonly Uid[] = [];

	constructor(mailbox: SelectedMailbox, readOnly: boolean) {
		this.mailbox = mailbox;
		this.readOnly = readOnly;
		this.known = new Known(mailbox);
	}

	/**
	 * The messages that `set` names: UIDs or message numbers, ascending. UIDs that do not exist are passed over
	 * (RFC 3501 §6.4.8); a message number beyond the last is Refusal BAD.
	 */
	targets(set: SequenceSet, byUid: boolean): Targets {
		if (set === SAVED) return { targets: this.#bySaved(), someGone: false };
		return byUid ? this.#byUid(set) : this.#byNumber(set);
	}

	save(uids: readonly Uid[]): void {
		this.saved = [...new Set(uids)].sort((a, b) => a - b);
	}

	#bySaved(): Target[] {
		return this.saved.flatMap((uid) => {
			const index = indexOf(this.known.uids, uid);
			const message = index < 0 ? undefined : this.mailbox.get(uid);
			return message === undefined
				? []
				: [
						{
							number: index + 1,
							uid,
							message,
							modSeq: this.tellable(message),
						},
					];
		});
	}

	#byNumber(set: SequenceSet): Targets {
		const { uids } = this.known;
		// `5:*` with 3 messages names the third (RFC 3501 §9 seq-range), and `1:*` of none names nothing.
		for (const { from, to } of set)
			if (from !== STAR && to !== STAR && Math.max(from, to) > uids.length)
				throw new Refusal(
					"BAD",
					undefined,
					"Message number beyond the last message",
				);
		return this.#collect(
			set,
			normalise(set, uids.length).map(([low, high]) => [
				Math.max(low, 1) - 1,
				high,
			]),
			(index) => index + 1,
		);
	}

	#byUid(set: SequenceSet): Targets {
		const { uids } = this.known;
		const largest = largestNamed(set);
		// No answer depends on it.
		if (largest > 0) void this.mailbox.named(largest);
		const star = uids.at(-1) ?? 0;
		const found = this.#collect(
			set,
			normalise(set, star).map(([low, high]) => [
				lowerBound(uids, low),
				lowerBound(uids, high + 1),
			]),
			(index) => uids[index] ?? 0,
		);
		const strangers = this.#strangers(set);
		if (strangers.length === 0) return found;
		const named = new Set(found.targets.map(({ uid }) => uid));
		return {
			...found,
			targets: [
				...found.targets,
				...strangers.filter(({ uid }) => !named.has(uid)),
			],
		};
	}

	/** Indices [low, high) of what the client knows; `name` says what number the client uses for an index. */
	#collect(
		set: SequenceSet,
		ranges: readonly (readonly [number, number])[],
		name: (index: number) => number,
	): Targets {
		const { uids } = this.known;
		const targets: Target[] = [];
		let singles: Set<number> | undefined;
		let someGone = false;
		for (const [low, high] of ranges)
			for (let index = low; index < high && index < uids.length; index++) {
				const uid = uids[index];
				if (uid === undefined) continue;
				let message = this.mailbox.get(uid);
				if (message === undefined) {
					// Rule 6: named singly, a replaced UID still acts.
					singles ??= singlesOf(set);
					if (singles.has(name(index))) message = this.mailbox.resolve(uid);
				}
				if (message === undefined) someGone = true;
				else
					targets.push({
						number: index + 1,
						uid,
						message,
						modSeq: this.tellable(message),
					});
			}
		return { targets, someGone };
	}

	/** UIDs named singly that this client was not told here, but perhaps by another node (rule 6). */
	#strangers(set: SequenceSet): Target[] {
		const { uids, replaced } = this.known;
		const targets: Target[] = [];
		for (const single of singlesOf(set)) {
			const uid = single as Uid;
			if (indexOf(uids, uid) >= 0 || replaced.has(uid)) continue;
			const message = this.mailbox.resolve(uid);
			if (message === undefined) continue;
			const index = indexOf(uids, message.uid);
			targets.push({
				number: index + 1,
				uid: message.uid,
				message,
				modSeq: this.tellable(message),
			});
		}
		return targets;
	}

	/** A mod-sequence for this message that the client may go on from. */
	tellable({ modSeq }: Message): number {
		return Math.min(modSeq, this.known.modSeq);
	}

	/** The number under which the client knows a UID; 0: it does not. */
	numberOf(uid: Uid): number {
		return indexOf(this.known.uids, uid) + 1;
	}
}

const singlesOf = (set: SequenceSet): Set<number> =>
	new Set(
		set
			.filter(({ from, to }) => from === to && from !== STAR)
			.map(({ from }) => from),
	);
