import { InvalidArgumentError } from "commander";

const UNITS: Readonly<Record<string, number>> = {
	"": 1,
	K: 1024,
	M: 1024 ** 2,
	G: 1024 ** 3,
	T: 1024 ** 4,
};

/** `500M`, `2G`, `1.5G`, `4096` in bytes; `none` is null: no limit. Throws InvalidArgumentError. */
export function sizeOrNone(text: string): number | null {
	if (text.toLowerCase() === "none") return null;
	const match = /^(\d{1,15}(?:\.\d{1,3})?)([KMGT]?)i?B?$/i.exec(text);
	const unit = UNITS[(match?.[2] ?? "?").toUpperCase()];
	const bytes = Math.floor(Number(match?.[1]) * (unit ?? 0));
	if (unit === undefined || !Number.isSafeInteger(bytes) || bytes < 1)
		throw new InvalidArgumentError(
			"a size is a number with a unit, such as 500M or 2G, or none",
		);
	return bytes;
}

/** `none` is null. Throws InvalidArgumentError. */
export function countOrNone(text: string): number | null {
	if (text.toLowerCase() === "none") return null;
	if (!/^[1-9]\d{0,8}$/.test(text))
		throw new InvalidArgumentError("it is a number from 1 on, or none");
	return Number(text);
}

/** 1536 is `1.5 kB`: for people, in the units of sizeOrNone. */
export function sizeText(bytes: number): string {
	const names = ["bytes", "kB", "MB", "GB", "TB"];
	let power = 0;
	let value = bytes;
	while (value >= 1024 && power < names.length - 1) {
		value /= 1024;
		power++;
	}
	const digits = power === 0 || value >= 100 ? 0 : 1;
	return `${value.toFixed(digits).replace(/\.0$/, "")} ${names[power]}`;
}
