import { OperatorFault } from "../sync/faults.ts";

/** Where help lists what a later version brings. */
export const NOT_YET = "Not part of this version:";

/** What a command does that a later version brings: one line and exit status 1. `instead` says what to do now. */
export const notYet =
	(command: string, instead: string): (() => never) =>
	() => {
		throw new OperatorFault(
			`"pmnode ${command}" is not part of this version; ${instead}`,
		);
	};
