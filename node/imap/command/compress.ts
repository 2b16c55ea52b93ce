import { Refusal } from "../answer.ts";
import type { Completion, Invocation } from "../session.ts";

/** COMPRESS DEFLATE, RFC 4978. The tagged OK is the last that is not compressed. */
export function compress({ parser, session }: Invocation): Completion {
	const name = parser.word("a compression mechanism");
	parser.end();
	if (name !== "DEFLATE")
		throw new Refusal("NO", "CANNOT", "Only DEFLATE is offered");
	const { transport } = session;
	if (transport.isCompressed())
		throw new Refusal("NO", "COMPRESSIONACTIVE", "DEFLATE is active already");
	if (!transport.mayCompress())
		throw new Refusal("NO", "LIMIT", "Too many compressed connections");
	return {
		text: "DEFLATE active",
		afterwards: async () => transport.startCompression(),
	};
}
