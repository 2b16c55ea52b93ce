/**
 * Switches for the rules that keep replicas alike and clients right (the numbers are those of the design's list of
 * rules). A node always runs with all of them. Simulations switch one off and must then see what it is there for:
 * a rule whose absence no test notices is either not needed or not tested. Nothing here imports anything of ours.
 */
export interface Rules {
	/** 1: a joiner's slots come from its admitter's own range. */
	readonly ownSlots: boolean;
	/** 2: one member numbers. Off: every node numbers what it sees. */
	readonly oneNumberer: boolean;
	/**
	 * 3, and beyond the list: where a member is apart (down, and not seen to go with its process), the side with more members, of
	 * two alike that of the member which would number were all there, claims far ahead: 2,048 above all at first in each mailbox
	 * and split, 16 between two claims. So what it showed lies above what the other side counts on to, and stays; only the other
	 * side's is numbered anew. And where the sides meet, nobody numbers before what the other had is here, or 30 s have passed.
	 * Off: both count on, and almost all of both is too low for the other.
	 */
	readonly spread: boolean;
	/** 3: claims are above every E heard. */
	readonly aboveE: boolean;
	/** 6: shown only above E. Off: put in wherever the claim says. */
	readonly watermark: boolean;
	/** 6: a claim that is too low is reported when it arrives. Off: when a client looks here again. */
	readonly askAtOnce: boolean;
	/** 7: told to a client once another member has it, if one can be reached. */
	readonly secondCopy: boolean;
	/** 8: catch up before SELECT answers. */
	readonly barrier: boolean;
	/** 8: UIDs that a client names raise E. */
	readonly nameUids: boolean;
	/** 8: tokens that a client names count as stamps heard. */
	readonly nameTokens: boolean;
	/** 9: a restored copy gets fresh slots from a peer. Off: those of its own copy. */
	readonly freshSlots: boolean;
	/** 9: restored: E and stamps move far up. */
	readonly jump: boolean;
	/** 9: restored: what its lost life had, as far as a peer heard, counts as shown. */
	readonly takeShown: boolean;
	/**
	 * 9: … but for what it asked to renumber: who heard that keeps it in the commit that says what the asker had, and tells it
	 * with that. Off: whoever restarts in between has forgotten it.
	 */
	readonly keepWants: boolean;
	/** 9: restored: serves nobody before it caught up with a peer. */
	readonly waitPeer: boolean;
	/** 9: tokens given in a lost life are worth nothing. */
	readonly retire: boolean;
	/** 9: a member lost apart and removed: claims leap, what it is not known to have had is claimed again. */
	readonly floor: boolean;
	/** 10: stamps move past all stamps heard. */
	readonly heard: boolean;
	/**
	 * 10: stamps are never below the node's clock, counted in milliseconds and not only in seconds as in the list: 2,048 stamps a
	 * second. Of two sides apart the one that gave more within one second would tell higher stamps than the other does later.
	 */
	readonly clock: boolean;
	/** 10: … plus the largest lead of another node's stamps over it. */
	readonly lead: boolean;
	/**
	 * 10, beyond the list: nodes also tell where their next stamp would be, by their clock, in the first word of a link and
	 * from then on; it is kept before a joiner or a new life serves. Off: of a node that has given no stamp lately nobody
	 * knows that its clock is ahead, and whoever is cut off from it tells lower ones from then on.
	 */
	readonly pace: boolean;
	/** 11: HIGHESTMODSEQ is never below one that another node told for this mailbox. */
	readonly meet: boolean;
	/** 11: … and is that very value where both show the same. */
	readonly adopt: boolean;
	/** 11: … and is new at each SELECT while a member is out of reach. */
	readonly freshApart: boolean;
	/** 11: every operation on a shown message stamps it. Off: only where its flags differ then. */
	readonly stampOps: boolean;
	/** 13: tokens of other nodes are translated. Off: compared with own stamps. */
	readonly translate: boolean;
	/** 15: all UIDs that the client knows and that are dead. Off: for an own token those gone here since. */
	readonly allDead: boolean;
	/** 15: in touch with all members, everything not alive has vanished. */
	readonly complete: boolean;
	/** 15: otherwise only what is known dead. Off: always everything not shown. */
	readonly onlyKnown: boolean;
	/** 17: flags set while a message is moved elsewhere follow it. */
	readonly lineage: boolean;
	/** Log: a record is applied only when all its author had is here. Off: only its own origin's order is kept. */
	readonly causal: boolean;
}

export const ALL_RULES: Rules = Object.freeze({
	ownSlots: true,
	oneNumberer: true,
	spread: true,
	aboveE: true,
	watermark: true,
	askAtOnce: true,
	secondCopy: true,
	barrier: true,
	nameUids: true,
	nameTokens: true,
	freshSlots: true,
	jump: true,
	takeShown: true,
	keepWants: true,
	waitPeer: true,
	retire: true,
	floor: true,
	heard: true,
	clock: true,
	lead: true,
	pace: true,
	meet: true,
	adopt: true,
	freshApart: true,
	stampOps: true,
	translate: true,
	allDead: true,
	complete: true,
	onlyKnown: true,
	lineage: true,
	causal: true,
});
