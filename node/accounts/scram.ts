/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side: what is stored of a password, and one exchange. Pure but for
 * the key derivation; who may log in, and how often, is login.ts.
 */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from "node:crypto";
import type { Random } from "../../sync/ports/random.ts";
import { saslPrep } from "./saslprep.ts";

/**
 * RFC 7677 §4 asks for 4096 at least. Who steals the directory guesses against this, so as many as clients bear: Cyrus
 * SASL refuses more than 65,536, and a telephone needs a tenth of a second.
 */
export const SCRAM_ITERATIONS = 50_000;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const NONCE_BYTES = 18;

/** What a server keeps of a password (RFC 5802 §3): enough to verify, not enough to log in. */
export interface ScramKeys {
	readonly iterations: number;
	readonly salt: Buffer;
	readonly storedKey: Buffer;
	readonly serverKey: Buffer;
}

/** The client broke the grammar of RFC 5802 §7. */
export class ScramFault extends Error {
	override name = "ScramFault";
}

/** Wrong proof or binding. */
export class ScramRefused extends Error {
	override name = "ScramRefused";
}

const hmac = (key: Uint8Array, text: string): Buffer =>
	createHmac("sha256", key).update(text).digest();
const sha256 = (bytes: Uint8Array): Buffer =>
	createHash("sha256").update(bytes).digest();

/** Keys of a new password; undefined when SASLprep forbids it, then only mechanisms that send the password remain. */
export async function deriveScram(
	password: string,
	random: Random,
): Promise<ScramKeys | undefined> {
	const prepared = saslPrep(password);
	if (prepared === undefined || prepared === "") return undefined;
	const salt = Buffer.from(random.bytes(SALT_BYTES));
	const salted = await new Promise<Buffer>((resolve, reject) =>
		pbkdf2(
			prepared,
			salt,
			SCRAM_ITERATIONS,
			KEY_BYTES,
			"sha256",
			(error, key) => (error === null ? resolve(key) : reject(error)),
		),
	);
	return {
		iterations: SCRAM_ITERATIONS,
		salt,
		storedKey: sha256(hmac(salted, "Client Key")),
		serverKey: hmac(salted, "Server Key"),
	};
}

/** As RFC 5803 writes it: `SCRAM-SHA-256$iterations:salt$storedKey:serverKey`. */
export const formatScram = (keys: ScramKeys): string => {
	const [salt, storedKey, serverKey] = [
		keys.salt,
		keys.storedKey,
		keys.serverKey,
	].map((bytes) => bytes.toString("base64"));
	return `SCRAM-SHA-256$${keys.iterations}:${salt}$${storedKey}:${serverKey}`;
};

export function parseScram(text: string): ScramKeys | undefined {
	const match =
		/^SCRAM-SHA-256\$(\d{4,7}):([A-Za-z0-9+/=]{12,88})\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$/.exec(
			text,
		);
	if (match === null) return undefined;
	const [, iterations, salt = "", storedKey = "", serverKey = ""] = match;
	return {
		iterations: Number(iterations),
		salt: Buffer.from(salt, "base64"),
		storedKey: Buffer.from(storedKey, "base64"),
		serverKey: Buffer.from(serverKey, "base64"),
	};
}

/**
 * Keys that no password has, for users who are not there. The salt is always the same for a name, on every member, as
 * that of a user is: it must not tell who is a user (RFC 5802 §9).
 */
export function scramOfNobody(
	secret: Uint8Array,
	userName: string,
	random: Random,
): ScramKeys {
	return {
		iterations: SCRAM_ITERATIONS,
		salt: hmac(secret, `SCRAM salt ${userName}`).subarray(0, SALT_BYTES),
		storedKey: Buffer.from(random.bytes(KEY_BYTES)),
		serverKey: Buffer.from(random.bytes(KEY_BYTES)),
	};
}

/** What the connection can be bound to (RFC 5929, RFC 9266). */
export interface ScramChannel {
	/** The client chose SCRAM-SHA-256-PLUS. */
	readonly plus: boolean;
	/** The server offered it on this connection. */
	readonly offersPlus: boolean;
	/** Data of a binding type such as `tls-exporter`; undefined: not to be had. */
	binding(type: string): Uint8Array | undefined;
}

export interface ClientFirst {
	readonly userName: string;
	readonly nonce: string;
	/** `n,,` and so on: comes again in the last message. */
	readonly gs2Header: string;
	readonly bare: string;
	readonly binding: Uint8Array;
}

/** Parses client-first-message (RFC 5802 §7) and settles the channel binding (§6). Throws ScramFault, ScramRefused. */
export function parseClientFirst(
	message: string,
	channel: ScramChannel,
): ClientFirst {
	const gs2 = /^(n|y|p=([A-Za-z0-9.-]{1,64})),(?:a=([^,]*))?,/.exec(message);
	if (gs2 === null) throw new ScramFault("not a SCRAM message");
	const [gs2Header, flag, type, actFor] = gs2;
	const bare = message.slice(gs2Header.length);
	const fields = /^n=([^,]+),r=([\x21-\x2b\x2d-\x7e]{1,512})(?:,|$)/.exec(bare);
	if (fields === null) throw new ScramFault("not a SCRAM message");
	const userName = saslName(fields[1] ?? "");
	// GNU SASL sends an empty one for none.
	if (actFor && saslName(actFor) !== userName)
		throw new ScramRefused("acting for another user is not offered");
	return {
		userName,
		nonce: fields[2] ?? "",
		gs2Header,
		bare,
		binding: bindingOf(flag ?? "", type, channel),
	};
}

const NO_BINDING = new Uint8Array();

function bindingOf(
	flag: string,
	type: string | undefined,
	channel: ScramChannel,
): Uint8Array {
	if (channel.plus !== (type !== undefined))
		throw new ScramFault("the mechanism and the channel binding flag differ");
	if (type === undefined) {
		// RFC 5802 §6: it can bind and believes that we cannot, so somebody took the offer away.
		if (flag === "y" && channel.offersPlus)
			throw new ScramRefused("the server does support channel binding");
		return NO_BINDING;
	}
	const data = channel.binding(type);
	if (data === undefined)
		throw new ScramRefused("this channel binding type is not offered");
	return data;
}

/** `=2C` and `=3D` stand for comma and equals sign, no other "=" may be there. */
function saslName(text: string): string {
	if (/=(?!2C|3D)/.test(text)) throw new ScramFault("bad user name");
	const name = saslPrep(text.replaceAll("=2C", ",").replaceAll("=3D", "="));
	if (name === undefined) throw new ScramFault("bad user name");
	return name;
}

export const scramNonce = (random: Random): string =>
	Buffer.from(random.bytes(NONCE_BYTES)).toString("base64");

export class ScramExchange {
	readonly serverFirst: string;
	readonly #first: ClientFirst;
	readonly #keys: ScramKeys;
	readonly #nonce: string;

	/** `serverNonce`: from scramNonce(). */
	constructor(first: ClientFirst, keys: ScramKeys, serverNonce: string) {
		this.#first = first;
		this.#keys = keys;
		this.#nonce = first.nonce + serverNonce;
		this.serverFirst = `r=${this.#nonce},s=${keys.salt.toString("base64")},i=${keys.iterations}`;
	}

	/** Takes client-final-message and gives server-final-message. Throws ScramFault, ScramRefused. */
	finish(message: string): string {
		const fields =
			/^(c=([A-Za-z0-9+/=]{4,1024}),r=([^,]{1,600})(?:,[^p][^,]*)*),p=([A-Za-z0-9+/]{43}=)$/.exec(
				message,
			);
		if (fields === null) throw new ScramFault("not a SCRAM message");
		const [, withoutProof, channel, nonce, proof = ""] = fields;
		const { gs2Header, binding, bare } = this.#first;
		const bound = Buffer.concat([Buffer.from(gs2Header), binding]);
		if (channel !== bound.toString("base64"))
			throw new ScramRefused("the channel binding is wrong");
		if (nonce !== this.#nonce) throw new ScramRefused("the nonce is wrong");
		const said = `${bare},${this.serverFirst},${withoutProof}`;
		const { storedKey, serverKey } = this.#keys;
		const clientKey = xor(Buffer.from(proof, "base64"), hmac(storedKey, said));
		if (!timingSafeEqual(sha256(clientKey), storedKey))
			throw new ScramRefused("the proof is wrong");
		return `v=${hmac(serverKey, said).toString("base64")}`;
	}
}

const xor = (a: Uint8Array, b: Uint8Array): Buffer =>
	Buffer.from(a.map((octet, index) => octet ^ (b[index] ?? 0)));
