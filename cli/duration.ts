import { InvalidArgumentError } from "commander";

const UNITS: Readonly<Record<string, number>> = {
	ms: 1,
	s: 1000,
	m: 60_000,
	h: 3_600_000,
	d: 86_400_000,
};

/** `500ms`, `60s`, `5m`, `1.5h`, `7d` in milliseconds. Throws InvalidArgumentError. */
export function duration(text: string): number {
	const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text);
	const unit = UNITS[match?.[2] ?? ""];
	if (match === null || unit === undefined)
		throw new InvalidArgumentError(
			"a duration is a number with a unit, such as 500ms, 60s, 5m or 1h",
		);
	return Number(match[1]) * unit;
}

/** The same the other way, in its largest whole unit: 90000 is `90 s`, 7200000 is `2 h`. */
export function durationText(milliseconds: number): string {
	const units = Object.entries(UNITS).reverse();
	const [name, unit] = units.find(
		([, size]) => milliseconds >= size && milliseconds % size === 0,
	) ?? ["ms", 1];
	return `${milliseconds / unit} ${name}`;
}
