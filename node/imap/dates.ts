/** Dates as IMAP writes them (RFC 3501 §9 date, date-time). Everything we write is in UTC. */
import { ParseFault, type Parser } from "./parser.ts";

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
const monthNames = MONTHS.toLowerCase();
export const DAY_MILLISECONDS = 86_400_000;

const two = (value: number) => (value < 10 ? `0${value}` : `${value}`);

/** `"17-Jul-1996 02:44:25 +0000"`, quotes included. */
export function formatDateTime(milliseconds: number): string {
	const date = new Date(milliseconds);
	const day = date.getUTCDate();
	const month = date.getUTCMonth() * 3;
	const year = `${date.getUTCFullYear()}`.padStart(4, "0");
	return `"${day < 10 ? " " : ""}${day}-${MONTHS.slice(month, month + 3)}-${year} ${two(
		date.getUTCHours(),
	)}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000"`;
}

/** `17-Jul-1996`, with or without quotes: the day since 1970-01-01. */
export function parseDay(parser: Parser): number {
	const quoted = parser.take('"');
	const day = dayOf(parser, parser.number("a day", 99));
	if (quoted) parser.expect('"', 'a "');
	return day;
}

/** The rest of a date, from the hyphen after the day of the month. */
function dayOf(parser: Parser, dayOfMonth: number): number {
	parser.expect("-", "a hyphen");
	let name = "";
	for (let index = 0; index < 3; index++)
		name += String.fromCharCode(parser.bytes[parser.at++] ?? 0);
	const month = monthNames.indexOf(name.toLowerCase());
	parser.expect("-", "a hyphen");
	const year = parser.number("a year", 9999);
	const milliseconds = Date.UTC(2000, month / 3, dayOfMonth);
	const date = new Date(milliseconds);
	// Date.UTC takes years below 100 for 19xx.
	date.setUTCFullYear(year, month / 3, dayOfMonth);
	if (month < 0 || month % 3 !== 0 || date.getUTCDate() !== dayOfMonth)
		throw new ParseFault("no such date");
	return date.getTime() / DAY_MILLISECONDS;
}

/** `"17-Jul-1996 02:44:25 -0700"`, the day padded with a space or zero: milliseconds since 1970. */
export function parseDateTime(parser: Parser): number {
	parser.expect('"', "a date");
	parser.take(" ");
	const day = dayOf(parser, parser.number("a day", 99));
	parser.space();
	const hour = parser.number("an hour", 23);
	parser.expect(":", "a colon");
	const minute = parser.number("a minute", 59);
	parser.expect(":", "a colon");
	// 60: a leap second.
	const second = parser.number("a second", 60);
	parser.space();
	const sign = parser.take("-") ? -1 : 1;
	if (sign === 1) parser.expect("+", "a time zone");
	const zone = parser.number("a time zone", 9999);
	parser.expect('"', 'a "');
	const zoneMinutes = sign * (Math.trunc(zone / 100) * 60 + (zone % 100));
	const minutes = hour * 60 + minute - zoneMinutes;
	return day * DAY_MILLISECONDS + minutes * 60_000 + second * 1000;
}
