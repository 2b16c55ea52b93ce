/**
 * What lets a node come back when its store is damaged: a small file that says which cluster this is and where its
 * members are, and the putting aside of what is damaged. Nothing is ever deleted here.
 */
import { createHash } from "node:crypto";
import {
	closeSync,
	existsSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readFileSync,
	renameSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import type { PeerAddress } from "../sync/ports/network.ts";

export interface KnownCluster {
	/** This node. */
	readonly node: string;
	readonly cluster: string;
	/** The other members. */
	readonly members: readonly PeerAddress[];
}

const FILE = "members.json";
const digest = (text: string): string =>
	createHash("sha256").update(text).digest("hex");

/** What was kept last; undefined when there is nothing, or it is damaged too. */
export function readKnownCluster(
	dataDirectory: string,
): KnownCluster | undefined {
	const file = join(dataDirectory, FILE);
	if (!existsSync(file)) return undefined;
	const [text = "", sum] = readFileSync(file, "utf8").split("\n");
	return digest(text) === sum ? (JSON.parse(text) as KnownCluster) : undefined;
}

/** Whole and durable under its name, or as before. */
export function keepKnownCluster(
	dataDirectory: string,
	known: KnownCluster,
): void {
	const text = JSON.stringify(known);
	const file = join(dataDirectory, FILE);
	const handle = openSync(`${file}.new`, "w", 0o600);
	try {
		writeSync(handle, `${text}\n${digest(text)}\n`);
		fsyncSync(handle);
	} finally {
		closeSync(handle);
	}
	renameSync(`${file}.new`, file);
	const folder = openSync(dataDirectory, "r");
	try {
		fsyncSync(folder);
	} finally {
		closeSync(folder);
	}
}

/** Moves these files or folders of the data folder into one of its own; returns that one's path. */
export function putAside(
	dataDirectory: string,
	why: "damaged" | "forked",
	names: readonly string[],
): string {
	let number = 1;
	while (existsSync(join(dataDirectory, `${why}-${number}`))) number++;
	const aside = join(dataDirectory, `${why}-${number}`);
	mkdirSync(aside, { mode: 0o700 });
	for (const name of names) {
		const from = join(dataDirectory, name);
		if (existsSync(from)) renameSync(from, join(aside, name));
	}
	return aside;
}
