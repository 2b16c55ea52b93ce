/** What the IMAP server needs to know of messages beyond their bytes; composition gives it the cache (node/mime/cache.ts). */
import type { StructureCache } from "../mime/cache.ts";

export type MessageStructures = Omit<
	StructureCache,
	"prime" | "atHand" | "release" | "isKept" | "keep" | "close"
>;
