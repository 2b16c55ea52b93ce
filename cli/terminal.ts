/** Whether to paint: only on a terminal, and not where NO_COLOR is set (no-color.org) or TERM is dumb. */
export const wantsColour = (
	stream: { readonly isTTY?: boolean },
	environment: Readonly<Record<string, string | undefined>>,
): boolean =>
	stream.isTTY === true && !environment.NO_COLOR && environment.TERM !== "dumb";
