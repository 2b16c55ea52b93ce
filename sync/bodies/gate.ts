/** Holds back what this node sends to the other members, while its drive has blocks that are not durable. */
import { Duplex } from "node:stream";

export class Gate {
	#held = false;
	#waiting: (() => void)[] = [];

	hold(): void {
		this.#held = true;
	}

	release(): void {
		this.#held = false;
		const waiting = this.#waiting;
		this.#waiting = [];
		for (const run of waiting) run();
	}

	/** Runs `run` now, or when the gate opens. At most one waits for each stream. */
	pass(run: () => void): void {
		if (this.#held) this.#waiting.push(run);
		else run();
	}
}

/** The same byte stream; writing waits while the gate is held. Each side ends and fails with the other. */
export function gated(inner: Duplex, gate: Gate): Duplex {
	const outer = new Duplex({
		read: () => void inner.resume(),
		write(chunk, _encoding, done) {
			gate.pass(() => {
				if (outer.destroyed) done();
				else if (inner.write(chunk)) done();
				else inner.once("drain", () => done());
			});
		},
		final: (done) => void inner.end(() => done()),
		destroy(error, done) {
			inner.destroy();
			done(error);
		},
	});
	inner.on("data", (chunk: Uint8Array) => {
		if (!outer.push(chunk)) inner.pause();
	});
	inner.on("end", () => outer.push(null));
	inner.on("error", (error) => outer.destroy(error));
	inner.on("close", () => outer.destroy());
	return outer;
}
