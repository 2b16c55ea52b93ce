/** Mailbox patterns of LIST and LSUB (RFC 3501 §6.3.8): "*" matches anything, "%" anything but the separator. */
import { SEPARATOR } from "./names.ts";

/** Whether a name matches a pattern; INBOX matches in any case. Time is at most the product of the lengths. */
export function matches(name: string, pattern: string): boolean {
	if (name !== "INBOX" && !name.startsWith(`INBOX${SEPARATOR}`))
		return run(name, pattern);
	return run(name, pattern) || run(name, inboxInUpperCase(pattern));
}

/** Letters of the first level in upper case, where they can only mean INBOX. */
function inboxInUpperCase(pattern: string): string {
	const end = pattern.indexOf(SEPARATOR);
	const first = end < 0 ? pattern : pattern.slice(0, end);
	return first.toUpperCase() + pattern.slice(first.length);
}

function run(name: string, pattern: string): boolean {
	// reached[i]: the pattern so far can match the first i characters.
	let reached = new Uint8Array(name.length + 1);
	reached[0] = 1;
	if (pattern === "*") return true;
	for (const wildcard of pattern) {
		if (!reached.includes(1)) return false;
		const next = new Uint8Array(name.length + 1);
		if (wildcard === "*" || wildcard === "%")
			spread(name, wildcard, reached, next);
		else step(name, wildcard, reached, next);
		reached = next;
	}
	return reached[name.length] === 1;
}

function spread(
	name: string,
	wildcard: string,
	reached: Uint8Array,
	next: Uint8Array,
): void {
	let open = false;
	for (let index = 0; index <= name.length; index++) {
		if (wildcard === "%" && index > 0 && name[index - 1] === SEPARATOR)
			open = false;
		if (reached[index] === 1) open = true;
		if (open) next[index] = 1;
	}
}

function step(
	name: string,
	character: string,
	reached: Uint8Array,
	next: Uint8Array,
): void {
	for (let index = 0; index + character.length <= name.length; index++)
		if (reached[index] === 1 && name.startsWith(character, index))
			next[index + character.length] = 1;
}
