/**
 * When hypercore clears a block it also deletes nodes of the tree of hashes above it that nobody needs any more; but it
 * takes any block that lies before for one that is cleared as well, and deletes what proves it. Such a core cannot bring
 * what it holds to anyone: it breaks off each connection that asks. So these nodes stay, some 100 bytes for each block
 * that was cleared. Takes effect on import.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import SessionState from "hypercore/lib/session-state.js";

const clearing = new AsyncLocalStorage<true>();
const { clear, createWriteBatch } = SessionState.prototype;

SessionState.prototype.clear = function (start, end, cleared) {
	return clearing.run(true, () => clear.call(this, start, end, cleared));
};

SessionState.prototype.createWriteBatch = function () {
	const batch = createWriteBatch.call(this);
	if (clearing.getStore()) batch.deleteTreeNode = () => {};
	return batch;
};
