/** The two journals beside a database, as the last process left them. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { StoreDamaged } from "../../ports/store.ts";
import type { Base } from "./base.ts";
import { carryOver } from "./carry.ts";
import { Journal, type JournalContent, readJournal } from "./journal.ts";
import { Overlay } from "./overlay.ts";

/** A journal in use, and what of it the database does not have yet. */
export interface Turn {
	readonly journal: Journal;
	overlay: Overlay;
}

export interface Turns {
	/** Commits go here. */
	readonly active: Turn;
	/** What is in it comes before all in the other one, and is to be carried over. */
	readonly resting: Turn;
	/** Of the last commit. */
	readonly number: number;
	readonly salt: number;
}

export const journalFiles = (file: string): readonly [string, string] => [
	`${file}-journal1`,
	`${file}-journal2`,
];

interface Left extends JournalContent {
	readonly file: string;
}

/** Reads what is not carried over yet. Throws StoreDamaged where a commit is missing. */
export function openTurns(base: Base): Turns {
	const salt = base.salt() ?? withSalt(base);
	const carried = base.carried();
	const left = leftBeside(base, salt);
	const number =
		carried + left.reduce((sum, { commits }) => sum + commits.length, 0);
	const [resting, active] = left.map(turnOf) as [Turn, Turn];
	return { active, resting, number, salt };
}

/** What both hold, in order. */
function leftBeside(base: Base, salt: number): Left[] {
	let number = base.carried();
	const left = journalFiles(base.file).map(
		(file): Left => ({ ...readable(file, number, salt), file }),
	);
	// They take turns: all commits of one come before those of the other, and an empty one rests; of two the second does.
	left.reverse().sort((a, b) => firstNumber(a) - firstNumber(b));
	for (const { commits } of left)
		for (const commit of commits)
			if (commit.number !== ++number)
				throw new StoreDamaged(
					`commit ${number} is missing in the journals of ${base.file}`,
				);
	return left;
}

/** A database of an earlier version, or a new one, gets its secret: what its journals hold without one is carried over first. */
function withSalt(base: Base): number {
	carryOver(
		base,
		leftBeside(base, 0).flatMap(({ commits }) => commits),
	);
	const salt = randomBytes(4).readUInt32LE();
	base.setSalt(salt);
	return salt;
}

const firstNumber = ({ commits }: Left): number => commits[0]?.number ?? 0;

/** What cannot be read from the disk is as good as damaged. */
function readable(
	journal: string,
	carried: number,
	salt: number,
): JournalContent {
	if (!existsSync(journal)) return { commits: [], lengthBytes: 0 };
	try {
		return readJournal(journal, carried, salt);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EIO") throw error;
		throw new StoreDamaged(`${journal} cannot be read: disk error (EIO)`);
	}
}

function turnOf({ file, commits, lengthBytes }: Left): Turn {
	const overlay = new Overlay();
	for (const { writes } of commits) overlay.take(writes);
	return { journal: new Journal(file, lengthBytes), overlay };
}
