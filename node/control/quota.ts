/** `user.quota`: what an account holds and may hold, and how much it may hold from now on. */
import type { Directory } from "../../sync/api.ts";
import type { Address } from "../../sync/ids.ts";
import { WrongUsage } from "../config.ts";

/** As it goes over the socket: null is no limit. */
export interface QuotaAnswer {
	readonly storageBytes: number;
	readonly messages: number;
	readonly storageBytesMax: number | null;
	readonly messagesMax: number | null;
}

/** Sets what `params` names (null: no limit), and answers how things are then. The user exists. */
export async function userQuota(
	directory: Directory,
	address: Address,
	params: Readonly<Record<string, unknown>>,
): Promise<QuotaAnswer> {
	const account = directory.user(address)?.account;
	if (account === undefined) throw new Error(`no user ${address}`);
	const before = directory.quota(account);
	const storageBytesMax = limit(params.storageBytesMax, before.storageBytesMax);
	const messagesMax = limit(params.messagesMax, before.messagesMax);
	if (
		storageBytesMax !== before.storageBytesMax ||
		messagesMax !== before.messagesMax
	)
		await directory.setQuota(address, { storageBytesMax, messagesMax });
	const now = directory.quota(account);
	return {
		storageBytes: now.storageBytes,
		messages: now.messages,
		storageBytesMax: now.storageBytesMax ?? null,
		messagesMax: now.messagesMax ?? null,
	};
}

function limit(given: unknown, before: number | undefined): number | undefined {
	if (given === undefined) return before;
	if (given === null) return undefined;
	if (typeof given !== "number" || !Number.isSafeInteger(given) || given < 1)
		throw new WrongUsage("a quota is a size such as 500M or 2G, or none");
	return given;
}
