import { defineConfig } from "vitest/config";

/** `npm test`: what runs without root, Debian packages or much time. The longer suites have commands of their own in .ci/run. */
export default defineConfig({
	test: {
		root: new URL("..", import.meta.url).pathname,
		include: ["test/{unit,contract,transcripts,sim,node,fuzz}/**/*.test.ts"],
		// Only what hangs takes so long: what is awaited says its own time limit, and many commands are started on slow machines.
		testTimeout: 120_000,
		hookTimeout: 120_000,
		pool: "forks",
		maxWorkers: 2,
	},
});
