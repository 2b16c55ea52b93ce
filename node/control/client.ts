/** The other end of node/control.ts: asks the node that runs on a data folder. */
import { connect, type Socket } from "node:net";
import { OperatorFault } from "../../sync/faults.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import { WrongUsage } from "../config.ts";
import { type ControlReply, controlSocketPath, readLines } from "./socket.ts";

/** No process serves the folder's control socket. */
export class NoNodeRunning extends OperatorFault {
	override name = "NoNodeRunning";
	constructor(dataDirectory: string) {
		super(
			`no node is running on ${dataDirectory}; start it with "pmnode start --data ${dataDirectory}"`,
		);
	}
}

export interface AskOptions {
	readonly dataDirectory: string;
	readonly method: string;
	readonly params?: Readonly<Record<string, unknown>>;
	/** Takes each item of a stream. */
	readonly onItem?: (item: unknown) => void;
	/** Ends the request; the promise then rejects with the signal's reason. */
	readonly signal?: AbortSignal;
}

/**
 * One request. Resolves with its result. Rejects with NoNodeRunning, with the fault that the node named (OperatorFault,
 * or WrongUsage), or with OperatorFault when the node ends meanwhile.
 */
export async function ask(options: AskOptions): Promise<unknown> {
	const socket = await open(options.dataDirectory);
	const { promise, resolve, reject } = Promise.withResolvers<unknown>();
	const abort = () => reject(options.signal?.reason as Error);
	readLines(
		socket,
		(value) => {
			const reply = value as ControlReply;
			if ("item" in reply) options.onItem?.(reply.item);
			else if ("result" in reply) resolve(reply.result);
			else
				reject(
					reply.usage
						? new WrongUsage(reply.fault)
						: new OperatorFault(reply.fault),
				);
		},
		(why) => reject(new OperatorFault(`the node's answer is ${why}`)),
	);
	const ended = () =>
		reject(
			new OperatorFault(
				`the node on ${options.dataDirectory} ended before it answered; see its log, then try again`,
			),
		);
	socket.on("error", ended).on("close", ended);
	options.signal?.addEventListener("abort", abort, { once: true });
	if (options.signal?.aborted === true) abort();
	const { method, params = {} } = options;
	socket.write(`${JSON.stringify({ method, params })}\n`);
	try {
		return await promise;
	} finally {
		options.signal?.removeEventListener("abort", abort);
		socket.destroy();
	}
}

/** The same, but gives up after `timeoutMilliseconds` with OperatorFault. */
export async function askWithin(
	timeoutMilliseconds: number,
	clock: Clock,
	options: Omit<AskOptions, "signal">,
): Promise<unknown> {
	const controller = new AbortController();
	const cancel = clock.after(timeoutMilliseconds, () =>
		controller.abort(
			new OperatorFault(
				`the node on ${options.dataDirectory} did not answer within ${timeoutMilliseconds} ms`,
			),
		),
	);
	try {
		return await ask({ ...options, signal: controller.signal });
	} finally {
		cancel();
	}
}

function open(dataDirectory: string): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const refuse = (error: NodeJS.ErrnoException) => {
			reject(
				error.code === "EACCES" || error.code === "EPERM"
					? new OperatorFault(
							`${dataDirectory} belongs to another user; run the command as that user`,
						)
					: error instanceof OperatorFault
						? error
						: new NoNodeRunning(dataDirectory),
			);
		};
		try {
			const at = controlSocketPath(dataDirectory);
			const socket = connect(at.path);
			socket.once("error", refuse);
			socket.once("connect", () => {
				socket.off("error", refuse);
				resolve(socket);
			});
			socket.once("close", at.release);
		} catch (error) {
			refuse(error as NodeJS.ErrnoException);
		}
	});
}
