/**
 * hypercore reads what it wants to know of a core one by one, each read a trip to a thread of its own: some three for each
 * body that comes. What is read within one turn goes together here. Nothing is read earlier than it would be, and all that
 * asked are answered.
 */
import type { CoreStorage, RocksRead, RocksSession } from "hypercore";

/** The session as its reads see it: each gets the one that gathers now. */
type Sharing = Pick<RocksSession, "read">;

function sharing(session: RocksSession): Sharing {
	let gathering: RocksRead | undefined;
	const gathered: RocksRead = {
		get(key) {
			if (gathering === undefined) {
				const read = session.read({ autoDestroy: true });
				gathering = read;
				setImmediate(() => {
					gathering = undefined;
					read.tryFlush();
				});
			}
			return gathering.get(key);
		},
		tryFlush() {},
		destroy() {},
	};
	return { read: () => gathered };
}

const shared = new WeakSet<object>();

/** From now on reads of all cores of this kind of storage are shared. */
export function shareReads(storage: CoreStorage): void {
	const prototype = Object.getPrototypeOf(storage) as CoreStorage;
	if (shared.has(prototype)) return;
	shared.add(prototype);
	const { read } = prototype;
	const views = new WeakMap<CoreStorage, CoreStorage>();
	prototype.read = function (this: CoreStorage, fork?: number) {
		// Within a transaction it looks into that first.
		if (this.atom) return read.call(this, fork);
		let view = views.get(this);
		if (view === undefined) {
			view = Object.create(this, {
				db: { value: sharing(this.db) },
			}) as CoreStorage;
			views.set(this, view);
		}
		return read.call(view, fork);
	};
}
