/** What SEARCH asks of the texts of messages, and how the two threads of the index speak. Types and constants only. */
import type { Account } from "../../sync/api.ts";
import type { AccountId } from "../../sync/ids.ts";
import type { BodyRef } from "../../sync/ports/bodies.ts";
import type { TextPiece } from "../mime/index.ts";

/** A key of SEARCH: BODY or TEXT (RFC 9051 §6.4.4). */
export interface Sought {
	readonly kind: "body" | "text";
	/** As casemap() maps it. */
	readonly mapped: string;
}

/** What the index knows: nothing, or for sure. */
export const UNKNOWN = 0;
export const NO = 1;
export const YES = 2;

export interface MessageTexts {
	/**
	 * For each of the sought, what is known of each body. Cheap beside reading; never rejects, since the index may be
	 * missing or broken at any time.
	 */
	known(
		account: AccountId,
		bodies: readonly BodyRef[],
		sought: readonly Sought[],
	): Promise<readonly Uint8Array[]>;
	/** Reads the message and says which of the sought it holds; the index keeps its text. Rejects with BodyUnavailable. */
	read(
		account: AccountId,
		body: BodyRef,
		sought: readonly Sought[],
	): Promise<readonly boolean[]>;
	/** Somebody looks at the account: its messages get into the index, and what is gone leaves it. */
	looking(account: Account): void;
	/** Messages have come that will be looked for. */
	arrived(account: AccountId, bodies: readonly BodyRef[]): void;
}

/** A message on its way to the other thread: whole, or the pieces of it that have text. */
export type Loaded =
	| { readonly whole: Uint8Array<ArrayBuffer> }
	| {
			readonly pieces: readonly TextPiece[];
			readonly bytes: readonly Uint8Array<ArrayBuffer>[];
	  };

export interface SoughtBytes {
	readonly kind: "body" | "text";
	readonly bytes: Uint8Array;
}

/** `hashes`: 64 characters each, one after the other. */
export type Task =
	| {
			readonly op: "known";
			readonly account: AccountId;
			/** Undefined: those of the last question, which this thread was asked. */
			readonly hashes: string | undefined;
			readonly sought: readonly SoughtBytes[];
	  }
	| {
			readonly op: "read";
			readonly account: AccountId;
			readonly hash: string;
			readonly loaded: Loaded;
			readonly sought: readonly SoughtBytes[];
	  }
	/** Messages that nobody asks about now, one after the other in `bytes`. */
	| {
			readonly op: "fill";
			readonly bytes: Uint8Array<ArrayBuffer>;
			readonly messages: readonly FillMessage[];
	  }
	/** The text is known to be more than is kept. */
	| {
			readonly op: "too large";
			readonly account: AccountId;
			readonly hash: string;
	  }
	/** Takes out all but these; says which of these are not there yet. */
	| {
			readonly op: "reconcile";
			readonly account: AccountId;
			readonly hashes: string;
	  }
	| { readonly op: "commit" };

export interface FilledRow {
	readonly hash: string;
	readonly noteBytes: number;
	readonly rowBytes: number;
}

export interface FillMessage {
	readonly account: AccountId;
	readonly hash: string;
	/** Of `bytes`. */
	readonly sizeBytes: number;
	/** The cache of structures has no row of it. */
	readonly wantsRow: boolean;
}

export interface Results {
	readonly known: readonly Uint8Array[];
	readonly read: readonly boolean[];
	/** The rows that are wanted: note and row of each, one after the other in `bytes`. */
	readonly fill: {
		readonly bytes: Uint8Array<ArrayBuffer>;
		readonly rows: readonly FilledRow[];
	};
	readonly "too large": undefined;
	readonly reconcile: Uint32Array;
	readonly commit: undefined;
}

export interface Reply {
	readonly id: number;
	readonly value: unknown;
	/** Something is wrong with the file: one line for the log. `value` holds all the same. */
	readonly fault?: string | undefined;
	/** A bug. */
	readonly error?: string | undefined;
}
