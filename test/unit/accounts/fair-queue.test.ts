import { expect, test } from "vitest";
import { FairQueue, QueueFull } from "../../../node/accounts/fair-queue.ts";

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("a full queue makes room for a source that has less, at the cost of the one that has most", async () => {
	const queue = new FairQueue({ running: 1, waiting: 4, waitingPerSource: 10 });
	const order: string[] = [];
	let release = () => {};
	const first = queue.run(
		"a",
		() =>
			new Promise<void>((resolve) => {
				release = resolve;
			}),
	);
	const job = (source: string, name: string) =>
		queue
			.run(source, async () => {
				order.push(name);
			})
			.catch((error: Error) => {
				order.push(`${name} ${error.name}`);
			});
	const jobs = ["a1", "a2", "a3", "a4"].map((name) => job("a", name));
	jobs.push(job("b", "b1"), job("b", "b2"), job("b", "b3"));
	await settle();
	release();
	await Promise.all([first, ...jobs]);
	expect(order).toEqual([
		"a4 QueueFull",
		"a3 QueueFull",
		"b3 QueueFull",
		"a1",
		"b1",
		"a2",
		"b2",
	]);
});

test("one source may not have more than its part waiting", async () => {
	const queue = new FairQueue({ running: 1, waiting: 9, waitingPerSource: 1 });
	let release = () => {};
	const first = queue.run(
		"a",
		() =>
			new Promise<void>((resolve) => {
				release = resolve;
			}),
	);
	const second = queue.run("a", async () => "second");
	await expect(queue.run("a", async () => "third")).rejects.toThrow(QueueFull);
	release();
	await first;
	expect(await second).toBe("second");
	expect(await queue.run("a", async () => "fourth")).toBe("fourth");
});

test("work that fails gives its place to the next", async () => {
	const queue = new FairQueue({ running: 1, waiting: 9, waitingPerSource: 9 });
	const failing = queue.run("a", async () => {
		throw new Error("no");
	});
	const next = queue.run("a", async () => "yes");
	await expect(failing).rejects.toThrow("no");
	expect(await next).toBe("yes");
});

test("a place that was handed over stays taken", async () => {
	const queue = new FairQueue({ running: 1, waiting: 9, waitingPerSource: 9 });
	const releases: (() => void)[] = [];
	const hold = () =>
		queue.run(
			"a",
			() =>
				new Promise<void>((resolve) => {
					releases.push(resolve);
				}),
		);
	const jobs = [hold(), hold()];
	releases[0]?.();
	await settle();
	expect(releases).toHaveLength(2);
	jobs.push(hold());
	await settle();
	expect(releases).toHaveLength(2);
	releases[1]?.();
	await settle();
	releases[2]?.();
	await Promise.all(jobs);
});
