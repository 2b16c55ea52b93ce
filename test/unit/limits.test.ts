import { describe, expect, it } from "vitest";
import * as limits from "../../sync/limits.ts";

describe("limits", () => {
	it("are positive whole numbers that a double holds exactly", () => {
		for (const [name, value] of Object.entries(limits))
			expect(Number.isSafeInteger(value) && value > 0, name).toBe(true);
	});

	it("fit one another", () => {
		// A batch, and one row of a snapshot times a thousand, go into a frame.
		expect(limits.RECORD_BATCH_BYTES * 2).toBeLessThan(
			limits.LINK_MESSAGE_BYTES_MAX,
		);
		expect(limits.LINK_MESSAGE_BYTES_MAX).toBeLessThan(
			limits.LINK_QUEUE_BYTES_MAX,
		);
		// Gossipsub drops more than 4 MiB without a word.
		expect(limits.GOSSIP_BYTES_MAX).toBeLessThan(4 * 1024 * 1024);
		// A batch must be able to hold what may wait, or waiting would never end.
		expect(limits.RECORD_BATCH_COUNT).toBeLessThan(limits.RECORDS_WAITING_MAX);
		expect(limits.BODY_MEMORY_BYTES_MAX).toBeLessThan(
			limits.BODIES_MEMORY_BYTES_MAX,
		);
		expect(limits.BODY_FETCHES_ASKED_MAX).toBeLessThan(
			limits.BODY_FETCHES_WAITING_MAX,
		);
		// A piece whose last body is as large as can be, and the references.
		expect(
			limits.PUSH_PIECE_BYTES +
				limits.BODY_MEMORY_BYTES_MAX +
				limits.PUSH_PIECE_BODIES_MAX * 200,
		).toBeLessThan(limits.LINK_HIGH_WATER_BYTES);
		expect(limits.PUSH_PIECE_BYTES + limits.BODY_MEMORY_BYTES_MAX).toBeLessThan(
			limits.PUSH_UNCONFIRMED_BYTES_MAX,
		);
		// Who waits for a round has no more patience for those who return than for the round, and none where it takes longer.
		expect(limits.ROUND_RETURN_MILLISECONDS_MAX).toBeLessThan(
			limits.ROUND_MILLISECONDS_MAX,
		);
		expect(limits.ROUND_MILLISECONDS_MAX).toBeLessThan(
			limits.ROUND_FAR_MILLISECONDS,
		);
		expect(limits.ROUND_FAR_GATHER_MILLISECONDS * 10).toBeLessThanOrEqual(
			limits.ROUND_FAR_MILLISECONDS,
		);
		expect(limits.ROUND_FAR_COUNT_MAX).toBeLessThan(limits.ROUND_ENOUGH);
		expect(limits.KEYWORD_BYTES_MAX * limits.KEYWORDS_MAX).toBeLessThan(
			limits.RECORD_BATCH_BYTES,
		);
	});

	it("are in the order in which they are waited for", () => {
		expect(limits.HEARTBEAT_MILLISECONDS * 2).toBeLessThan(
			limits.SUSPECT_MILLISECONDS,
		);
		expect(limits.SUSPECT_MILLISECONDS).toBeLessThan(limits.DOWN_MILLISECONDS);
		// A silent peer is taken for down before whoever waits for its copy gives up.
		expect(limits.DOWN_MILLISECONDS).toBeLessThan(
			limits.COPIES_MILLISECONDS_MAX,
		);
		expect(limits.DOWN_MILLISECONDS).toBeLessThan(
			limits.NUMBERED_MILLISECONDS_MAX,
		);
		// OPERATOR.md: join answers within 40 s.
		expect(limits.JOIN_MILLISECONDS_MAX).toBeLessThan(40_000);
		// RFC 9051 §5.4.
		expect(limits.IMAP_IDLE_MILLISECONDS_MAX).toBeGreaterThanOrEqual(
			30 * 60_000,
		);
	});

	it("give every member at least one slot however they join", () => {
		// Halving ten times leaves one slot; a chain of joins through the newest member is the worst case.
		expect(limits.MEMBERS_MAX).toBeLessThan(1024);
	});
});
