/** What was measured, as a table for people and as JSON. */

export interface Row {
	readonly workload: string;
	readonly unit: string;
	/** Undefined: failed, or nothing to measure there. */
	readonly pmnode: number | undefined;
	readonly peer: number | undefined;
	/** In favour of pmnode when above 1. */
	readonly ratio: number | undefined;
	readonly goal?: string;
	readonly reached?: boolean | undefined;
	/** A workload that did not do what it should; the only thing that makes a run fail. */
	readonly failure?: string;
	readonly notes?: string;
}

const number = (value: number | undefined, unit: string): string => {
	if (value === undefined || Number.isNaN(value)) return "—";
	const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
	return `${value.toFixed(digits)} ${unit}`;
};

const reached = (row: Row): string => {
	if (row.failure) return `FAILED: ${row.failure.split("\n")[0]}`;
	if (row.reached === undefined) return "";
	return row.reached ? "yes" : "no";
};

/** A Markdown table with its columns aligned. */
export function table(rows: readonly Row[]): string {
	const cells = [
		["workload", "pmnode", "Postfix→Dovecot", "ratio", "goal", "reached?"],
		...rows.map((row) => [
			row.workload,
			number(row.pmnode, row.unit),
			number(row.peer, row.unit),
			row.ratio === undefined ? "—" : `${row.ratio.toFixed(2)} ×`,
			row.goal ?? "",
			reached(row),
		]),
	];
	const widths = (cells[0] ?? []).map((_, column) =>
		Math.max(...cells.map((line) => line[column]?.length ?? 0)),
	);
	const lines = cells.map(
		(line) =>
			`| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`,
	);
	lines.splice(
		1,
		0,
		`|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`,
	);
	return lines.join("\n");
}
