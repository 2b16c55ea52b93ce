/**
 * What can be wrong with a node's data, as facts and in words for people. A check says what it saw; whether and how
 * that is mended is mend.ts. Types and words only.
 */
import type { DocumentId, EntryId, MailboxId, NodeId, Origin } from "../ids.ts";
import type { BodyRef } from "../ports/bodies.ts";

export type Flaw =
	/** The file below the store is damaged. */
	| { readonly kind: "store"; readonly what: string }
	/** Change `sequence` of an origin is not in the log, or not as its chain says. */
	| {
			readonly kind: "log";
			readonly origin: Origin;
			readonly sequence: number;
			readonly what: string;
	  }
	/** A document does not open, or not as it is in memory. */
	| {
			readonly kind: "document";
			readonly document: DocumentId;
			readonly what: string;
	  }
	/** An entry's row is not what its document says. */
	| {
			readonly kind: "row";
			readonly mailbox: MailboxId;
			readonly entry: EntryId;
			readonly what: string;
	  }
	/** What was shown of an entry cannot be true; it must be shown anew. */
	| {
			readonly kind: "shown";
			readonly mailbox: MailboxId;
			readonly entry: EntryId;
			readonly what: string;
	  }
	/** It is not known that the entry names its body. */
	| {
			readonly kind: "use";
			readonly mailbox: MailboxId;
			readonly entry: EntryId;
	  }
	/** Two entries claim one UID. */
	| {
			readonly kind: "claim";
			readonly mailbox: MailboxId;
			readonly entry: EntryId;
			readonly uid: number;
			readonly what: string;
	  }
	/** The sums of a mailbox are not those of its rows. */
	| {
			readonly kind: "box";
			readonly mailbox: MailboxId;
			readonly what: string;
	  }
	| {
			readonly kind: "body";
			readonly mailbox: MailboxId;
			readonly entry: EntryId;
			readonly body: BodyRef;
			readonly state: "missing" | "damaged";
			/** All members were asked, and none has it. */
			readonly lost?: boolean;
	  }
	| { readonly kind: "slots"; readonly what: string }
	| { readonly kind: "copies"; readonly count: number }
	/** A member lacks changes of a document that it says it has, or this node does. */
	| {
			readonly kind: "differs";
			readonly document: DocumentId;
			readonly peer: NodeId;
			readonly peerName: string;
			readonly lacks: "here" | "there";
	  };

/** What a check tells its caller: a flaw, or how much more was looked at (units of its own). */
export type Step = Flaw | number;

const short = (id: string): string => id.slice(0, 12);

/** One line: what is wrong. */
export function whatOf(flaw: Flaw): string {
	switch (flaw.kind) {
		case "store":
			return `the file of the store is damaged: ${flaw.what}`;
		case "log":
			return `change ${flaw.sequence} of origin ${flaw.origin} ${flaw.what}`;
		case "document":
			return `document ${flaw.document} ${flaw.what}`;
		case "row":
		case "shown":
		case "claim":
			return `message ${short(flaw.entry)} of mailbox ${short(flaw.mailbox)}: ${flaw.what}`;
		case "use":
			return `message ${short(flaw.entry)} of mailbox ${short(flaw.mailbox)}: nothing keeps its body from being cleared`;
		case "box":
			return `mailbox ${short(flaw.mailbox)}: ${flaw.what}`;
		case "body":
			return `the body of message ${short(flaw.entry)} of mailbox ${short(flaw.mailbox)} is ${flaw.lost ? "lost" : flaw.state === "missing" ? "not here" : "damaged here"} (${flaw.body.sizeBytes} bytes, hash ${short(flaw.body.hash)})`;
		case "slots":
			return flaw.what;
		case "copies":
			return `${haveFewerCopies(flaw.count)}, though all members are up`;
		case "differs":
			return `document ${flaw.document} lacks changes ${flaw.lacks === "here" ? `here that ${flaw.peerName} has` : `at ${flaw.peerName} that are here`}, though its log has them`;
	}
}

export const haveFewerCopies = (messages: number): string =>
	`${messages} ${messages === 1 ? "message has" : "messages have"} fewer copies than wanted`;

/** What an operator can do about it, where it was not mended. `repair`: that was tried already. */
export function adviceOf(flaw: Flaw, repair: boolean): string {
	switch (flaw.kind) {
		case "store":
			return "restart the node, so that it puts the file aside and takes everything from the other members; a single node: restore a backup";
		case "slots":
			return "report it with the output of this command; remove the node that was joined last and join it anew";
		case "copies":
			return 'see "pmnode status" for who is behind, and the log of that member';
		case "body":
			return repair || flaw.lost
				? "no member has it now: bring a member back that may have it, or restore from a backup"
				: "--repair fetches it from another member";
		case "differs":
			return repair
				? `see that ${flaw.peerName} is up and try again`
				: "--repair merges the two; report it, since it means a bug or a bad disk";
		case "log":
		case "document":
			return repair
				? "no member could give it: bring another member up and try again, or restore a backup"
				: "--repair takes it from what is sound here or at another member";
		case "row":
		case "shown":
		case "claim":
		case "use":
		case "box":
			return repair
				? "try again; if it stays, report it with the output of this command"
				: "--repair makes it anew from the documents";
	}
}

/** What was done about it. */
export function mendedOf(flaw: Flaw): string {
	switch (flaw.kind) {
		case "body":
			return "fetched again";
		case "row":
			return "made anew from the document";
		case "use":
			return "noted again";
		case "shown":
		case "claim":
			return "will get a new number";
		case "box":
			return "counted again";
		case "document":
			return "put together again";
		case "log":
			return "put together again";
		case "differs":
			return "merged";
		default:
			return "mended";
	}
}
