/**
 * A node over its lives: where its replica says that this life is over (rule 9 of the design: an old copy was put back),
 * all of it is stopped and started again as a new life, on the same ports. Where it must end for good, that is told once.
 */
import type { Cancel } from "../sync/ports/clock.ts";
import { StoreDamaged } from "../sync/ports/store.ts";
import type { RunningNode } from "./running.ts";
import type { StatusJson } from "./status.ts";

/** Why a new life begins, and how old the copy may be that it begins with. */
export interface NewLife {
	readonly reason: string;
	readonly ageMilliseconds: number;
	/** What the life before wrote cannot be merged: the new one begins with nothing. */
	readonly apart?: true;
}

/** One life, started. */
export interface OneLife extends RunningNode {
	/** Resolves, if ever, with why it must not go on: a new life, or an end. */
	over(): Promise<Next | { readonly fault: Error }>;
}

/** What follows a life that must not go on: a new one with what the folder holds, or with nothing, as that is damaged. */
export type Next =
	| { readonly revival: NewLife }
	| { readonly damage: StoreDamaged };

/** Starts one life. Rejects with LifeEnded, or StoreDamaged, while it was not ready yet. */
export type StartLife = (
	next: Next | undefined,
	before: StatusJson | undefined,
) => Promise<OneLife>;

/** What a life that ended before it was ready rejects with. */
export class LifeEnded extends Error {
	override name = "LifeEnded";
	readonly revival: NewLife;
	constructor(revival: NewLife) {
		super(revival.reason);
		this.revival = revival;
	}
}

/** A disk that damages everything again and again is not to be lived with. */
const DAMAGES_MAX = 2;

export class LivingNode implements RunningNode {
	readonly #starts: Starts;
	#life: OneLife;
	#stopped: Promise<void> | undefined;
	readonly #listeners = new Set<() => void>();
	readonly #ended = Promise.withResolvers<Error>();

	static async start(start: StartLife): Promise<LivingNode> {
		const starts = new Starts(start);
		return new LivingNode(starts, await starts.ready(undefined, undefined));
	}

	private constructor(starts: Starts, life: OneLife) {
		this.#starts = starts;
		this.#life = life;
		this.#watch(life);
	}

	get replica() {
		return this.#life.replica;
	}

	status(): StatusJson {
		return this.#life.status();
	}

	onStatus(run: () => void): Cancel {
		this.#listeners.add(run);
		return () => this.#listeners.delete(run);
	}

	backUp(...how: Parameters<RunningNode["backUp"]>) {
		return this.#life.backUp(...how);
	}

	restore(...how: Parameters<RunningNode["restore"]>) {
		return this.#life.restore(...how);
	}

	ended(): Promise<Error> {
		return this.#ended.promise;
	}

	stop(): Promise<void> {
		this.#stopped ??= this.#life.stop();
		return this.#stopped;
	}

	#watch(life: OneLife): void {
		life.onStatus(() => {
			for (const run of [...this.#listeners]) run();
		});
		life
			.over()
			.then((over) => this.#over(life, over))
			.catch((error) => this.#ended.resolve(error as Error));
	}

	async #over(
		life: OneLife,
		over: Awaited<ReturnType<OneLife["over"]>>,
	): Promise<void> {
		if (this.#stopped !== undefined) return;
		const before = life.status();
		await life.stop();
		if ("fault" in over) {
			this.#ended.resolve(over.fault);
			return;
		}
		this.#life = await this.#starts.ready(over, before);
		if (this.#stopped !== undefined) await this.#life.stop();
		else this.#watch(this.#life);
	}
}

class Starts {
	readonly #start: StartLife;
	#damages = 0;

	constructor(start: StartLife) {
		this.#start = start;
	}

	/** A life may be told that it is an old copy, or find its store damaged, before it is ready: the next one begins at once. */
	async ready(
		first: Next | undefined,
		before: StatusJson | undefined,
	): Promise<OneLife> {
		for (let next = first; ; ) {
			if (next !== undefined && "damage" in next)
				if (++this.#damages > DAMAGES_MAX) throw next.damage;
			try {
				return await this.#start(next, before);
			} catch (error) {
				if (error instanceof LifeEnded) next = { revival: error.revival };
				else if (error instanceof StoreDamaged) next = { damage: error };
				else throw error;
			}
		}
	}
}
