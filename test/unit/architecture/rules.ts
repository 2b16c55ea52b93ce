/**
 * The arrows of the design as rules over source files: each gives one line for each violation. cli → node → sync; the pure stays pure;
 * time, chance, sockets and disk only where they belong.
 */
import { codeOf, type Import, importsOf, type Source } from "./sources.ts";

export interface Rule {
	readonly name: string;
	readonly check: (sources: readonly Source[]) => string[];
}

const under = (path: string, ...places: readonly string[]): boolean =>
	places.some((place) =>
		place.endsWith(".ts") ? path === place : path.startsWith(`${place}/`),
	);

/** A rule over single imports: a reason why the import must not be, or undefined. */
const onImports = (
	name: string,
	wrong: (path: string, each: Import) => boolean,
): Rule => ({
	name,
	check: (sources) =>
		sources.flatMap((source) =>
			importsOf(source)
				.filter((each) => wrong(source.path, each))
				.map((each) => `${source.path} imports ${each.target}`),
		),
});

/** A rule over code without comments and strings. */
const onCode = (
	name: string,
	pattern: RegExp,
	allowed: (path: string) => boolean,
): Rule => ({
	name,
	check: (sources) =>
		sources
			.filter(({ path }) => !allowed(path))
			.flatMap(({ path, text }) =>
				[...codeOf(text).matchAll(pattern)].map(
					(match) =>
						`${path}:${text.slice(0, match.index).split("\n").length} uses ${match[0]}`,
				),
			),
});

/** Types, identifiers, bounds and errors: what everybody may know. */
const vocabulary = [
	"sync/ids.ts",
	"sync/limits.ts",
	"sync/faults.ts",
	"sync/ranges.ts",
	"sync/rules.ts",
	"sync/ports",
];
/** The only things of sync/ that protocols may see. */
const interfaceOfSync = [...vocabulary, "sync/api.ts"];
const protocols = [
	"node/imap",
	"node/smtp",
	"node/mime",
	"node/search",
	"node/rows",
	"node/http",
	"node/accounts",
	"node/intake.ts",
];
const pure = ["sync/documents", "sync/mailbox"];
/** Real implementations of ports. */
const realAdapters = ["sync/real", "sync/network", "sync/bodies"];
/** Caches that may be deleted at any time. */
const caches = [
	"node/rows",
	"node/mime/cache-file.ts",
	"node/search/file.ts",
	"node/search/index.ts",
];
/** Where real and simulated are chosen between. */
const composition = ["node/node.ts", "node/start", "cli"];

const timeAndChance = (path: string) => under(path, "sync/real", "cli");
const sockets = (path: string) =>
	under(
		path,
		"sync/network",
		"node/imap",
		"node/smtp",
		"node/http",
		"node/control",
		"node/control.ts",
		"node/tls",
		"cli",
	);
const disk = (path: string) =>
	!under(path, "sync") && !under(path, ...protocols)
		? true
		: under(path, ...realAdapters, ...caches);

const socketModules =
	/^(node:)?(net|tls|dgram|http|https|http2|dns|dns\/promises)$/;
/** Of these modules, what opens nothing. */
const harmlessNames = new Set(["isIP", "isIPv4", "isIPv6"]);
const diskModules = /^(node:)?(fs|fs\/promises|sqlite)$/;

export const arrows: readonly Rule[] = [
	onImports(
		"cli → node → sync, and nobody imports tests or examples",
		(path, { ours, target }) =>
			ours &&
			((under(path, "sync") && !under(target, "sync")) ||
				(under(path, "node") && !under(target, "sync", "node")) ||
				(under(path, "cli") &&
					!under(target, "sync", "node", "cli", "package.json"))),
	),
	onImports(
		"ports, ids, limits and faults import nothing else of ours",
		(path, { ours, target }) =>
			ours && under(path, ...vocabulary) && !under(target, ...vocabulary),
	),
	onImports(
		"documents and mailbox are pure: nothing but themselves, the log, Automerge and hashing",
		(path, { ours, target, typesOnly }) =>
			under(path, ...pure) &&
			(ours
				? !under(target, ...pure, "sync/log", ...vocabulary) &&
					!(typesOnly && under(target, "sync/api.ts"))
				: !/^(@automerge\/automerge(\/.*)?|node:crypto)$/.test(target)),
	),
	onImports(
		"imap and smtp meet only in intake and accounts",
		(path, { ours, target }) =>
			ours &&
			((under(path, "node/imap") && under(target, "node/smtp")) ||
				(under(path, "node/smtp") && under(target, "node/imap"))),
	),
	onImports(
		"protocols see of sync only its interface",
		(path, { ours, target }) =>
			ours &&
			under(path, ...protocols) &&
			under(target, "sync") &&
			!under(target, ...interfaceOfSync),
	),
	onImports(
		"backups see of sync only its interface and what it exports for them",
		(path, { ours, target }) =>
			ours &&
			under(path, "node/backup") &&
			under(target, "sync") &&
			!under(target, ...interfaceOfSync, "sync/backup"),
	),
	onImports(
		"checks and exports know no files",
		(path, { target, typesOnly }) =>
			under(path, "sync/check", "sync/backup") &&
			!typesOnly &&
			diskModules.test(target),
	),
	onImports(
		"the simulator is for tests and `pmnode sim`",
		(path, { ours, target }) =>
			ours &&
			under(target, "sync/sim") &&
			!under(path, "sync/sim", "cli/command/sim.ts", "cli/sim"),
	),
	onImports(
		"real adapters are chosen only in node.ts and cli",
		(path, { ours, target, typesOnly }) =>
			ours &&
			!typesOnly &&
			realAdapters.some(
				(adapter) => under(target, adapter) && !under(path, adapter),
			) &&
			!under(path, "sync/sim", ...composition),
	),
];

export const effects: readonly Rule[] = [
	onCode(
		"clocks are read and timers set only in the real clock and in commands",
		/\b(?:Date\.now|performance\.now|process\.hrtime)\b|\bnew Date\(\s*\)|(?:(?<![.\w])|\bglobalThis\.)(?:setTimeout|setInterval)\s*\(/g,
		timeAndChance,
	),
	onImports(
		"timers and clocks are not imported either",
		(path, { target }) =>
			/^(node:)?(timers|timers\/promises|perf_hooks)$/.test(target) &&
			!timeAndChance(path),
	),
	onCode(
		"chance comes from the Random port",
		/\b(Math\.random|crypto\.getRandomValues)\b/g,
		timeAndChance,
	),
	onImports(
		"sockets only in the network, the servers and the commands",
		(path, { target, names, typesOnly }) =>
			socketModules.test(target) &&
			!typesOnly &&
			!(names.length > 0 && names.every((name) => harmlessNames.has(name))) &&
			!sockets(path),
	),
	onImports(
		"the disk is for bodies, the store, the node's identity and the composition, not for protocols and pure code",
		(path, { target, typesOnly }) =>
			diskModules.test(target) && !typesOnly && !disk(path),
	),
];

/** Bounds are named once, in sync/limits.ts. */
export const bounds: Rule = {
	name: "no bound is declared twice",
	check: (sources) => {
		const where = new Map<string, string>();
		return sources.flatMap(({ path, text }) =>
			[
				...codeOf(text).matchAll(/\bconst ([A-Z][A-Z0-9_]*_(?:MAX|MIN))\b/g),
			].flatMap(([, name = ""]) => {
				const first = where.get(name);
				where.set(name, first ?? path);
				return first && first !== path
					? [`${name} is declared in ${first} and in ${path}`]
					: [];
			}),
		);
	},
};

/** Names and versions in package.json that are not one exact version. */
export function looseVersions(packageJson: {
	readonly [group: string]: unknown;
}): string[] {
	return ["dependencies", "devDependencies", "overrides"].flatMap((group) =>
		Object.entries((packageJson[group] ?? {}) as Record<string, string>)
			.filter(
				([, version]) => !/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version),
			)
			.map(([name, version]) => `${group}: ${name} ${version}`),
	);
}

const topLevel = new Set(
	".biome.json .ci .gitignore .tsconfig.build.json LICENSE README.md cli examples node package-lock.json package.json sync test tsconfig.json".split(
		" ",
	),
);
/** Entries at the top that the repository should not have. */
export const strangeEntries = (entries: readonly string[]): string[] =>
	entries.filter((entry) => !topLevel.has(entry));
