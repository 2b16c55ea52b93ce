/** Puts a whole node back into an empty data folder: chooses the real parts for node/backup/restore-node.ts. */

import {
	type RestoreNodeResult,
	restoreNode,
} from "../node/backup/restore-node.ts";
import { takeDataFolder } from "../node/folder.ts";
import { createLog } from "../node/log.ts";
import type { OperationEvent } from "../sync/api.ts";
import { openBodies } from "../sync/bodies/bodies.ts";
import { realClock } from "../sync/real/clock.ts";
import { openStore } from "../sync/real/store.ts";

export async function restoreWholeNode(
	folder: string,
	dataDirectory: string,
	tell: (event: OperationEvent) => void,
	signal: AbortSignal,
): Promise<RestoreNodeResult> {
	const held = takeDataFolder(dataDirectory);
	const log = createLog({
		level: "error",
		format: "text",
		stream: process.stderr,
		clock: realClock,
		colour: false,
	});
	try {
		return await restoreNode({
			folder,
			dataDirectory,
			clock: realClock,
			openStore,
			// Nobody is there to exchange bodies with.
			openBodies: (directory, drive) =>
				openBodies({
					directory,
					drive: { name: drive, lengthBlocksAtLeast: 0 },
					streams: { onBodyStream: () => () => {} },
					clock: realClock,
					log,
				}),
			tell,
			signal,
		});
	} finally {
		held.release();
	}
}
