/**
 * Text from elsewhere for one line of a terminal or log: control, format and other invisible characters, which could
 * start lines, move the cursor or reverse the text, become `\u{…}`.
 */
export const printable = (text: string): string =>
	text.replace(
		/[\p{C}\u{2028}\u{2029}]/gu,
		(character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
	);
