/** Where the control socket of a data folder lies, and how both ends frame what they say: one JSON object a line. */
import { closeSync, existsSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { OperatorFault } from "../../sync/faults.ts";
import { CONTROL_MESSAGE_BYTES_MAX } from "../../sync/limits.ts";

/** `{"method": "user.add", "params": {…}}` */
export interface ControlRequest {
	readonly method: string;
	readonly params: Readonly<Record<string, unknown>>;
}
/**
 * A connection is for one request, which gets any number of `item` lines (only `watch` sends some) and then one `result` or one `fault`. A fault's
 * message is a line for the operator; `usage` says that the request itself was wrong (exit status 2).
 */
export type ControlReply =
	| { readonly item: unknown }
	| { readonly result: unknown }
	| { readonly fault: string; readonly usage: boolean };

/** sun_path holds 108 bytes on Linux, 104 elsewhere, with a NUL at the end. */
const SOCKET_PATH_BYTES_MAX = 103;

export interface SocketPath {
	readonly path: string;
	/** To be called when the socket is closed for good. */
	release(): void;
}

/**
 * The path to bind or connect to. A folder whose name is too long for a socket address is reached through a descriptor
 * of the folder, so the socket still lies in it. Throws what opening the folder throws.
 */
export function controlSocketPath(dataDirectory: string): SocketPath {
	const path = join(dataDirectory, "control.sock");
	if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX)
		return { path, release: () => {} };
	if (!existsSync("/proc/self/fd"))
		throw new OperatorFault(
			`the path of ${dataDirectory} is too long for a socket; choose a shorter one with --data`,
		);
	const folder = openSync(dataDirectory, "r");
	return {
		path: `/proc/self/fd/${folder}/control.sock`,
		release: () => closeSync(folder),
	};
}

/**
 * Gives each line of JSON that comes as a value. What is longer than CONTROL_MESSAGE_BYTES_MAX, or no JSON, goes to
 * `broken` once, and nothing after it is read.
 */
export function readLines(
	socket: Socket,
	line: (value: unknown) => void,
	broken: (why: string) => void,
): void {
	const decoder = new StringDecoder("utf8");
	let rest = "";
	const take = (chunk: Buffer): void => {
		const lines = (rest + decoder.write(chunk)).split("\n");
		rest = lines.pop() ?? "";
		try {
			for (const text of lines) line(JSON.parse(text));
		} catch (error) {
			if (!(error instanceof SyntaxError)) throw error;
			stop("not JSON");
		}
		if (rest.length > CONTROL_MESSAGE_BYTES_MAX) stop("message too long");
	};
	const stop = (why: string): void => {
		socket.off("data", take);
		rest = "";
		broken(why);
	};
	socket.on("data", take);
}
