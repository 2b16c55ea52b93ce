/**
 * Two omissions of hypercore that kept bodies from a member for as long as a link lived, made good. Takes effect on import.
 *
 * A member gets blocks behind the end of the core that it knows only from a peer that knows where that end is. hypercore
 * tells a peer so in the background, and not at all when the peer's own end moved meanwhile: two members that take in the
 * same change of a third at one time may never tell each other, and once the third is cut off, neither gets anything of
 * it through the other.
 *
 * And whether a peer that is behind can be brought up from here hangs on nodes of the tree that come with other blocks:
 * hypercore looks at that when the core grows, and not again when those blocks have come.
 */
import Replicator, { type Peer } from "hypercore/lib/replicator.js";

const { prototype } = Replicator.Peer;
const told = new WeakMap<Peer, number>();
const { sendSync, _updateCanUpgradeAndSync, _handleData } = prototype;

prototype.sendSync = function (this: Peer): void {
	const { tx } = this.stats.wireSync;
	sendSync.call(this);
	// Else it was put off.
	if (this.stats.wireSync.tx > tx) told.set(this, this.core.state.length);
};

prototype._updateCanUpgradeAndSync = async function (
	this: Peer,
): Promise<void> {
	await _updateCanUpgradeAndSync.call(this);
	if (!this.remoteOpened || this.removed) return;
	if (told.get(this) !== this.core.state.length) this.sendSync();
};

prototype._handleData = async function (
	this: Peer,
	data: unknown,
): Promise<void> {
	await _handleData.call(this, data);
	for (const peer of this.replicator.peers)
		if (peer !== this && peer._shouldUpdateCanUpgrade())
			void peer._updateCanUpgradeAndSync();
};
