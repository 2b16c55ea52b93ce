/** What the demo prints for people: where to point a mail client, and what to try. Pure. */
import { ANNA, BEN } from "./accounts.ts";
import type { Member } from "./member.ts";
import type { Screen } from "./screen.ts";

type Shown = Pick<Member, "name" | "listeners" | "pid">;

const split = (at: string): { host: string; port: string } => {
	const colon = at.lastIndexOf(":");
	return { host: at.slice(0, colon), port: at.slice(colon + 1) };
};

export function guide(
	members: readonly Shown[],
	screen: Pick<Screen, "bold" | "dim">,
): string[] {
	const [first] = members;
	const victim = members[1] ?? first;
	if (first === undefined || victim === undefined) return [];
	const smtp = split(first.listeners.smtp);
	return [
		"",
		screen.bold("Read: point a mail client at any node"),
		...accountLines(),
		"",
		"  node  host       read: IMAP / TLS   send: SMTP / TLS   status page",
		...members.map(memberLine),
		screen.dim(
			"  TLS is optional on this machine; the certificates are self-signed, so a client asks once.",
		),
		"",
		screen.bold("Try"),
		"  send     swaks --server " +
			`${smtp.host}:${smtp.port} --from you@example.org --to ${ANNA.address} --header "Subject: Hello" --body "Hello from a shell"`,
		`  kill     kill -9 ${victim.pid}     (node ${victim.name}; or type "k ${victim.name}")`,
		`  start    type "s ${victim.name}": it starts again and catches up`,
		`  cut      type "x ${victim.name}": node ${victim.name} falls silent, as in a network split`,
		`  heal     type "h ${victim.name}": it is heard again`,
		"  end      type q or ^C",
		"",
	];
}

const accountLines = (): string[] =>
	[ANNA, BEN].map(
		({ address, password }) => `  user ${address}   password ${password}`,
	);

function memberLine({ name, listeners }: Shown): string {
	const port = (of: keyof Shown["listeners"]) => split(listeners[of]).port;
	const columns = [
		name.padEnd(4),
		split(listeners.imap).host.padEnd(9),
		`${port("imap")} / ${port("imaps")}`.padEnd(17),
		`${port("submission")} / ${port("submissions")}`.padEnd(17),
		`http://${listeners.http}/status`,
	];
	return `  ${columns.join("  ")}`;
}
