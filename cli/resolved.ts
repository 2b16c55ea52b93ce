/**
 * Which file each import means: Node looks that up anew at each start, some 3,600 times, with half of the processor time
 * that loading takes. Here the answers of the last start are kept, for as long as the same packages lie in the same place.
 */
import {
	existsSync,
	mkdirSync,
	readFileSync,
	renameSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { registerHooks } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

interface Answer {
	readonly url: string;
	readonly format: string | null | undefined;
}

interface Kept {
	readonly state: string;
	readonly answers: readonly [string, Answer][];
}

export interface ResolvedOptions {
	/** Only what this process may write, and nobody else, as for code. */
	readonly file: string;
	/** The folder whose packages are meant. */
	readonly packages: string;
}

/** So many are no program of ours, but something that makes up names. */
const ANSWERS_MAX = 20_000;

/** Gives the answers that are kept, from now on. Returns what writes new ones down, and leaves it to Node from then on. */
export function keepResolved({ file, packages }: ResolvedOptions): () => void {
	const state = stateOf(packages);
	// Packages that npm did not put there may change without a trace.
	if (state === undefined) return () => {};
	const answers = read(file, state);
	const there = new Set<string>();
	let isNew = false;
	const hooks = registerHooks({
		resolve(specifier, context, next) {
			const key = `${context.parentURL}|${context.conditions.join()}|${specifier}`;
			const known = answers.get(key);
			if (known !== undefined && isThere(known.url, there))
				return { ...known, shortCircuit: true };
			const found = next(specifier, context);
			const { url, format } = found;
			if (context.importAttributes?.type === undefined) {
				answers.set(key, { url, format });
				isNew = true;
			}
			return found;
		},
	});
	return () => {
		hooks.deregister();
		if (isNew && answers.size <= ANSWERS_MAX)
			write(file, JSON.stringify({ state, answers: [...answers] }));
		isNew = false;
		answers.clear();
	};
}

/** Changes with whatever npm does to the packages, with Node, and where the folder was copied elsewhere. */
function stateOf(packages: string): string | undefined {
	const installed = statSync(join(packages, ".package-lock.json"), {
		throwIfNoEntry: false,
	});
	if (installed === undefined) return undefined;
	const { mtimeMs, size } = installed;
	return [packages, process.version, mtimeMs, size].join();
}

function read(file: string, state: string): Map<string, Answer> {
	try {
		const kept = JSON.parse(readFileSync(file, "utf8")) as Kept;
		if (kept.state === state) return new Map(kept.answers);
	} catch {
		// Not there, or cut off: it is made anew.
	}
	return new Map();
}

function isThere(url: string, there: Set<string>): boolean {
	if (!url.startsWith("file:") || there.has(url)) return true;
	const found = existsSync(fileURLToPath(url));
	if (found) there.add(url);
	return found;
}

function write(file: string, text: string): void {
	const beside = `${file}.${process.pid}`;
	try {
		mkdirSync(dirname(file), { recursive: true });
		writeFileSync(beside, text, { mode: 0o600 });
		renameSync(beside, file);
	} catch {
		// Whoever may not write there goes without.
	}
}
