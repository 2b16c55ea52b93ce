/** The key that makes a node itself: Ed25519, made on the first start, readable by its user only. */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import {
	generateKeyPair,
	privateKeyFromProtobuf,
	privateKeyToProtobuf,
} from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { OperatorFault } from "../faults.ts";

const isMissing = (error: unknown): boolean =>
	(error as NodeJS.ErrnoException).code === "ENOENT";

/**
 * The key in `file` (libp2p's protobuf, as `privateKeyToProtobuf` writes it), made and synced to disk if there is none.
 * Throws OperatorFault when the file holds something else or cannot be read.
 */
export async function loadIdentity(file: string): Promise<PrivateKey> {
	try {
		const key = parseIdentity(await readFile(file), file);
		await checkWhole(key, file);
		return key;
	} catch (error) {
		if (error instanceof OperatorFault) throw error;
		if (!isMissing(error))
			throw new OperatorFault(
				`cannot read ${file}: ${(error as Error).message}`,
			);
	}
	const key = await generateKeyPair("Ed25519");
	await writeIdentity(file, privateKeyToProtobuf(key));
	return key;
}

/** A flipped bit in the secret half leaves the name of the node as it is, and nobody would talk to it. */
async function checkWhole(key: PrivateKey, file: string): Promise<void> {
	const text = Buffer.from("whole?");
	if (!(await key.publicKey.verify(text, await key.sign(text))))
		throw new OperatorFault(
			`${file} is damaged: put back the right file, or remove this node and join with an empty data folder`,
		);
}

/** A key from its protobuf bytes; `from` names their source in the OperatorFault that bad ones make. */
export function parseIdentity(bytes: Uint8Array, from: string): PrivateKey {
	try {
		return privateKeyFromProtobuf(bytes);
	} catch {
		throw new OperatorFault(
			`${from} is not a node key: put back the right file, or start with an empty data folder and join anew`,
		);
	}
}

/** Complete and durable under its name, or not there at all; never overwrites. */
async function writeIdentity(file: string, bytes: Uint8Array): Promise<void> {
	await mkdir(dirname(file), { recursive: true, mode: 0o700 });
	const temporary = `${file}.${randomBytes(6).toString("hex")}`;
	const handle = await open(temporary, "wx", 0o600);
	try {
		await handle.writeFile(bytes);
		await handle.sync();
	} finally {
		await handle.close();
	}
	try {
		await link(temporary, file);
	} finally {
		await unlink(temporary);
	}
	const folder = await open(dirname(file), "r");
	await folder.sync().finally(() => folder.close());
}
