// Reads vitest's JSON reports (files given as arguments) and prints two numbers: tests passed, and tests failed.
// A test that did not run counts as failed, unless its name says "(cannot exist here: …)". A report that is missing or
// has no test counts as one failure: something broke before it could count.
import { readFileSync } from "node:fs";

let passed = 0;
let failed = 0;
const say = (text) => process.stderr.write(`${text}\n`);

for (const file of process.argv.slice(2)) {
	let report;
	try {
		report = JSON.parse(readFileSync(file, "utf8"));
	} catch {
		say(`no report ${file}: counted as a failure`);
		failed += 1;
		continue;
	}
	if (report.numTotalTests === 0) failed += 1;
	for (const suite of report.testResults) {
		if (
			suite.status === "failed" &&
			suite.assertionResults.every((each) => each.status !== "failed")
		) {
			say(`failed as a whole: ${suite.name}`);
			failed += 1;
		}
		for (const { status, fullName } of suite.assertionResults) {
			if (status === "passed") passed += 1;
			else if (status === "failed") failed += 1;
			else if (/\(cannot exist here: [^)]+\)/.test(fullName))
				say(`not here: ${fullName}`);
			else {
				say(`skipped, counted as a failure: ${fullName}`);
				failed += 1;
			}
		}
	}
}
process.stdout.write(`${passed} ${failed}\n`);
