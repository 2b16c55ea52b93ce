/** The client's side of SCRAM-SHA-256 (RFC 5802), for tests: written apart from the server's. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

export interface ScramClientOptions {
	readonly user: string;
	readonly password: string;
	/** Default `n,,`. */
	readonly gs2Header?: string;
	readonly binding?: Uint8Array;
	/** Default: random. */
	readonly nonce?: string;
}

const hmac = (key: Uint8Array, text: string) =>
	createHmac("sha256", key).update(text).digest();

export class ScramClient {
	readonly first: string;
	readonly #options: ScramClientOptions;
	readonly #bare: string;
	#serverSignature = "";

	constructor(options: ScramClientOptions) {
		this.#options = options;
		const user = options.user.replaceAll("=", "=3D").replaceAll(",", "=2C");
		const nonce = options.nonce ?? randomBytes(18).toString("base64");
		this.#bare = `n=${user},r=${nonce}`;
		this.first = `${this.#gs2}${this.#bare}`;
	}

	get #gs2(): string {
		return this.#options.gs2Header ?? "n,,";
	}

	/** client-final-message. */
	answer(serverFirst: string): string {
		const fields = new Map(
			serverFirst.split(",").map((field) => [field[0], field.slice(2)]),
		);
		const salted = pbkdf2Sync(
			this.#options.password,
			Buffer.from(fields.get("s") ?? "", "base64"),
			Number(fields.get("i")),
			32,
			"sha256",
		);
		const bound = Buffer.concat([
			Buffer.from(this.#gs2),
			this.#options.binding ?? Buffer.alloc(0),
		]).toString("base64");
		const withoutProof = `c=${bound},r=${fields.get("r")}`;
		const said = `${this.#bare},${serverFirst},${withoutProof}`;
		const clientKey = hmac(salted, "Client Key");
		const storedKey = createHash("sha256").update(clientKey).digest();
		const signature = hmac(storedKey, said);
		const proof = Buffer.from(
			clientKey.map((octet, index) => octet ^ (signature[index] ?? 0)),
		);
		this.#serverSignature = hmac(hmac(salted, "Server Key"), said).toString(
			"base64",
		);
		return `${withoutProof},p=${proof.toString("base64")}`;
	}

	/** The server has proved that it knows the password's keys. */
	trusts(serverFinal: string): boolean {
		return serverFinal === `v=${this.#serverSignature}`;
	}
}
