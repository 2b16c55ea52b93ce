/** After a round, when all is healed: what every member shows is what clients were told, and nothing is wrong anywhere. */
import { password } from "../../harness/cluster.ts";
import type { ImapClient } from "../../harness/imap-client.ts";
import type { TestNode } from "../../harness/node.ts";
import { until } from "../../harness/until.ts";
import { user } from "../mail.ts";
import type { Observer } from "../observer.ts";
import {
	BOXES,
	type Box,
	type Ledger,
	type Shown,
	type View,
} from "./ledger.ts";
import { type Fault, MACHINES } from "./plan.ts";
import type { World } from "./world.ts";

const CONVERGED_SECONDS_MAX = 180;

/** Errors that a fault explains: somebody has to act, and the test did. */
const EXPLAINED: Partial<Record<Fault, RegExp>> = {
	"full disk": /no space|ENOSPC|full/i,
	"damaged file": /damage|corrupt|store is gone|not what its hash says/i,
};

export class Audit {
	readonly #world: World;
	readonly #ledger: Ledger;
	readonly #observer: Observer;
	readonly #seen = new Set<string>();
	#uidValidities: string | undefined;

	constructor(world: World, ledger: Ledger, observer: Observer) {
		this.#world = world;
		this.#ledger = ledger;
		this.#observer = observer;
	}

	/** All that is wrong; empty when nothing is. */
	async run(faults: readonly Fault[]): Promise<string[]> {
		const { cluster, nodes } = this.#world;
		const dead = nodes.filter(({ running }) => !running);
		if (dead.length > 0)
			return dead.map(
				({ name, exit }) => `${name} ended by itself: ${JSON.stringify(exit)}`,
			);
		await cluster.seen(MACHINES);
		await Promise.all(
			nodes.map((node) => node.converged(CONVERGED_SECONDS_MAX)),
		);
		const problems = await this.#views();
		for (const check of await Promise.all(nodes.map(checked)))
			problems.push(...check);
		for (const node of nodes) problems.push(...this.#errors(node, faults));
		problems.push(...this.#observer.contradictions, ...this.#ledger.faults);
		return problems;
	}

	/** Each member shows the same, and it is what clients were told. */
	async #views(): Promise<string[]> {
		const { nodes } = this.#world;
		let views: View[] = [];
		let unlike: string[] = [];
		try {
			await until(
				"all members to show the same",
				async () => {
					views = await Promise.all(nodes.map(look));
					unlike = unlikeFirst(nodes, views);
					return unlike.length === 0;
				},
				{ timeoutMilliseconds: 60_000, everyMilliseconds: 500 },
			);
		} catch (error) {
			return [String(error), ...unlike];
		}
		const problems = views.flatMap((view, index) => {
			const node = nodes[index] as TestNode;
			this.#observer.saw(node.name, view.INBOX.messages);
			return this.#ledger.problems(view).map((each) => `${node.name}: ${each}`);
		});
		const first = views[0] as View;
		const now = BOXES.map((box) => first[box].uidValidity).join();
		this.#uidValidities ??= now;
		if (now !== this.#uidValidities)
			problems.push(`UIDVALIDITY was ${this.#uidValidities} and is ${now}`);
		return problems;
	}

	/** Errors in the diary of a member that none of these faults explains. */
	#errors(node: TestNode, faults: readonly Fault[]): string[] {
		const explained = faults.flatMap((fault) => EXPLAINED[fault] ?? []);
		return node.diary
			.split("\n")
			.filter((line) => /^\S+ error |^pmnode: |Warning: /.test(line))
			.filter((line) => {
				const key = `${node.name} ${line}`;
				const isNew = !this.#seen.has(key);
				this.#seen.add(key);
				return isNew && !explained.some((pattern) => pattern.test(line));
			})
			.map((line) => `${node.name} said: ${line}`);
	}
}

async function checked(node: TestNode): Promise<string[]> {
	const { code, stdout, stderr } = await node.cli(["check"], {
		timeoutMilliseconds: 180_000,
	});
	return code === 0 && stdout === ""
		? []
		: [`pmnode check on ${node.name} ended with ${code}: ${stdout}${stderr}`];
}

async function look(node: TestNode): Promise<View> {
	const client = await node.imap(user, password);
	try {
		const boxes: Partial<Record<Box, View[Box]>> = {};
		for (const box of BOXES) boxes[box] = await shown(client, box);
		return boxes as View;
	} finally {
		await client.logout();
	}
}

async function shown(client: ImapClient, box: Box): Promise<View[Box]> {
	const { uidValidity, exists } = await client.select(box, "EXAMINE");
	const listed = exists > 0 ? await client.list() : [];
	const messages: Shown[] = [];
	const bodies = new Map<number, Buffer>();
	if (exists > 0)
		for (const { text, literals } of (
			await client.ok("UID FETCH 1:* (UID BODY.PEEK[])", {
				timeoutMilliseconds: 120_000,
			})
		).untagged)
			if (literals[0])
				bodies.set(Number(/UID (\d+)/.exec(text)?.[1]), literals[0]);
	for (const each of listed)
		messages.push({ ...each, body: bodies.get(each.uid) ?? Buffer.alloc(0) });
	return { uidValidity, messages };
}

/** In which way members show something else than the first one. */
function unlikeFirst(
	nodes: readonly TestNode[],
	views: readonly View[],
): string[] {
	const found: string[] = [];
	for (const box of BOXES) {
		const lists = views.map((view) => [
			`UIDVALIDITY ${view[box].uidValidity}`,
			...view[box].messages.map(
				({ uid, messageId, flags, body }) =>
					`${uid} ${messageId} (${flags.join(" ")}) ${body.length} bytes`,
			),
		]);
		const first = new Set(lists[0]);
		for (const [index, list] of lists.entries()) {
			const here = new Set(list);
			const name = `${box} on ${nodes[index]?.name}`;
			for (const each of list)
				if (!first.has(each)) found.push(`${name} only: ${each}`);
			for (const each of first)
				if (!here.has(each)) found.push(`${name} lacks: ${each}`);
		}
	}
	return found;
}
