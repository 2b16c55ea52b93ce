/** Commands of several sessions that land in one batch: each sees what those before it did. */
import { expect, it } from "vitest";
import type { Uid } from "../../sync/ids.ts";
import { clusterOf, ok } from "./world.ts";

it("a copy made together with a change has the change, and one made with an expunge copies nothing", async () => {
	const cluster = await clusterOf(["a"]);
	for (const text of ["one", "two"])
		await ok(cluster, cluster.deliver("a", "anna", text));
	const account = cluster.account("a", "anna");
	const inbox = await cluster.run(account.select("INBOX"));
	const [one, two] = inbox.uids() as [Uid, Uid];
	await cluster.run(
		Promise.all([
			inbox.store([one], { mode: "add", flags: ["\\Flagged", "$Seen"] }),
			inbox.copy([one], "Archive"),
			inbox.expunge([two]),
			inbox.copy([one, two], "Drafts"),
		]),
	);
	const flagsIn = (name: string) =>
		account.messages(name).map(({ flags }) => [...flags].sort());
	expect(flagsIn("Archive")).toEqual([["$Seen", "\\Flagged"]]);
	expect(flagsIn("Drafts")).toEqual([["$Seen", "\\Flagged"]]);
	inbox.release();
});
