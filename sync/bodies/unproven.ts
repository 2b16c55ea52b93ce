/**
 * A member may hold a block and lack nodes of the tree that prove it. hypercore lets such a request break the connection
 * off, and with it goes all else on the link, again and again, since the other one asks anew. Here the member answers that it
 * cannot; who asked asks it for nothing more after a few of these, and has it hand the bodies over (handover.ts). Takes
 * effect on import.
 */
import Replicator, {
	type Peer,
	type ProofRequest,
} from "hypercore/lib/replicator.js";

const { prototype } = Replicator.Peer;
const { _fulfillRequest } = prototype;
/** Of hypercore's protocol: why there is no answer. */
const INVALID_REQUEST = 2;

prototype._fulfillRequest = async function (
	this: Peer,
	request: ProofRequest,
	unasked: boolean,
): Promise<void> {
	try {
		await _fulfillRequest.call(this, request, unasked);
	} catch (error) {
		if (!isNodeMissing(error)) throw error;
		const { id } = request.msg;
		// Else nobody waits for it any more.
		if (unasked || this.remoteRequests.get(id) !== request.msg) return;
		this.remoteRequests.delete(id);
		this.wireNoData.send({ request: id, reason: INVALID_REQUEST });
	}
};

/** As hypercore/lib/merkle-tree.js says it: there is no code of its own for this. */
const isNodeMissing = (error: unknown): boolean =>
	error instanceof Error &&
	/Expected tree node \d+ from storage/.test(error.message);
