import { CommanderError } from "commander";
import { WrongUsage } from "../node/config.ts";
import { printable } from "../node/printable.ts";
import { ClientFault, OperatorFault, Temporary } from "../sync/faults.ts";
import { BadId } from "../sync/ids.ts";

export interface Failure {
	/** 0 done (help, version), 1 it could not, 2 wrong usage. */
	readonly exitStatus: number;
	/** For stderr: what is wrong and what to do. Undefined where nothing is to be said. */
	readonly line: string | undefined;
}

/** What a thrown error means to who called the command. With PMNODE_DEBUG set, a bug also shows its stack. */
export function failure(
	error: unknown,
	environment: Readonly<Record<string, string | undefined>>,
): Failure {
	if (error instanceof CommanderError) return usageFailure(error);
	if (error instanceof WrongUsage || error instanceof BadId)
		return { exitStatus: 2, line: line(error.message) };
	if (
		error instanceof OperatorFault ||
		error instanceof ClientFault ||
		error instanceof Temporary
	)
		return { exitStatus: 1, line: line(error.message) };
	const known = systemFailure(error);
	if (known !== undefined) return { exitStatus: 1, line: line(known) };
	const what = error instanceof Error ? error.message : String(error);
	if (environment.PMNODE_DEBUG && error instanceof Error)
		return { exitStatus: 1, line: error.stack };
	return {
		exitStatus: 1,
		line: line(
			`failed inside: ${what}; set PMNODE_DEBUG=1 to see where, and report it`,
		),
	};
}

const line = (message: string): string =>
	`pmnode: ${printable(message.trim().replace(/\s*\n\s*/g, " "))}`;

function usageFailure(error: CommanderError): Failure {
	if (error.exitCode === 0) return { exitStatus: 0, line: undefined };
	const what =
		error.code === "commander.help"
			? "a command is missing" // a group such as `pmnode user` alone
			: error.message.replace(/^error: /, "").replace(/\.$/, "");
	const hint = what.includes("--help") ? "" : '; see "pmnode --help"';
	return { exitStatus: 2, line: line(`${what}${hint}`) };
}

/** Errors of the system that an operator can do something about, also where a library has wrapped them. */
function systemFailure(error: unknown): string | undefined {
	for (const cause of causes(error)) {
		const { code, address, port } = cause as NodeJS.ErrnoException & {
			address?: string;
			port?: number;
		};
		const place = address?.includes(":") ? `[${address}]` : address;
		if (code === "EADDRINUSE")
			return `port ${place}:${port} is taken; stop what listens there, or give another port`;
		if (code === "EADDRNOTAVAIL")
			return `this machine has no address ${place}; listen on one that it has`;
		if (code === "EACCES" && port !== undefined)
			return `this user may not listen on port ${place}:${port}; give a port above 1023, or allow it (CAP_NET_BIND_SERVICE)`;
		if (code === "ENOSPC") return "the disk is full; make room and start again";
	}
	return undefined;
}

function causes(error: unknown, depth = 0): Error[] {
	if (!(error instanceof Error) || depth > 5) return [];
	const inner = error instanceof AggregateError ? error.errors : [];
	return [
		error,
		...[error.cause, ...inner].flatMap((e) => causes(e, depth + 1)),
	];
}
