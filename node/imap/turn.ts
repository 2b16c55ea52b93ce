/** Lets the other sessions have their turn: resolves in the next round of the event loop. */
export const turn = (): Promise<void> =>
	new Promise((resolve) => setImmediate(resolve));
