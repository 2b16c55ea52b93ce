import { expect, test } from "vitest";
import { countOrNone, sizeOrNone, sizeText } from "../../../cli/size.ts";

test.each([
	["4096", 4096],
	["1K", 1024],
	["500M", 500 * 1024 ** 2],
	["1.5g", 1.5 * 1024 ** 3],
	["2GiB", 2 * 1024 ** 3],
	["1T", 1024 ** 4],
	["none", null],
	["NONE", null],
])("%s is a size", (text, bytes) => {
	expect(sizeOrNone(text)).toBe(bytes);
});

test.each(["", "0", "-1", "1X", "G", "1 G", "1e9", "9999999999T", "0.0001"])(
	"%j is no size",
	(text) => {
		expect(() => sizeOrNone(text)).toThrow("a size is a number");
	},
);

test("counts, and sizes for people", () => {
	expect(countOrNone("10")).toBe(10);
	expect(countOrNone("none")).toBe(null);
	expect(() => countOrNone("0")).toThrow("from 1 on");
	expect(sizeText(0)).toBe("0 bytes");
	expect(sizeText(1536)).toBe("1.5 kB");
	expect(sizeText(500 * 1024 ** 2)).toBe("500 MB");
	expect(sizeText(2 * 1024 ** 3)).toBe("2 GB");
});
