/** What goes wrong below the body store, in words for people. */
import { StoreDamaged, StoreFailed, StoreFull } from "../ports/store.ts";

/**
 * The drive of this incarnation is shorter than what was once durable in it: its tail was lost (power cut, damage,
 * restored backup). Appending again would fork it on every member, so the caller begins a new incarnation, with a drive
 * of another name; what is left of the old one stays readable, and members give back the rest.
 */
export class DriveShort extends Error {
	override name = "DriveShort";
	readonly lengthBlocks: number;
	readonly lengthBlocksAtLeast: number;
	constructor(lengthBlocks: number, lengthBlocksAtLeast: number) {
		super(
			`the drive has ${lengthBlocks} blocks, ${lengthBlocksAtLeast} were durable once`,
		);
		this.lengthBlocks = lengthBlocks;
		this.lengthBlocksAtLeast = lengthBlocksAtLeast;
	}
}

/**
 * Files in which values of bodies lie are shorter than they were, or gone. The own drive may have lost bodies without being
 * shorter: it is left for members to give them back, and another is begun.
 */
export class DriveCut extends Error {
	override name = "DriveCut";
	constructor(files: readonly string[]) {
		super(`files of bodies were cut: ${files.join("; ")}`);
	}
}

const messageOf = (error: unknown): string =>
	(error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ??
	"";

/** RocksDB and the file system say it in different ways. */
const isFull = (error: unknown): boolean => {
	const code = (error as { code?: unknown } | undefined)?.code;
	return (
		code === "ENOSPC" ||
		code === "EDQUOT" ||
		/no space left|disk quota exceeded/i.test(messageOf(error))
	);
};

/** StoreFull or StoreFailed naming the folder, with the cause kept. */
export function storeFault(
	error: unknown,
	directory: string,
): StoreFull | StoreFailed {
	if (error instanceof StoreFull || error instanceof StoreFailed) return error;
	if (isFull(error))
		return new StoreFull(
			`no room on the disk of ${directory}: make room there`,
			{
				cause: error,
			},
		);
	return new StoreFailed(
		`the body store in ${directory} fails (${messageOf(error)}): check the disk, then restart`,
		{ cause: error },
	);
}

/** The same for a store that does not open. */
export function openFault(
	error: unknown,
	directory: string,
): StoreFull | StoreFailed {
	if (error instanceof StoreFailed || isFull(error))
		return storeFault(error, directory);
	const message = messageOf(error);
	if (/lock hold|While lock file|could not be locked/i.test(message))
		return new StoreFailed(
			`the body store in ${directory} is in use by another process: stop that one first`,
			{ cause: error },
		);
	return new StoreDamaged(
		`the body store in ${directory} cannot be opened (${message}): move the folder away, and the bodies come back from the other members`,
		{ cause: error },
	);
}
