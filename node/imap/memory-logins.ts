/** The memory twin of what checks logins. For tests. */
import type { Account } from "../../sync/api.ts";
import type { Random } from "../../sync/ports/random.ts";
import {
	type Authenticator,
	LoginRefused,
	type ScramLogin,
} from "../accounts/authenticator.ts";
import {
	parseClientFirst,
	type ScramChannel,
	ScramExchange,
	type ScramKeys,
	ScramRefused,
	scramNonce,
	scramOfNobody,
} from "../accounts/scram.ts";

interface Known {
	readonly password: string;
	readonly account: Account;
	readonly keys: ScramKeys | undefined;
}

export class MemoryAuthenticator implements Authenticator {
	readonly #users = new Map<string, Known>();
	readonly #random: Random;
	/** Asked at each login: what it returns is thrown. */
	fault: () => Error | undefined = () => undefined;

	constructor(random: Random) {
		this.#random = random;
	}

	add(
		userName: string,
		password: string,
		account: Account,
		keys?: ScramKeys,
	): void {
		this.#users.set(userName, { password, account, keys });
	}

	async login(userName: string, password: string): Promise<Account> {
		this.#check();
		const user = this.#users.get(userName);
		if (user === undefined || user.password !== password)
			throw new LoginRefused("wrong user name or password");
		return user.account;
	}

	scram(clientFirst: string, channel: ScramChannel): ScramLogin {
		this.#check();
		const first = refusing(() => parseClientFirst(clientFirst, channel));
		const user = this.#users.get(first.userName);
		const keys =
			user?.keys ??
			scramOfNobody(new Uint8Array(), first.userName, this.#random);
		const exchange = new ScramExchange(first, keys, scramNonce(this.#random));
		return {
			serverFirst: exchange.serverFirst,
			finish: async (clientFinal) => {
				const serverFinal = refusing(() => exchange.finish(clientFinal));
				if (user === undefined) throw new LoginRefused("no such user");
				return { account: user.account, serverFinal };
			},
		};
	}

	#check(): void {
		const fault = this.fault();
		if (fault !== undefined) throw fault;
	}
}

function refusing<T>(step: () => T): T {
	try {
		return step();
	} catch (error) {
		if (error instanceof ScramRefused) throw new LoginRefused(error.message);
		throw error;
	}
}
