/** References to bodies as members tell them to each other. */
import { bodyHash } from "../ids.ts";
import type { BodyRef } from "../ports/bodies.ts";

export const encodeRefs = (bodies: readonly BodyRef[]): unknown =>
	bodies.map(({ hash, sizeBytes, drive, blob }) => [
		hash,
		sizeBytes,
		drive,
		...blob,
	]);

/** Throws TypeError for anything that encodeRefs could not have made. */
export function decodeRefs(value: unknown): BodyRef[] {
	if (!Array.isArray(value)) throw new TypeError("not a list of bodies");
	return value.map((one: unknown) => {
		if (!Array.isArray(one)) throw new TypeError("not a body");
		const [hash, sizeBytes, drive, a, b, c, d] = one as unknown[];
		const numbers = [sizeBytes, a, b, c, d];
		if (
			typeof hash !== "string" ||
			typeof drive !== "string" ||
			!numbers.every(Number.isSafeInteger)
		)
			throw new TypeError("not a body");
		return {
			hash: bodyHash(hash),
			sizeBytes: sizeBytes as number,
			drive,
			blob: [a, b, c, d] as [number, number, number, number],
		};
	});
}
