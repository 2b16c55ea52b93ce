/**
 * The diary of a node, on pino: JSON for machines, or one readable line an event for people. What comes from outside
 * (subjects, addresses, errors of others) never starts a new line or moves a terminal's cursor.
 */
import {
	type DestinationStream,
	type Logger,
	pino,
	stdSerializers,
} from "pino";
import type { Clock } from "../sync/ports/clock.ts";
import type { Log, LogFields, LogLevel } from "../sync/ports/log.ts";
import { printable } from "./printable.ts";

export interface LogOptions {
	readonly level: LogLevel;
	readonly format: "text" | "json";
	/** Where lines go, each with its line end; `isTTY` decides about colour in the text format. */
	readonly stream: { write(line: string): unknown; readonly isTTY?: boolean };
	readonly clock: Pick<Clock, "now">;
	/** NO_COLOR and the like; default: colour where `stream` is a terminal. */
	readonly colour?: boolean;
}

/** Never throws and never waits: a line that cannot be written is lost. */
export function createLog(options: LogOptions): Log {
	const { stream } = options;
	const colour = options.colour ?? stream.isTTY === true;
	const destination: DestinationStream = {
		write: (line) => {
			stream.write(options.format === "json" ? line : textLine(line, colour));
		},
	};
	return wrap(
		pino(
			{
				level: options.level,
				base: null,
				messageKey: "message",
				timestamp: () =>
					`,"time":"${new Date(options.clock.now()).toISOString()}"`,
				formatters: { level: (label) => ({ level: label }) },
				serializers: { error: stdSerializers.err, err: stdSerializers.err },
			},
			destination,
		),
	);
}

function wrap(logger: Logger): Log {
	return {
		debug: (message, fields) => logger.debug(fields ?? {}, message),
		info: (message, fields) => logger.info(fields ?? {}, message),
		warn: (message, fields) => logger.warn(fields ?? {}, message),
		error: (message, fields) => logger.error(fields ?? {}, message),
		child: (fields: LogFields) => wrap(logger.child(fields)),
	};
}

const COLOURS: Readonly<Record<string, string>> = {
	debug: "\u{1b}[2m",
	info: "\u{1b}[32m",
	warn: "\u{1b}[33m",
	error: "\u{1b}[31m",
};

/** pino's JSON line as `12:03:44.120 info  peer is up  peer=b rttMilliseconds=1.2`. */
function textLine(json: string, colour: boolean): string {
	const { time, level, message, ...fields } = JSON.parse(json) as Record<
		string,
		unknown
	>;
	const word = String(level).padEnd(5);
	const shownLevel = colour
		? `${COLOURS[String(level)] ?? ""}${word}\u{1b}[0m`
		: word;
	const shownFields = Object.entries(fields).map(
		([name, value]) => `${name}=${fieldText(name, value)}`,
	);
	const clock = String(time).slice(11, 23);
	const details = shownFields.length > 0 ? `  ${shownFields.join(" ")}` : "";
	return `${clock} ${shownLevel} ${printable(String(message))}${details}\n`;
}

function fieldText(name: string, value: unknown): string {
	if ((name === "error" || name === "err") && isErrorFields(value))
		return JSON.stringify(value.stack ?? value.message);
	if (typeof value !== "string") return printable(JSON.stringify(value));
	return /^[^\s"=\p{C}]+$/u.test(value)
		? value
		: printable(JSON.stringify(value));
}

const isErrorFields = (
	value: unknown,
): value is { message: string; stack?: string } =>
	typeof value === "object" && value !== null && "message" in value;
