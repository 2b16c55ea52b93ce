import { argon2Sync } from "node:crypto";
import { expect, test } from "vitest";
import {
	hashOfNobody,
	hashPassword,
	verifyPassword,
} from "../../../node/accounts/password.ts";
import { ClientFault } from "../../../sync/faults.ts";
import { PASSWORD_BYTES_MAX } from "../../../sync/limits.ts";
import { realRandom } from "../../../sync/real/random.ts";

test("a hash is a PHC string that only its password verifies", async () => {
	const stored = await hashPassword("gehéim", realRandom);
	expect(stored).toMatch(
		/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/,
	);
	expect(await verifyPassword("gehéim", stored)).toBe(true);
	expect(await verifyPassword("gehe\u0301im", stored)).toBe(true);
	expect(await verifyPassword("geheim", stored)).toBe(false);
	expect(await verifyPassword("", stored)).toBe(false);
	expect(await hashPassword("gehéim", realRandom)).not.toBe(stored);
});

test("hashes with other settings verify, as those of other programs do", async () => {
	const salt = Buffer.from("somesaltsomesalt");
	const hash = argon2Sync("argon2id", {
		message: "password",
		nonce: salt,
		parallelism: 2,
		tagLength: 24,
		memory: 1024,
		passes: 3,
	});
	const plain = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
	const stored = `$argon2id$v=19$m=1024,t=3,p=2$${plain(salt)}$${plain(hash)}`;
	expect(await verifyPassword("password", stored)).toBe(true);
	expect(await verifyPassword("Password", stored)).toBe(false);
});

test.each([
	"",
	"secret",
	"$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=19456,t=900,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=1,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
])("what is no hash of sane cost verifies nothing: %s", async (stored) => {
	expect(await verifyPassword("secret", stored)).toBe(false);
});

test("nobody's hash is one that could be somebody's, and has no password", async () => {
	const stored = hashOfNobody(realRandom);
	expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$.{22}\$.{43}$/);
	expect(await verifyPassword("", stored)).toBe(false);
});

test("a password has a length between bounds", async () => {
	await expect(hashPassword("", realRandom)).rejects.toThrow(ClientFault);
	await expect(
		hashPassword("x".repeat(PASSWORD_BYTES_MAX + 1), realRandom),
	).rejects.toThrow(/1 to 1024 bytes/);
});
