/** Decoding as octets stream by gives what decoding at once does; previews of anything end soon. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
	decodeTransfer,
	parseMessage,
	previewOf,
	previewSource,
	transferDecoder,
} from "../../../node/mime/index.ts";
import { corpus, corpusNames, message } from "./corpus.ts";

const encoded = fc.oneof(
	fc.uint8Array({ maxLength: 200 }),
	fc
		.array(
			fc.constantFrom(
				"=",
				"=3D",
				"=\r\n",
				" ",
				"\t",
				"\r\n",
				"\n",
				"YWJj",
				"a",
			),
			{ maxLength: 60 },
		)
		.map((pieces) => Uint8Array.from(Buffer.from(pieces.join("")))),
);

test.each(["quoted-printable", "base64", "8bit", undefined])(
	"%s in chunks",
	(encoding) => {
		fc.assert(
			fc.property(
				encoded,
				fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
				(bytes, sizes) => {
					const decoder = transferDecoder(encoding);
					const pieces: Uint8Array[] = [];
					for (let at = 0, i = 0; at < bytes.length; i++) {
						const size = sizes[i % sizes.length] as number;
						pieces.push(
							decoder?.push(bytes.subarray(at, at + size)) ?? new Uint8Array(),
						);
						at += size;
					}
					pieces.push(decoder?.end() ?? new Uint8Array());
					expect(Buffer.concat(pieces)).toEqual(
						decodeTransfer(bytes, encoding),
					);
				},
			),
			{ numRuns: 300 },
		);
	},
);

test("an endless line is decoded with bounded memory, and rightly", () => {
	const decoder = transferDecoder("quoted-printable");
	const line = Buffer.from("a=3D b  ".repeat(40_000));
	const out = [
		decoder?.push(line) ?? line,
		decoder?.push(line) ?? line,
		decoder?.end() ?? line,
	];
	expect(out[0]?.length).toBeGreaterThan(100_000);
	expect(Buffer.concat(out)).toEqual(
		decodeTransfer(Buffer.concat([line, line]), "quoted-printable"),
	);
});

const preview = (bytes: Buffer): string => {
	const source = previewSource(parseMessage(bytes));
	return source === undefined
		? ""
		: previewOf(
				source.part,
				bytes.subarray(source.range.start, source.range.end),
			);
};

test("previews are one line of at most 200 characters", () => {
	for (const name of corpusNames) {
		const text = preview(corpus(name));
		expect([...text].length).toBeLessThanOrEqual(200);
		expect(text).not.toMatch(/[\p{Cc}]/u);
	}
	expect(
		preview(
			message(`Content-Type: text/plain; charset=utf-8\n\n${"x".repeat(500)}`),
		),
	).toBe("x".repeat(200));
});

test("markup of any kind costs linear time", () => {
	for (const bomb of ["<", "<!--", "<script>", "</", "&#", "<style", "<a <b "])
		expect(
			preview(message(`Content-Type: text/html\n\n${bomb.repeat(20_000)}`))
				.length,
		).toBeLessThanOrEqual(200);
});
