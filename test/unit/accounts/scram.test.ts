import { describe, expect, test } from "vitest";
import { channelBinding } from "../../../node/accounts/channel.ts";
import {
	hashOf,
	makeCredentials,
	scramOf,
} from "../../../node/accounts/credentials.ts";
import { verifyPassword } from "../../../node/accounts/password.ts";
import { saslPrep } from "../../../node/accounts/saslprep.ts";
import {
	deriveScram,
	formatScram,
	parseClientFirst,
	parseScram,
	type ScramChannel,
	ScramExchange,
	ScramFault,
	type ScramKeys,
	ScramRefused,
	scramNonce,
} from "../../../node/accounts/scram.ts";
import { realRandom } from "../../../sync/real/random.ts";
import { ScramClient } from "../../harness/scram.ts";

const clear: ScramChannel = {
	plus: false,
	offersPlus: false,
	binding: () => undefined,
};

test("the example of RFC 7677 §3", () => {
	// SaltedPassword of "pencil" → the keys, as any other implementation has them.
	const keys = parseScram(
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
	) as ScramKeys;
	const first = parseClientFirst("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", clear);
	const exchange = new ScramExchange(
		first,
		keys,
		"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	);
	expect(exchange.serverFirst).toBe(
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	);
	expect(
		exchange.finish(
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		),
	).toBe("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
});

describe("one exchange", async () => {
	const keys = (await deriveScram("sécret", realRandom)) as ScramKeys;
	const run = (
		options: Partial<ConstructorParameters<typeof ScramClient>[0]>,
		channel: ScramChannel = clear,
		change: (final: string) => string = (final) => final,
	) => {
		const client = new ScramClient({
			user: "ann@here.test",
			password: "sécret",
			...options,
		});
		const first = parseClientFirst(client.first, channel);
		const exchange = new ScramExchange(first, keys, scramNonce(realRandom));
		const final = client.answer(exchange.serverFirst);
		const said = exchange.finish(change(final));
		return { first, isTrusted: client.trusts(said) };
	};
	const bound = Buffer.from("data of the channel");
	const tls = (plus: boolean): ScramChannel => ({
		plus,
		offersPlus: true,
		binding: (type) => (type === "tls-exporter" ? bound : undefined),
	});

	test("both sides are convinced", () => {
		expect(run({}).isTrusted).toBe(true);
		expect(run({ user: "a=b,c" }).first.userName).toBe("a=b,c");
		expect(run({ gs2Header: "y,," }).isTrusted).toBe(true);
		expect(run({ gs2Header: "n,a=ann@here.test," }).isTrusted).toBe(true);
		expect(run({ gs2Header: "n,a=," }).isTrusted).toBe(true);
	});

	test("bound to the channel", () => {
		const plus = { gs2Header: "p=tls-exporter,,", binding: bound };
		expect(run(plus, tls(true)).isTrusted).toBe(true);
		const other = { ...plus, binding: Buffer.from("of another channel") };
		expect(() => run(other, tls(true))).toThrow(ScramRefused);
		const unknown = { ...plus, gs2Header: "p=tls-unique,," };
		expect(() => run(unknown, tls(true))).toThrow(ScramRefused);
	});

	test("who hides the offer of channel binding is found out", () => {
		expect(() => run({ gs2Header: "y,," }, tls(false))).toThrow(ScramRefused);
		expect(run({ gs2Header: "n,," }, tls(false)).isTrusted).toBe(true);
		expect(() => run({ gs2Header: "n,," }, tls(true))).toThrow(ScramFault);
		expect(() => run({ gs2Header: "p=tls-exporter,," }, tls(false))).toThrow(
			ScramFault,
		);
	});

	test.each([
		["a wrong password", { password: "secret" }],
		["another to act for", { gs2Header: "n,a=bob@here.test," }],
	])("refused: %s", (_what, options) => {
		expect(() => run(options)).toThrow(ScramRefused);
	});

	test.each([
		["a nonce of another", (final: string) => final.replace(",r=", ",r=x")],
		["a header that changed", (final: string) => final.replace("biws", "eSws")],
	])("refused: %s", (_what, change) => {
		expect(() => run({}, clear, change)).toThrow(ScramRefused);
	});

	test.each(["", "c=biws", "x", "c=biws,r=a,p=x", "c=biws,r=a,p=AAAA\n"])(
		"no grammar in the last message: %j",
		(final) => {
			expect(() => run({}, clear, () => final)).toThrow(ScramFault);
		},
	);

	test.each([
		"",
		"n,,",
		"n,,n=ann",
		"n,,n=,r=x",
		"n,,n=a=b,r=x",
		"n,,n=a,r=",
		"n,,m=ext,n=a,r=x",
		"q,,n=a,r=x",
		"p=,,n=a,r=x",
		"n,,n=a\u0007,r=x",
	])("no grammar in the first message: %j", (first) => {
		expect(() => parseClientFirst(first, clear)).toThrow(ScramFault);
	});
});

test("what is kept of a password serves both ways of logging in", async () => {
	const kept = await makeCredentials("sécret", realRandom);
	expect(await verifyPassword("sécret", hashOf(kept))).toBe(true);
	const keys = scramOf(kept) as ScramKeys;
	expect(parseScram(formatScram(keys))).toEqual(keys);
	// SASLprep forbids it: only mechanisms that send the password.
	const odd = await makeCredentials("a\u0007b", realRandom);
	expect(await verifyPassword("a\u0007b", hashOf(odd))).toBe(true);
	expect(scramOf(odd)).toBe(undefined);
	expect(scramOf("$argon2id$v=19$x")).toBe(undefined);
	expect(parseScram("SCRAM-SHA-256$1:x$y:z")).toBe(undefined);
});

test("SASLprep: the examples of RFC 4013 §3", () => {
	expect(saslPrep("I\u00adX")).toBe("IX");
	expect(saslPrep("user")).toBe("user");
	expect(saslPrep("USER")).toBe("USER");
	expect(saslPrep("\u00aa")).toBe("a");
	expect(saslPrep("\u2168")).toBe("IX");
	expect(saslPrep("\u0007")).toBe(undefined);
	expect(saslPrep("a\u00a0b")).toBe("a b");
});

test("channel binding needs TLS 1.3 for tls-exporter", () => {
	const socket = (protocol: string) => ({
		getProtocol: () => protocol,
		exportKeyingMaterial: (length: number) => Buffer.alloc(length, 7),
	});
	const of = (protocol: string) =>
		channelBinding("tls-exporter", socket(protocol) as never, "");
	expect(of("TLSv1.3")).toEqual(Buffer.alloc(32, 7));
	expect(of("TLSv1.2")).toBe(undefined);
	expect(channelBinding("tls-unique", socket("TLSv1.2") as never, "")).toBe(
		undefined,
	);
});
