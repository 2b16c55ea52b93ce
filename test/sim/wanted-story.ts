/**
 * What a life asked to renumber it never showed under the claim that it found too low, and its next life must not take it
 * as shown (rule 9). Who would renumber never hears of it; who heard it runs anew, and then grants the new life its slots.
 */
import type { MailboxId } from "../../sync/ids.ts";
import { numbererOf } from "../../sync/membership/numberer.ts";
import { prefixEnd } from "../../sync/ports/store.ts";
import { covers, type HeldVector, vectorOf } from "../../sync/sim/checkers.ts";
import { SimCluster } from "../../sync/sim/cluster.ts";
import type { Story } from "./stories.ts";
import { ok, only } from "./world.ts";

const NAMES = ["a", "b", "c", "d"];
const USERS = ["anna", "bert", "carl", "dora", "emil", "fred"];
/** Far above what is claimed here. */
const NAMED = 500;

/** What b is known to have had, as it lies on the disk of a. */
function hadOfB(cluster: SimCluster): HeldVector {
	const text = cluster.machine("a").disk.get(`had/${cluster.machine("b").id}`);
	return new Map(JSON.parse((text as string | undefined) ?? "[]"));
}

/** A user for whom c numbers, who is there all the time in the eyes of a and b. */
function userOf(cluster: SimCluster): string {
	const ids = NAMES.map((name) => cluster.machine(name).id);
	const user = USERS.find(
		(one) => numbererOf(cluster.accountId(one), ids) === ids[2],
	);
	if (user === undefined) throw new Error("c numbers for nobody");
	return user;
}

/** Claims of all in a mailbox, as the disk of a node has them. */
function claims(
	cluster: SimCluster,
	node: string,
	mailbox: MailboxId,
): number[] {
	const prefix = `ent/${mailbox}/`;
	const rows = cluster.machine(node).disk.range(prefix, prefixEnd(prefix));
	return [...rows].flatMap(
		([, text]) => (JSON.parse(text as string) as { u: number[] }).u,
	);
}

export const keepWants: Story = async (rules) => {
	const cluster = await SimCluster.of(NAMES, { seed: 1, rules }, USERS);
	const user = userOf(cluster);
	await ok(cluster, cluster.deliver("b", user, "first"));
	await cluster.settle();
	const backup = cluster.backup("b");
	// A client at b names a UID while b is out of touch, and is told a UIDNEXT above it.
	cluster.split(["a", "c"], ["b", "d"]);
	void cluster.deliver("a", user, "mail").catch(() => {});
	const reader = await cluster.run(cluster.read("b", user));
	const { id } = reader.mailbox;
	await cluster.run(reader.mailbox.named(NAMED));
	// With what changes next its session is told the new UIDNEXT.
	void reader.flag(only(reader), "\\Seen").catch(() => {});
	await cluster.until("it is told", () =>
		only(reader).flags.includes("\\Seen"),
	);
	reader.close();
	// Below it lies the claim, which comes to b now. What b asks for does not reach who numbers, and who is not missed yet.
	cluster.cut("a", "c");
	for (const other of ["b", "d"]) {
		cluster.mend("a", other);
		cluster.reset("a", other);
	}
	await cluster.until(
		"b has the claim",
		() => claims(cluster, "b", id).length > 1,
	);
	await cluster.pass(300);
	// That a member goes is kept at once, with what is known of the others.
	cluster.crash("d");
	await cluster.until("a keeps that b has it", () =>
		covers(hadOfB(cluster), vectorOf(cluster.machine("b").disk)),
	);
	if (claims(cluster, "a", id).length > 2)
		throw new Error("it is numbered anew already");
	cluster.crash("c");
	cluster.crash("a");
	cluster.restore("b", backup);
	const starts = [cluster.start("a"), cluster.start("b")];
	for (const started of starts) await cluster.run(started);
	(await cluster.run(cluster.read("b", user))).close();
	for (const name of ["c", "d"]) await cluster.run(cluster.start(name));
	cluster.heal();
	await cluster.verify();
};
