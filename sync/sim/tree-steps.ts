/** Steps on the tree of mailboxes. */
import type { Account } from "../api.ts";
import type { MailboxId } from "../ids.ts";
import type { StepKind } from "./plan.ts";
import type { SimRandom } from "./random.ts";
import type { Run } from "./run.ts";

const KINDS = ["create", "rename", "remove", "subscribe"] as const;
type TreeKind = (typeof KINDS)[number];
const FOLDERS = ["Work", "Work/Old", "Play", "Folder 1", "Folder 2"];

export class TreeSteps {
	readonly #run: Run;
	/** Mailbox → where it was made: at one time on two sides, it has two UIDVALIDITYs for a while (I5). */
	readonly #madeAt = new Map<MailboxId, Set<string>>();
	/** Names whose making nobody was told the end of. */
	readonly #maybe = new Set<string>();
	readonly #names = new Map<MailboxId, string>();

	constructor(run: Run) {
		this.#run = run;
	}

	knows(kind: StepKind): kind is TreeKind {
		return (KINDS as readonly string[]).includes(kind);
	}

	madeTwice(mailbox: MailboxId): boolean {
		if ((this.#madeAt.get(mailbox)?.size ?? 0) > 1) return true;
		const name = this.#names.get(mailbox);
		// One of unknown name was there from the beginning, or made by a command that nobody was told the end of.
		return name === undefined ? this.#maybe.size > 0 : this.#maybe.has(name);
	}

	step(kind: TreeKind, random: SimRandom): void {
		const { serving, cluster } = this.#run;
		if (serving.length === 0) return;
		const node = random.pick(serving);
		const user = random.chance(0.8) ? "anna" : random.pick(cluster.users);
		const folder = random.pick(FOLDERS);
		const to = random.pick(FOLDERS);
		if (kind === "create")
			this.#make(node, user, folder, "creates", (account) =>
				account.create(folder),
			);
		else if (kind === "rename")
			this.#make(node, user, to, `renames ${folder} to`, (account) =>
				account.rename(folder, to),
			);
		else if (kind === "remove") this.#remove(node, user, folder);
		else
			this.#ask(node, user, `subscribes to ${folder}`, (account) =>
				account.subscribe(folder, random.chance(0.5)),
			);
	}

	#ask(
		node: string,
		user: string,
		what: string,
		run: (account: Account) => Promise<void>,
	) {
		const { cluster } = this.#run;
		const asked = cluster.ask(node, `${what} of ${user}`, () =>
			run(cluster.account(node, user)),
		);
		this.#run.asked(asked);
		return asked;
	}

	/** Something that makes a mailbox of this name, and its parents. */
	#make(
		node: string,
		user: string,
		name: string,
		what: string,
		run: (account: Account) => Promise<void>,
	): void {
		const levels = name.split("/");
		const names = levels.map((_, i) => levels.slice(0, i + 1).join("/"));
		const made = async (account: Account): Promise<void> => {
			const before = new Set(account.mailboxes().map(({ id }) => id));
			await run(account);
			for (const { id, name: full } of account.mailboxes()) {
				if (before.has(id) || !names.includes(full)) continue;
				this.#names.set(id, `${user} ${full}`);
				this.#madeAt.set(id, (this.#madeAt.get(id) ?? new Set()).add(node));
			}
		};
		this.#run.asked(
			this.#ask(node, user, `${what} ${name}`, made).then(({ kind }) => {
				if (kind !== "done")
					for (const one of names) this.#maybe.add(`${user} ${one}`);
			}),
		);
	}

	/** A mailbox with all that its node has seen in it. */
	#remove(node: string, user: string, folder: string): void {
		const { cluster } = this.#run;
		this.#ask(node, user, `deletes ${folder}`, async (account) => {
			const id = account.find(folder)?.id;
			if (id !== undefined) cluster.removing(id);
			await account.remove(folder);
			if (id !== undefined) cluster.removing(id);
		});
	}
}
