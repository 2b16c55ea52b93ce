/** Programs of Debian that act as clients. A missing one skips its tests on a person's machine and fails them in CI. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";

export const isInstalled = (program: string): boolean =>
	(process.env.PATH ?? "").split(delimiter).some((folder) => {
		try {
			accessSync(join(folder, program), constants.X_OK);
			return true;
		} catch {
			return false;
		}
	});

/** As test(), for what needs `program`. */
export function testWith(
	program: string,
	name: string,
	run: () => Promise<void>,
): void {
	if (isInstalled(program)) test(name, run);
	else if (process.env.CI)
		test(name, () => expect.fail(`${program} is not installed`));
	else test.skip(`${name} (needs ${program}, which is not installed)`, run);
}
