import { readFileSync } from "node:fs";

let known: string | undefined;

/** The version in package.json, which lies one folder up from the sources and two from the compiled files. */
export function version(): string {
	known ??= ["../package.json", "../../package.json"]
		.map(versionIn)
		.find((found) => found !== undefined);
	return known ?? "unknown";
}

function versionIn(relativePath: string): string | undefined {
	try {
		const text = readFileSync(new URL(relativePath, import.meta.url), "utf8");
		const parsed = JSON.parse(text) as { name?: unknown; version?: unknown };
		return parsed.name === "pmnode" && typeof parsed.version === "string"
			? parsed.version
			: undefined;
	} catch {
		return undefined; // not there: the other of the two places has it
	}
}
