/** Passwords as argon2id hashes in the PHC string format (RFC 9106), e.g. `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`. */
import { argon2, timingSafeEqual } from "node:crypto";
import { ClientFault } from "../../sync/faults.ts";
import { PASSWORD_BYTES_MAX } from "../../sync/limits.ts";
import type { Random } from "../../sync/ports/random.ts";

interface Argon2Settings {
	readonly memoryKiB: number;
	readonly passes: number;
	readonly parallelism: number;
}

/** OWASP's first recommendation for argon2id: 19 MiB, two passes, one lane. */
const SETTINGS: Argon2Settings = {
	memoryKiB: 19_456,
	passes: 2,
	parallelism: 1,
};
/** Hashes come from other members and backups too: one that asks for more than this is not run. */
const SETTINGS_MAX: Argon2Settings = {
	memoryKiB: 256 * 1024,
	passes: 10,
	parallelism: 8,
};
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/**
 * Hashes a password for the directory. Some 50 ms of one thread and 19 MiB.
 * Rejects with ClientFault when the password is empty or longer than PASSWORD_BYTES_MAX.
 */
export async function hashPassword(
	password: string,
	random: Random,
): Promise<string> {
	const sizeBytes = Buffer.byteLength(password.normalize("NFC"));
	if (sizeBytes < 1 || sizeBytes > PASSWORD_BYTES_MAX)
		throw new ClientFault(
			"LIMIT",
			`a password has 1 to ${PASSWORD_BYTES_MAX} bytes, this one has ${sizeBytes}`,
		);
	const salt = random.bytes(SALT_BYTES);
	const hash = await run(password, salt, SETTINGS, HASH_BYTES);
	const { memoryKiB, passes, parallelism } = SETTINGS;
	return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
}

/** Whether the password is the one that was hashed. False, too, when `stored` is no argon2id hash of ours. */
export async function verifyPassword(
	password: string,
	stored: string,
): Promise<boolean> {
	const parsed = parse(stored);
	if (parsed === undefined) return false;
	const hash = await run(
		password,
		parsed.salt,
		parsed.settings,
		parsed.hash.length,
	);
	return timingSafeEqual(hash, parsed.hash);
}

/** A hash that no password has, and that takes as long to verify as any: for users who do not exist. */
export const hashOfNobody = (random: Random): string =>
	`$argon2id$v=19$m=${SETTINGS.memoryKiB},t=${SETTINGS.passes},p=${SETTINGS.parallelism}$${base64(random.bytes(SALT_BYTES))}$${base64(random.bytes(HASH_BYTES))}`;

function run(
	password: string,
	salt: Uint8Array,
	settings: Argon2Settings,
	lengthBytes: number,
): Promise<Buffer> {
	return new Promise((resolve, reject) =>
		argon2(
			"argon2id",
			{
				// RFC 8265 §4.2: the same text typed on another keyboard may come decomposed.
				message: password.normalize("NFC"),
				nonce: salt,
				parallelism: settings.parallelism,
				tagLength: lengthBytes,
				memory: settings.memoryKiB,
				passes: settings.passes,
			},
			(error, hash) => (error === null ? resolve(hash) : reject(error)),
		),
	);
}

function parse(
	stored: string,
): { settings: Argon2Settings; salt: Buffer; hash: Buffer } | undefined {
	const match =
		/^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/.exec(
			stored,
		);
	if (match === null) return undefined;
	const [, memory, passes, parallelism, salt = "", hash = ""] = match;
	const settings: Argon2Settings = {
		memoryKiB: Number(memory),
		passes: Number(passes),
		parallelism: Number(parallelism),
	};
	const sane =
		settings.parallelism >= 1 &&
		settings.parallelism <= SETTINGS_MAX.parallelism &&
		settings.passes >= 1 &&
		settings.passes <= SETTINGS_MAX.passes &&
		settings.memoryKiB >= 8 * settings.parallelism &&
		settings.memoryKiB <= SETTINGS_MAX.memoryKiB;
	if (!sane) return undefined;
	return {
		settings,
		salt: Buffer.from(salt, "base64"),
		hash: Buffer.from(hash, "base64"),
	};
}

/** PHC strings use base64 without padding. */
const base64 = (bytes: Uint8Array): string =>
	Buffer.from(bytes).toString("base64").replace(/=+$/, "");
