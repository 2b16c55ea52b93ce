/** A node that runs, as the control socket, the HTTP server and the command line hold it. Types only. */
import type { OperationEvent, Replica } from "../sync/api.ts";
import type { Cancel } from "../sync/ports/clock.ts";
import type { BackupResult } from "./backup/backup.ts";
import type { RestoreResult } from "./backup/restore.ts";
import type { StatusJson } from "./status.ts";

/** What an operator watches and may end. */
export interface Watched {
	readonly tell: (event: OperationEvent) => void;
	readonly signal: AbortSignal;
}

export interface RunningNode {
	/** This moment, from memory: cheap enough to ask for every second. */
	status(): StatusJson;
	readonly replica: Replica;
	/** Anything in status() but the uptime may have changed. May run often; do little. */
	onStatus(run: () => void): Cancel;
	/** Resolves, if ever, when it cannot go on and has stopped by itself; an OperatorFault says what to do. */
	ended(): Promise<Error>;
	/** A consistent copy into a folder of this machine, while all goes on. */
	backUp(directory: string, watched: Watched): Promise<BackupResult>;
	/** Mail of a backup, of one account or (undefined) of all, back into this cluster. */
	restore(
		from: {
			readonly directory: string;
			readonly account: string | undefined;
			readonly into: string | undefined;
		},
		watched: Watched,
	): Promise<RestoreResult>;
	/** Takes no more work, finishes what is acknowledged, and resolves within 10 s. Calling it again waits for the same end. */
	stop(): Promise<void>;
}
