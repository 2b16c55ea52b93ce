import { defineConfig } from "vitest/config";

/** `npm test`: what runs without root, Debian packages or much time. The longer suites have commands of their own in .ci/run. */
export default defineConfig({
	test: {
		root: new URL("..", import.meta.url).pathname,
		include: ["test/{unit,contract,transcripts,sim,node,fuzz}/**/*.test.ts"],
		testTimeout: 30_000,
		hookTimeout: 60_000,
		pool: "forks",
		maxWorkers: 2,
	},
});
