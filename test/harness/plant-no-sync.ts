/** Planted bug, for `node --import`: nothing is ever synced to the disk. Tests of power cuts must notice. */
import fs from "node:fs";
import { open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

fs.fdatasyncSync = () => {};
fs.fsyncSync = () => {};
const handle = await open(import.meta.filename, "r");
const prototype = Object.getPrototypeOf(handle) as {
	sync: () => Promise<void>;
	datasync: () => Promise<void>;
};
await handle.close();
prototype.sync = async () => {};
prototype.datasync = async () => {};
syncBuiltinESMExports();
