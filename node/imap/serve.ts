/** Runs one session: command after command, each answered before the next, whatever a command throws. */
import { IMAP_ERRORS_MAX } from "../../sync/limits.ts";
import {
	Bye,
	Disconnected,
	Refusal,
	refusalOf,
	responseText,
	status,
} from "./answer.ts";
import { capabilities } from "./capability.ts";
import { commandNamed } from "./commands.ts";
import { literalHeader, ParseFault, Parser } from "./parser.ts";
import { type Received, receive, skipCommand } from "./receive.ts";
import type { Command, Completion, Invocation, Session } from "./session.ts";
import { isUpToDate, tell, tellBefore } from "./tell.ts";
import { turn } from "./turn.ts";

/** Pipelined commands run so long at a time; then others get their turn. */
const TURN_MILLISECONDS = 5;

/** Serves until the client leaves, breaks a bound, or the session is to stop. Never rejects. */
export async function serve(session: Session): Promise<void> {
	const { output } = session;
	const { clock } = session.surroundings;
	try {
		output.text(
			`* OK [CAPABILITY ${capabilities(session)}] ${session.surroundings.hostname} ready\r\n`,
		);
		let errors = 0;
		const pace: Pace = { began: clock.monotonic() };
		while (!session.isOver) {
			const wasRight = await serveOne(session, pace);
			errors = wasRight ? 0 : errors + 1;
			if (errors >= IMAP_ERRORS_MAX) throw new Bye("Too many bad commands");
			if (output.crowded) await output.room();
			else if (clock.monotonic() - pace.began > TURN_MILLISECONDS) {
				output.flush();
				await turn();
				pace.began = clock.monotonic();
			}
		}
	} catch (error) {
		if (error instanceof Bye)
			output.text(`* ${status("BYE", error.code, error.message)}\r\n`);
		else if (!(error instanceof Disconnected)) {
			session.log.error("IMAP session failed", { error });
			output.text("* BYE [SERVERBUG] Internal error\r\n");
		}
	} finally {
		session.progressTeller.close();
		session.notify(undefined);
		session.unselect();
		output.flush();
	}
}

/** Since when this session has been at work without giving others their turn. */
interface Pace {
	began: number;
}

/** False: what came was no command. */
async function serveOne(session: Session, pace: Pace): Promise<boolean> {
	session.rest();
	const { input, surroundings } = session;
	const { waits } = input;
	const received = await receive(session, streamedLiteral);
	if (input.waits !== waits) pace.began = surroundings.clock.monotonic();
	session.isAtRest = false;
	if (session.stopReason !== undefined) throw new Bye(session.stopReason);
	// Some clients send an empty line after a literal.
	if (received.bytes.length === 0) return true;
	if (session.notifier !== undefined) await session.notifier.hold();
	try {
		return await answer(session, received);
	} finally {
		session.notifier?.release();
	}
}

async function answer(session: Session, received: Received): Promise<boolean> {
	const parser = new Parser(received.bytes);
	let tag = "*";
	try {
		tag = parser.tag();
		parser.space();
		await runCommand(session, tag, parser, received);
		return true;
	} catch (error) {
		const { status: name, code, message } = asRefusal(session, error);
		await tellQuietly(session);
		session.output.text(`${tag} ${status(name, code, message)}\r\n`);
		return name !== "BAD";
	}
}

function asRefusal(session: Session, error: unknown): Refusal {
	if (error instanceof Bye || error instanceof Disconnected) throw error;
	const refusal = refusalOf(error);
	if (refusal !== undefined) return refusal;
	session.log.error("IMAP command failed", { error });
	return new Refusal("NO", "SERVERBUG", "Internal error");
}

/** What a refused command changed all the same (a STORE that came to no end) is told, but for expunges. */
async function tellQuietly(session: Session): Promise<void> {
	session.selected?.known.forgetPromises();
	await tell(session, false);
}

async function runCommand(
	session: Session,
	tag: string,
	parser: Parser,
	received: Received,
): Promise<void> {
	const command = findCommand(parser);
	const invocation: Invocation = {
		session,
		tag,
		parser,
		byUid: command?.byUid === true,
		literal: received.literal,
	};
	try {
		if (received.refusal !== undefined) throw received.refusal;
		if (command === undefined) throw new ParseFault("unknown command");
		checkState(command, session);
		if (command.byNumber && session.uidOnly)
			throw new Refusal("BAD", "UIDREQUIRED", "Name messages by their UIDs");
		if (parser.peek() === 0x20) parser.at++;
		// With mod-sequences the client hears of changes before any answer tells of a later one (rule 16).
		if (command.byUid || (command.keepsNumbers && session.condstore)) {
			if (!isUpToDate(session, false)) await tellBefore(session);
		}
		if (command.isLong) session.progressTeller.begin(tag);
		const running = command.run(invocation);
		const completion = running instanceof Promise ? await running : running;
		session.progressTeller.end();
		const mayExpunge = !(
			command.keepsNumbers ??
			completion?.keepsNumbers ??
			false
		);
		if (!isUpToDate(session, mayExpunge)) await tell(session, mayExpunge);
		complete(session, tag, command, completion);
		await completion?.afterwards?.();
	} finally {
		session.progressTeller.end();
		session.selected?.known.unsure.clear();
		if (invocation.literal !== undefined)
			await skipCommand(session, invocation.literal);
	}
}

function complete(
	session: Session,
	tag: string,
	command: Command,
	completion: Completion | undefined,
): void {
	const asked = completion?.code;
	const given = typeof asked === "function" ? asked() : asked;
	const limit = completion?.limit;
	if (limit !== undefined && given !== undefined)
		session.output.text(
			`* NO [${limit}] Only the newest messages were worked on\r\n`,
		);
	const told = given ?? limit;
	const code = told === undefined ? "" : `[${told}] `;
	const text = responseText(completion?.text ?? `${command.name} completed`);
	session.output.text(`${tag} OK ${code}${text}\r\n`);
}

/** Takes the name of a command, `UID` and the name after it being one. */
function findCommand(parser: Parser): Command | undefined {
	let name = parser.word("a command");
	if (name === "UID") {
		parser.space();
		name = `UID ${parser.word("a command")}`;
	}
	if (!parser.atEnd && parser.peek() !== 0x20)
		throw new ParseFault("expected a space after the command");
	return commandNamed(name);
}

function checkState(command: Command, session: Session): void {
	if (command.states.includes(session.state)) return;
	throw new Refusal(
		"BAD",
		undefined,
		session.state === "not authenticated"
			? "Log in first"
			: session.state === "authenticated" && command.states[0] === "selected"
				? "Select a mailbox first"
				: "Not now: already logged in",
	);
}

/** Which literal of a command, counted from 0, the command takes itself; `line` is its first line. */
function streamedLiteral(line: Buffer): number {
	try {
		const parser = new Parser(line);
		parser.tag();
		parser.space();
		const command = findCommand(parser);
		if (command?.streamsLiteral === undefined) return Number.POSITIVE_INFINITY;
		for (let word = 0; word < command.streamsLiteral; word++) {
			parser.space();
			while (!parser.atEnd && parser.peek() !== 0x20) parser.at++;
		}
		parser.space();
		// A literal here is the name of the mailbox.
		return literalHeader(line, parser.at)?.end === line.length ? 1 : 0;
	} catch (error) {
		if (error instanceof ParseFault) return Number.POSITIVE_INFINITY;
		throw error;
	}
}
