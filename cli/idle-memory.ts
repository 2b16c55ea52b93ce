/**
 * After a load V8 keeps its garbage, and the buffers that hang on it, for as long as nothing more is asked of it: as much
 * again as a node needs. So it is collected once the node has nothing to do.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "../sync/ports/clock.ts";

const LOOK_MILLISECONDS = 5_000;
/** Of one core: heartbeats take less, and nobody notices the tenth of a second that it takes. */
const IDLE_SHARE = 0.05;
/** Grown by this since it was collected last; below that it is not worth it. */
const WORTH_BYTES = 16 * 1024 * 1024;

export interface ProcessMeter {
	/** Processor time so far. */
	cpuMilliseconds(): number;
	residentBytes(): number;
	collect(): void;
}

/** This process. */
export function processMeter(): ProcessMeter {
	// The only way to a collector in a process that was started without the flag.
	setFlagsFromString("--expose-gc");
	const collect = runInNewContext("gc") as () => void;
	return {
		cpuMilliseconds: () => {
			const { user, system } = process.cpuUsage();
			return (user + system) / 1000;
		},
		residentBytes: () => process.memoryUsage.rss(),
		collect,
	};
}

/** Looks now and then, for as long as the process lives. */
export function giveBackMemory(clock: Clock, meter: ProcessMeter): void {
	let keptBytes = 0;
	let busyMilliseconds = meter.cpuMilliseconds();
	let looked = clock.monotonic();
	const look = (): void => {
		const now = clock.monotonic();
		const used = meter.cpuMilliseconds() - busyMilliseconds;
		const isIdle = used < IDLE_SHARE * (now - looked);
		if (isIdle && meter.residentBytes() > keptBytes + WORTH_BYTES) {
			meter.collect();
			keptBytes = meter.residentBytes();
		}
		busyMilliseconds = meter.cpuMilliseconds();
		looked = now;
		clock.after(LOOK_MILLISECONDS, look);
	};
	clock.after(LOOK_MILLISECONDS, look);
}
