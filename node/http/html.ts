/** HTML as tagged templates that escape: what is put in is text, unless it is Html itself. */

export class Html {
	readonly markup: string;
	constructor(markup: string) {
		this.markup = markup;
	}
}
type Part = string | number | Html | readonly Html[];

/** `html\`<b>${name}</b>\``: markup as written, with every value escaped, also for quoted attributes. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
	const markup = strings.map((string, index) => {
		const part = parts[index];
		return string + (part === undefined ? "" : escaped(part));
	});
	return new Html(markup.join(""));
}

function escaped(part: Part): string {
	if (part instanceof Html) return part.markup;
	if (typeof part === "string" || typeof part === "number")
		return String(part).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
	return part.map((one) => one.markup).join("");
}
