/** Sample mail in the languages and shapes that mail comes in. All texts are our own. */
import { ATTACHMENTS } from "./mail/attachments.ts";
import { LANGUAGES } from "./mail/languages.ts";
import { THREAD } from "./mail/thread.ts";

/** One message, with `\n` line ends and {DATE} where its date comes. */
export interface Sample {
	readonly from: string;
	readonly to: readonly string[];
	readonly text: string;
}

export const SAMPLES: readonly Sample[] = [
	...LANGUAGES,
	...THREAD,
	...ATTACHMENTS,
];

/** The message as it travels: CRLF line ends, and a date `minutesAgo` before `now` (milliseconds since 1970). */
export function messageOf(
	sample: Sample,
	now: number,
	minutesAgo: number,
): string {
	const date = new Date(now - minutesAgo * 60_000)
		.toUTCString()
		.replace("GMT", "+0000"); // RFC 5322 §3.3
	return sample.text
		.trimStart()
		.replace("{DATE}", date)
		.replaceAll("\n", "\r\n");
}
