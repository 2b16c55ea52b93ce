/** Where keys lie in a document, and in which order changes name them. */

/** Keys are `<kind>:<id>` or `<kind>:<id>:<detail>`; all keys of one id lie in one bucket (FNV-1a of the id). */
function bucketOf(key: string, buckets: number): number {
	const from = key.indexOf(":") + 1;
	const end = key.indexOf(":", from);
	let hash = 0x811c9dc5;
	for (let i = from; i < (end < 0 ? key.length : end); i++)
		hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
	return (hash >>> 0) % buckets;
}

/** Operation number of the genesis that made the map in which the key lies. */
export const mapOf = (key: string, buckets: number): number =>
	bucketOf(key, buckets) + 1;

interface Placed<Edit> {
	readonly map: number;
	readonly edit: Edit;
}
interface Keyed {
	readonly key: string;
}

/** As they will lie in the document: Automerge puts neighbours in for a third of what it takes for scattered ones. */
export function inOrder<Edit extends Keyed>(
	edits: readonly Edit[],
	buckets: number,
): readonly Placed<Edit>[] {
	/** Where those of each map end, and, once they are laid down, begin. */
	const ends = new Uint32Array(buckets + 1);
	const maps = edits.map(({ key }) => mapOf(key, buckets));
	for (let i = 0; i < maps.length; i++) {
		const map = maps[i] as number;
		ends[map] = (ends[map] as number) + 1;
	}
	for (let map = 1; map <= buckets; map++)
		ends[map] = (ends[map] as number) + (ends[map - 1] as number);
	const placed: Placed<Edit>[] = new Array(edits.length);
	for (let i = edits.length - 1; i >= 0; i--) {
		const map = maps[i] as number;
		const at = (ends[map] as number) - 1;
		ends[map] = at;
		placed[at] = { map, edit: edits[i] as Edit };
	}
	sortWithin(placed);
	return placed;
}

/** Those of each map by their keys: a few each, as a change has at most CHANGE_EDITS_MAX. */
function sortWithin(placed: Placed<Keyed>[]): void {
	for (let i = 1; i < placed.length; i++) {
		const one = placed[i] as Placed<Keyed>;
		let at = i;
		for (; at > 0 && isBefore(one, placed[at - 1] as Placed<Keyed>); at--)
			placed[at] = placed[at - 1] as Placed<Keyed>;
		placed[at] = one;
	}
}
const isBefore = (a: Placed<Keyed>, b: Placed<Keyed>): boolean =>
	a.map === b.map && a.edit.key < b.edit.key;
