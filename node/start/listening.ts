/** Listeners: where they are, and a port that cannot be had. */
import { OperatorFault } from "../../sync/faults.ts";
import type { HostPort } from "../config.ts";
import { listenerText } from "../status.ts";

/** Starts a listener; a port that cannot be had is named with its option. */
export async function listening<T>(
	option: string,
	listen: HostPort,
	start: () => Promise<T>,
): Promise<T> {
	try {
		return await start();
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === undefined) throw error;
		const reasons: Record<string, string> = {
			EADDRINUSE: "is in use by another program",
			EACCES: "may not be taken by this user",
			EADDRNOTAVAIL: "is not an address of this machine",
		};
		throw new OperatorFault(
			`${listenerText(listen)} ${reasons[code] ?? `cannot be listened on (${code})`}; choose another with ${option}`,
		);
	}
}
