/** Waiting on facts instead of on time. */
import { setTimeout as sleep } from "node:timers/promises";

type Falsy = false | null | undefined | 0 | "";

export interface UntilOptions {
	readonly timeoutMilliseconds?: number;
	readonly everyMilliseconds?: number;
	/** What was seen last, for the message when the time is over. */
	readonly seen?: () => string;
	/** Ends the wait at once, with this as its reason. */
	readonly abortedBy?: () => Error | undefined;
}

/**
 * Asks `probe` again and again until it gives something truthy, and resolves to that. A probe that throws counts as
 * "not yet". Rejects after `timeoutMilliseconds` (default 45 s: a bound for what never comes, on a slow and busy machine too), saying what was awaited and what was seen last.
 */
export async function until<T>(
	what: string,
	probe: () => Promise<T> | T,
	options: UntilOptions = {},
): Promise<Exclude<T, Falsy>> {
	const { timeoutMilliseconds = 45_000, everyMilliseconds = 25 } = options;
	const deadline = performance.now() + timeoutMilliseconds;
	let last = "nothing yet";
	for (;;) {
		const aborted = options.abortedBy?.();
		if (aborted) throw aborted;
		try {
			const value = await probe();
			if (value) return value as Exclude<T, Falsy>;
			last = String(value);
		} catch (error) {
			last = error instanceof Error ? error.message : String(error);
		}
		if (performance.now() > deadline)
			throw new Error(
				`waited ${timeoutMilliseconds} ms for: ${what}; seen last: ${[last, options.seen?.()].filter(Boolean).join("; ")}`,
			);
		await sleep(everyMilliseconds);
	}
}

/** Rejects with `what` when `promise` takes longer than `timeoutMilliseconds`. */
export async function within<T>(
	what: string,
	timeoutMilliseconds: number,
	promise: Promise<T>,
): Promise<T> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(
			() => reject(new Error(`waited ${timeoutMilliseconds} ms for: ${what}`)),
			timeoutMilliseconds,
		);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}
