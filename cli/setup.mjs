// Makes a fresh clone ready: installs the pinned packages when node_modules is missing or older than the lock file.
// Plain JavaScript for any Node from 18 on, since it runs before Node 24 is there.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = `${root}node_modules/.pmnode-installed`;
const wanted = readFileSync(`${root}package-lock.json`, "utf8");

if (process.argv.includes("--clean-dist"))
	rmSync(`${root}dist`, { recursive: true, force: true });

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
	process.stderr.write("pmnode: installing packages, about a minute …\n");
	const run = spawnSync(
		"npm",
		// Not `npm ci`: it refuses the lock file where a registry lacks optional packages of other platforms.
		["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"],
		{
			cwd: root,
			encoding: "utf8",
			stdio: ["ignore", "pipe", "pipe"],
		},
	);
	if (run.status !== 0) {
		process.stderr.write(`${run.stdout ?? ""}${run.stderr ?? ""}`);
		process.stderr.write(
			"pmnode: npm install failed; see the lines above, then run the command again\n",
		);
		process.exit(1);
	}
	writeFileSync(stamp, wanted);
}
