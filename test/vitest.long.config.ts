import { defineConfig } from "vitest/config";

/** Real processes, real clients: needs root, Debian packages and minutes; run by .ci/run. One file at a time, as each starts several nodes. */
export default defineConfig({
	test: {
		root: new URL("..", import.meta.url).pathname,
		include: ["test/{cluster,clients,sim-long,fuzz,oracle}/**/*.test.ts"],
		// The fuzzers run longer here than in npm test.
		env: { PMNODE_FUZZ_FACTOR: "20" },
		// Several times what the longest takes on two idle cores: a busy machine is no fault.
		testTimeout: 400_000,
		hookTimeout: 300_000,
		pool: "forks",
		fileParallelism: false,
	},
});
