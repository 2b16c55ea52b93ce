import { ParseFault } from "../parser.ts";
import { lineBytesMax } from "../receive.ts";
import type { Invocation, Session } from "../session.ts";
import { tell } from "../tell.ts";

/** IDLE, RFC 2177. What changes is told at once; what changes within one turn of the event loop, together. */
export async function idle({
	parser,
	session,
}: Invocation): Promise<undefined> {
	parser.end();
	session.output.text("+ idling\r\n");
	session.rest();
	const { failed, stop } = followOrNotify(session);
	try {
		const line = session.input.line(lineBytesMax(session));
		const done = await Promise.race([line, failed]);
		if (done.toString("latin1").trimEnd().toUpperCase() !== "DONE")
			throw new ParseFault("expected DONE");
	} finally {
		session.isAtRest = false;
		await stop();
	}
}

/** With NOTIFY exactly what it asks for is told (RFC 5465 §4). */
function followOrNotify(session: Session): ReturnType<typeof follow> {
	const { notifier } = session;
	if (notifier === undefined) return follow(session);
	notifier.idle(true);
	return {
		// What goes wrong there ends the wait for the client.
		failed: new Promise<never>(() => {}),
		stop: () => {
			notifier.idle(false);
			return notifier.hold();
		},
	};
}

/** Tells changes until stopped. `failed` rejects when that cannot go on. */
function follow(session: Session): {
	failed: Promise<never>;
	stop: () => Promise<void>;
} {
	const mailbox = session.selected?.mailbox;
	const { promise: failed, reject } = Promise.withResolvers<never>();
	failed.catch(() => {});
	let telling = Promise.resolve();
	let isDue = false;
	let isStopped = false;
	const tellNow = async () => {
		isDue = false;
		await tell(session, true);
		session.output.flush();
	};
	const note = () => {
		if (isDue) return;
		isDue = true;
		setImmediate(() => {
			if (isStopped) return;
			telling = telling.then(tellNow).catch(reject);
		});
	};
	const cancel = mailbox?.onChange(note);
	// What came since the last command.
	if (mailbox !== undefined) note();
	return {
		failed,
		stop: async () => {
			isStopped = true;
			cancel?.();
			await telling;
		},
	};
}
