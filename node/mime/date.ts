/** The Date field (RFC 5322 §3.3, obsolete forms of §4.3). */
import type { Parsed } from "./types.ts";

/** When a message says it was sent. */
export interface SentDate {
	/** Milliseconds since 1970, UTC: what SORT and THREAD order by (RFC 5256 §2.2). */
	readonly milliseconds: number;
	/**
	 * The calendar date as the header has it, disregarding time and zone, in days since 1970-01-01: what SENTON,
	 * SENTBEFORE and SENTSINCE compare (RFC 9051 §6.4.4). Day d is `new Date(d * 86_400_000)` in UTC.
	 */
	readonly day: number;
}

const DAY_MILLISECONDS = 86_400_000;
const months = "janfebmaraprmayjunjulaugsepoctnovdec";

/** Hours from UTC of the zones with names (RFC 5322 §4.3); all others count as UTC. */
const zones: Readonly<Record<string, number>> = {
	EDT: -4,
	EST: -5,
	CDT: -5,
	CST: -6,
	MDT: -6,
	MST: -7,
	PDT: -7,
	PST: -8,
};

const pattern =
	/^(?:[a-z]{1,20}[,.]? {1,9}|, ?)?(\d{1,2})[ -]([a-z]{3})[a-z]{0,9}[ -](\d{2,4})(?: (\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:\.\d{1,9})?)?(?: ?([-+]\d{4}|[a-z]{1,5}))?)?/i;

const yearOf = (digits: string): number => {
	const year = Number(digits);
	// RFC 5322 §4.3 obs-year.
	if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year;
	return digits.length === 3 ? 1900 + year : year;
};

function zoneMinutes(zone: string | undefined): number {
	if (zone === undefined) return 0;
	const sign = zone[0];
	if (sign !== "+" && sign !== "-")
		return (zones[zone.toUpperCase()] ?? 0) * 60;
	const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3, 5));
	return sign === "-" ? -minutes : minutes;
}

/** A date as in a Date field; undefined when there is no sound calendar date in it. A missing or wrong time is 00:00 UTC. */
export function parseDate(text: string): SentDate | undefined {
	const plain = text
		.slice(0, 200)
		.replace(/\([^()]{0,100}\)/g, " ")
		.replace(/\s{1,200}/g, " ")
		.replace(/ ?: ?/g, ":")
		.replace(/^ /, "");
	const found = pattern.exec(plain);
	if (found === null) return undefined;
	const [, date = "", monthName = "", year = "", hour, minute, second, zone] =
		found;
	const month = months.indexOf(monthName.toLowerCase());
	if (month === -1 || month % 3 !== 0) return undefined;
	const midnight = Date.UTC(yearOf(year), month / 3, Number(date));
	// 31 February rolls over to March: no such date.
	if (new Date(midnight).getUTCDate() !== Number(date)) return undefined;
	const day = midnight / DAY_MILLISECONDS;
	const [h, m, s] = [
		Number(hour ?? 0),
		Number(minute ?? 0),
		Number(second ?? 0),
	];
	if (h > 23 || m > 59 || s > 60) return { milliseconds: midnight, day };
	const minutes = h * 60 + m - zoneMinutes(zone);
	return { milliseconds: midnight + minutes * 60_000 + s * 1000, day };
}

/** When the message says it was sent; undefined: no Date field, or none that can be read (then use INTERNALDATE). */
export const dateOf = (
	parsed: Pick<Parsed, "envelope">,
): SentDate | undefined =>
	parsed.envelope.date === undefined
		? undefined
		: parseDate(parsed.envelope.date);
