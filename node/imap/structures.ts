/** What the IMAP server needs to know of messages beyond their bytes; composition gives it the cache (node/mime/cache.ts). */
import type { Message } from "../../sync/api.ts";
import type { Parsed } from "../mime/index.ts";

export interface MessageStructures {
	/** Envelope and tree of parts. Rejects with BodyUnavailable when neither cache nor body can be had. */
	parsed(message: Message): Promise<Parsed>;
	/** The message's own header with the blank line that ends it. Rejects as parsed(). */
	header(message: Message): Promise<Uint8Array>;
}
