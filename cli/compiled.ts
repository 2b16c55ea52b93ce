/**
 * What V8 made of the sources lies beside the packages, with the files that imports mean (resolved.ts), and the next start takes it from there: half of the processor
 * time of a start, and most of a short command's. Whoever may not write there goes without.
 */
import { constants, enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";
import { keepResolved } from "./resolved.ts";

/** Not in the system's folder for temporary files: there others could put code for us. */
const packages = join(import.meta.dirname, "../node_modules");
const directory = join(packages, ".cache/pmnode");

const { ENABLED } = constants.compileCacheStatus;

let writeResolved = (): void => {};

/** Call it before the modules that matter are loaded. */
export function keepCompiled(): void {
	writeResolved = keepResolved({
		file: join(directory, "resolved.json"),
		packages,
	});
	process.once("exit", writeResolved);
	// Threads ask for it by themselves, and look here.
	if (enableCompileCache(directory).status === ENABLED)
		process.env.NODE_COMPILE_CACHE ??= directory;
}

/** A process that goes on for long keeps it now, and not only at its end. */
export function keepCompiledNow(): void {
	flushCompileCache();
	process.off("exit", writeResolved);
	writeResolved();
}
