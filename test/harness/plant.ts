/** Bugs planted in real processes: a module for `node --import` says with this which line of the source is another one. */
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repository } from "./processes.ts";

/** In the process that imports this, `right` of the source file (path in the repository) is `wrong`. Throws where it is not there once. */
export function plant(path: string, right: string, wrong: string): void {
	const planted = pathToFileURL(join(repository, path)).href;
	registerHooks({
		load(url, context, nextLoad) {
			const loaded = nextLoad(url, context);
			if (url !== planted) return loaded;
			const parts = String(loaded.source).split(right);
			if (parts.length !== 2)
				throw new Error(`${path} has no single place with: ${right}`);
			return { ...loaded, source: parts.join(wrong) };
		},
	});
}
