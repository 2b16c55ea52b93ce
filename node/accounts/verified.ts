/** Logins that were right a short while ago, by a keyed digest that is worth nothing outside this process. */
import { createHmac } from "node:crypto";
import type { Milliseconds } from "../../sync/ids.ts";
import {
	LOGIN_CACHE_ENTRIES_MAX,
	LOGIN_CACHE_MILLISECONDS_MAX,
} from "../../sync/limits.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import type { Random } from "../../sync/ports/random.ts";

export class VerifiedLogins {
	readonly #clock: Clock;
	readonly #key: Uint8Array;
	/** Digest → when it expires (monotonic); oldest first. */
	readonly #expiry = new Map<string, Milliseconds>();

	constructor(clock: Clock, random: Random) {
		this.#clock = clock;
		this.#key = random.bytes(32);
	}

	has(user: string, password: string, stored: string): boolean {
		const digest = this.#digest(user, password, stored);
		const expiry = this.#expiry.get(digest);
		if (expiry === undefined) return false;
		if (expiry > this.#clock.monotonic()) return true;
		this.#expiry.delete(digest);
		return false;
	}

	add(user: string, password: string, stored: string): void {
		const digest = this.#digest(user, password, stored);
		this.#expiry.delete(digest);
		this.#expiry.set(
			digest,
			this.#clock.monotonic() + LOGIN_CACHE_MILLISECONDS_MAX,
		);
		for (const oldest of this.#expiry.keys()) {
			if (this.#expiry.size <= LOGIN_CACHE_ENTRIES_MAX) break;
			this.#expiry.delete(oldest);
		}
	}

	/** The stored credentials are part of it, so a changed password ends what was remembered at once. */
	#digest(user: string, password: string, stored: string): string {
		const hmac = createHmac("sha256", this.#key);
		for (const part of [user, password, stored])
			hmac.update(`${Buffer.byteLength(part)}:`).update(part);
		return hmac.digest("base64");
	}
}
