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
		"  node   IMAP host   port (STARTTLS or none)   port (TLS)   status page",
		...members.map(memberLine),
		screen.dim(
			"  The certificates are self-signed: the client will ask once for each node.",
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
	const imap = split(listeners.imap);
	const columns = [
		name.padEnd(6),
		imap.host.padEnd(11),
		imap.port.padEnd(25),
		split(listeners.imaps).port.padEnd(12),
		`http://${listeners.http}/status`,
	];
	return `  ${columns.join(" ")}`;
}
