/** That faults really happen: a fault that does nothing proves nothing about those who bear it. */
import { describe, expect, it } from "vitest";
import { simNodeId } from "../../sync/sim/machine.ts";
import { CONFIGS, type Step, type StepKind } from "../../sync/sim/plan.ts";
import { run } from "../../sync/sim/run.ts";
import { clusterOf, deliverMany, textsAt } from "./world.ts";

/** What the story says of each kind of step that is a fault or done by an operator. */
const TOLD: Partial<Record<StepKind, RegExp>> = {
	split: / split \{/,
	oneWay: / cut . → /,
	triangle: / cut . ↔ /,
	heal: / heal$/,
	crash: / (crashes|will crash .* its next commit)$/,
	stop: / stops$/,
	start: / starts$/,
	pause: / is paused$/,
	slow: / ↔ . take /,
	full: / is full$/,
	slowDisk: / the disk of . takes /,
	clock: / the clock of . jumps by /,
	reset: / connections .* break$/,
	join: / [de] joins$/,
	backup: / is copied$/,
	restore: / is put back$/,
	lose: / is lost, with its disk$/,
};

describe("faults", () => {
	it("of each kind happen in a run, and all is well after it", async () => {
		const kinds = Object.keys(TOLD) as StepKind[];
		const steps = [1, 2].flatMap((seed) =>
			kinds.flatMap((kind): Step[] => [
				{ kind: "deliver", seed },
				{ kind, seed },
			]),
		);
		const lines: string[] = [];
		const { failure, operations } = await run({
			seed: 1,
			config: CONFIGS.loss,
			steps,
			echo: (line) => lines.push(line),
		});
		expect(failure).toBeUndefined();
		expect(operations).toBeGreaterThan(steps.length / 2);
		const begun = lines.findIndex((line) => line.includes(" takes "));
		const never = kinds.filter(
			(kind) =>
				!lines.slice(begun).some((line) => (TOLD[kind] as RegExp).test(line)),
		);
		expect(never).toEqual([]);
	}, 60_000);

	it("a slow disk holds up what is written to it, and only while it is slow", async () => {
		const cluster = await clusterOf(["a"]);
		const took = async (): Promise<number> => {
			const start = cluster.clock.monotonic();
			await deliverMany(cluster, ["a"], 1, `at ${start}`);
			return cluster.clock.monotonic() - start;
		};
		const fast = await took();
		cluster.setSlow("a", 100);
		expect(await took()).toBeGreaterThanOrEqual(100);
		cluster.setSlow("a", 0);
		await cluster.settle();
		expect(fast).toBeLessThan(50);
		expect(await took()).toBeLessThan(50);
	});

	it("packets overtake one another, and are lost on a line that is cut", async () => {
		const cluster = await clusterOf(["a", "b"], { delayMilliseconds: [1, 50] });
		const [a, b] = [simNodeId("a"), simNodeId("b")];
		const sent = Array.from({ length: 20 }, (_, i) => i);
		const arrived: number[] = [];
		const send = async (): Promise<void> => {
			arrived.length = 0;
			for (const i of sent) cluster.network.packet(a, b, () => arrived.push(i));
			await cluster.pass(100);
		};
		await send();
		expect([...arrived].sort((x, y) => x - y)).toEqual(sent);
		expect(arrived).not.toEqual(sent);
		cluster.cutOneWay("a", "b");
		await send();
		expect(arrived).toEqual([]);
	});

	it("gossip is lost and comes twice, and everything arrives nevertheless", async () => {
		const cluster = await clusterOf(["a", "b", "c"], {
			gossipLoss: 0.3,
			gossipDuplicates: 0.5,
		});
		const { network } = cluster;
		const count = { passed: 0, arrived: 0, twice: 0 };
		const gossip = network.gossip.bind(network);
		network.gossip = (from, to, arrive) => {
			count.passed++;
			gossip(from, to, () => {
				count.arrived++;
				arrive();
			});
		};
		const hearsAgain = network.hearsAgain.bind(network);
		network.hearsAgain = () => {
			const again = hearsAgain();
			if (again) count.twice++;
			return again;
		};
		// Two of them see each other through the third only, and know it.
		cluster.cut("a", "b");
		await cluster.pass(8_000);
		await deliverMany(cluster, ["a", "b", "c"], 30);
		await cluster.pass(1_000);
		cluster.heal();
		await cluster.verify();
		expect(count.arrived).toBeLessThan(count.passed);
		expect(count.arrived).toBeGreaterThan(0);
		expect(count.twice).toBeGreaterThan(0);
		expect(await textsAt(cluster, "b")).toHaveLength(30);
	}, 60_000);

	it("clocks are wrong, drift apart, and jump", async () => {
		const cluster = await clusterOf(["a"], {
			skew: () => ({ skewMilliseconds: -5_000, driftPerMillion: 200 }),
		});
		const { clock } = cluster.machine("a");
		const error = (): number => clock.now() - cluster.clock.now();
		const before = error();
		expect(before).toBeLessThan(-4_900);
		await cluster.pass(100_000);
		expect(error() - before).toBeCloseTo(20, 3);
		cluster.jump("a", 60_000);
		expect(error() - before).toBeCloseTo(60_020, 3);
	});

	it("a node that is stopped in order leaves nothing behind that waits for it", async () => {
		const cluster = await clusterOf(["a", "b"]);
		const asked = cluster.deliver("a", "anna", "the last");
		await cluster.run(cluster.stop("a"));
		expect((await cluster.run(asked)).kind).not.toBe("refused");
		expect(cluster.machine("a").process).toBeUndefined();
		await deliverMany(cluster, ["b"], 1, "meanwhile");
		await cluster.run(cluster.start("a"));
		await cluster.verify();
	});
});
