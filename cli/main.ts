/**
 * The command line `pmnode`: here lives what concerns the process (exit status, errors as one line, file modes), in
 * program.ts the list of commands, in command/ one file for each. Commands talk to a running node through its control
 * socket only; what a node does must never be decided here.
 */
import { keepCompiled } from "./compiled.ts";

process.umask(0o077);
// A reader that has seen enough (`pmnode status | head -1`) is no error, and must not end a node that runs.
for (const stream of [process.stdout, process.stderr])
	stream.on("error", () => {});

keepCompiled();
// Loaded only now, so that they too are found compiled.
const { failure } = await import("./failure.ts");
const { program } = await import("./program.ts");
try {
	await program().parseAsync(process.argv);
} catch (error) {
	const { exitStatus, line } = failure(error, process.env);
	if (line !== undefined) process.stderr.write(`${line}\n`);
	process.exitCode = exitStatus;
}
