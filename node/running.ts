/** A node that runs, as the control socket, the HTTP server and the command line hold it. Types only. */
import type { Replica } from "../sync/api.ts";
import type { Cancel } from "../sync/ports/clock.ts";
import type { StatusJson } from "./status.ts";

export interface RunningNode {
	/** This moment, from memory: cheap enough to ask for every second. */
	status(): StatusJson;
	readonly replica: Replica;
	/** Anything in status() but the uptime may have changed. May run often; do little. */
	onStatus(run: () => void): Cancel;
	/** Resolves, if ever, when it cannot go on and has stopped by itself; an OperatorFault says what to do. */
	ended(): Promise<Error>;
	/** Takes no more work, finishes what is acknowledged, and resolves within 10 s. Calling it again waits for the same end. */
	stop(): Promise<void>;
}
