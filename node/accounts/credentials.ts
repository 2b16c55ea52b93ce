/**
 * What the directory keeps of a password, in one text, so that concurrent changes leave one password and not halves of
 * two: the argon2id hash (PHC format), a space, and the SCRAM keys (RFC 5803 format) where the password can have some.
 */
import type { Random } from "../../sync/ports/random.ts";
import { hashPassword } from "./password.ts";
import {
	deriveScram,
	formatScram,
	parseScram,
	type ScramKeys,
} from "./scram.ts";

/** Makes all that is kept of a new password. Rejects with ClientFault as hashPassword does. */
export async function makeCredentials(
	password: string,
	random: Random,
): Promise<string> {
	const hash = await hashPassword(password, random);
	const scram = await deriveScram(password, random);
	return scram === undefined ? hash : `${hash} ${formatScram(scram)}`;
}

/** The argon2id hash of the text; all of it where there are no SCRAM keys. */
export const hashOf = (credentials: string): string =>
	credentials.split(" ", 1)[0] ?? "";

export function scramOf(credentials: string): ScramKeys | undefined {
	const [, scram] = credentials.split(" ");
	return scram === undefined ? undefined : parseScram(scram);
}
