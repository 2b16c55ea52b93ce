/**
 * One member as this node sees it: dialled until there is a link, and again when the link is silent. Of each pair the
 * node with the lower id is the leader: it alone opens link streams, on whichever connection got through, so that both
 * ends agree on one. The other one dials as well, in case only it can reach the leader, and knocks.
 */
import type { Duplex } from "node:stream";
import type { NodeId } from "../ids.ts";
import {
	DIAL_FOLLOWER_MILLISECONDS,
	LINK_MESSAGE_BYTES_MAX,
	LINK_OPEN_MILLISECONDS_MAX,
	LINK_SETTLE_MILLISECONDS,
	LINK_SHORT_LIVED_MILLISECONDS,
	LINK_SILENT_MILLISECONDS_MAX,
	TURNED_AWAY_MIN,
} from "../limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import {
	LINK_REPLACED,
	type Link,
	type PeerAddress,
	type PeerState,
	type PeerStatus,
} from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import { FramedStream } from "./framed.ts";
import { BadFrame } from "./frames.ts";
import { KIND } from "./link.ts";
import { Liveness } from "./liveness.ts";
import { openStream, PROTOCOL, within } from "./protocols.ts";
import { Redial } from "./redial.ts";
import { Session } from "./session.ts";
import type { Transport, WireConnection, WireStream } from "./transport.ts";

const LINK_ID_BYTES = 12;

/** What a peer needs of the network, and tells it. */
export interface PeerContext {
	readonly self: NodeId;
	readonly clock: Clock;
	readonly log: Log;
	readonly random: Random;
	readonly transport: Transport;
	onLink(link: Link): void;
	onBody(peer: NodeId, stream: Duplex, initiator: boolean): void;
	/** The state may have changed. */
	changed(): void;
}

export class Peer {
	readonly node: NodeId;
	/** Whether this node opens the pair's link streams. */
	readonly leads: boolean;
	readonly #context: PeerContext;
	readonly #liveness: Liveness;
	readonly #redial: Redial;
	#session: Session | undefined;
	#linkStream: FramedStream | undefined;
	/** A session that lost its connection and whose link still hands over what had come. */
	#previous: Session | undefined;
	/** The leader's attempt that is under way, and a connection that was knocked on meanwhile. */
	#opening: WireConnection | undefined;
	#openingSince = 0;
	#knocked: WireConnection | undefined;
	/** Connections that got through, one after the other, and were closed by the other end before there was a link. */
	#turnedAway = 0;
	/** Those that this node closed. */
	readonly #dropped = new WeakSet<WireConnection>();
	#stopped = false;

	/** `expected` as in Liveness. */
	constructor(address: PeerAddress, context: PeerContext, expected: boolean) {
		this.node = address.node;
		this.#liveness = new Liveness(expected);
		this.leads = context.self < address.node;
		this.#context = context;
		this.#redial = new Redial(
			{ ...context, dialOne: context.transport.dialOne },
			address,
			this.leads ? 0 : DIAL_FOLLOWER_MILLISECONDS,
			{
				connected: (connection) => this.#connected(connection),
				refused: () => {
					this.#turnedAway = 0;
					this.#liveness.refused();
					this.#evaluate();
				},
			},
		);
		this.#redial.start();
	}

	set address(address: PeerAddress) {
		const before = this.#redial.address.multiaddrs.join();
		this.#redial.address = address;
		if (before !== address.multiaddrs.join()) this.#redial.reset();
	}

	get state(): PeerState {
		return this.#liveness.state;
	}

	get status(): PeerStatus {
		return {
			node: this.node,
			state: this.state,
			rttMilliseconds: this.#session?.roundTrips.smoothed,
			wayMilliseconds: this.#session?.roundTrips.shortest,
			...(this.turnsAway && { turnsAway: true }),
		};
	}

	get turnsAway(): boolean {
		return this.#turnedAway >= TURNED_AWAY_MIN;
	}

	/** The present link's session, if any. */
	get session(): Session | undefined {
		return this.#session;
	}

	/** Whether the connection carries the link, or is about to. */
	uses(connection: WireConnection): boolean {
		return (
			connection === this.#session?.connection || connection === this.#opening
		);
	}

	tick(elapsedMilliseconds: number): void {
		this.#liveness.tick(elapsedMilliseconds);
		if (this.#liveness.silentMilliseconds > LINK_SILENT_MILLISECONDS_MAX)
			this.#session?.link.abort("silent for too long");
		this.#evaluate();
	}

	beat(): void {
		this.#session?.beat();
		if (this.#session !== undefined)
			this.#context.transport.repair(this.#session.connection);
	}

	/** Resolves when the other end knows, or cannot be told. */
	async stop(reason: string): Promise<void> {
		this.#stopped = true;
		this.#redial.stop();
		const session = this.#session;
		session?.link.close(reason);
		this.#previous?.link.abort(reason);
		await session?.gone;
	}

	/** Follower: the leader opens a link on this connection. */
	async acceptLink(
		stream: WireStream,
		connection: WireConnection,
	): Promise<void> {
		const framed = this.#framed(stream);
		try {
			if (this.leads) throw new BadFrame("the other node of this pair leads");
			const hello = await this.#inTime(framed.next());
			if (hello.kind !== KIND.hello) throw new BadFrame("no hello");
			framed.send(KIND.ack, hello.payload);
			this.#install(linkId(hello.payload), connection, framed);
		} catch (error) {
			framed.abort(error as Error);
		}
	}

	/** Leader: the follower has reached us and lacks a link, or has one (which it names) that is silent. */
	async acceptKnock(
		stream: WireStream,
		connection: WireConnection,
	): Promise<void> {
		const framed = new FramedStream(stream, LINK_ID_BYTES);
		try {
			const { payload } = await this.#inTime(framed.next());
			await framed.end();
			const known = linkId(payload);
			if (this.leads && !this.#crossed(known)) await this.#open(connection);
		} catch (error) {
			framed.abort(error as Error);
		}
	}

	/** Whether a knock was sent before its sender knew of the present link. */
	#crossed(known: string): boolean {
		if (this.#session === undefined || known === this.#session.id) return false;
		const age =
			this.#context.clock.monotonic() - this.#session.openedMilliseconds;
		return known !== "" || age < LINK_SETTLE_MILLISECONDS;
	}

	attachHeartbeat(stream: WireStream, connection: WireConnection): void {
		if (this.#session?.connection === connection)
			this.#session.attachHeartbeat(stream);
		else stream.abort(new Error("no link on this connection"));
	}

	attachBody(stream: WireStream, connection: WireConnection): void {
		if (this.#session?.connection === connection)
			this.#session.attachBody(stream);
		else stream.abort(new Error("no link on this connection"));
	}

	/** A dial of ours got through. */
	#connected(connection: WireConnection): void {
		if (connection.status !== "open") {
			this.#closed(connection);
			return;
		}
		connection.addEventListener("close", () => this.#closed(connection));
		if (this.#stopped || this.#liveness.fresh)
			this.#drop(connection, new Error("not needed any more"));
		else if (this.leads) void this.#open(connection);
		else void this.#knock(connection);
	}

	#drop(connection: WireConnection, error: Error): void {
		this.#dropped.add(connection);
		connection.abort(error);
	}

	/** A connection that this node had dialled. */
	#closed(connection: WireConnection): void {
		if (this.#session !== undefined || this.#dropped.has(connection)) return;
		this.#turnedAway++;
		if (this.#turnedAway === TURNED_AWAY_MIN) this.#evaluate();
	}

	async #knock(connection: WireConnection): Promise<void> {
		try {
			const stream = await openStream(
				connection,
				PROTOCOL.knock,
				this.#context.clock,
				LINK_OPEN_MILLISECONDS_MAX,
			);
			if (this.#liveness.fresh) throw new Error("not needed any more");
			const framed = new FramedStream(stream, 0);
			framed.send(KIND.hello, Buffer.from(this.#session?.id ?? "", "hex"));
			await framed.end();
		} catch (error) {
			this.#drop(connection, error as Error);
		}
	}

	async #open(connection: WireConnection): Promise<void> {
		const now = this.#context.clock.monotonic();
		if (this.#opening !== undefined) {
			this.#knocked = connection;
			// It may have been cut off in the middle, and this connection is known to work.
			if (now - this.#openingSince > LINK_OPEN_MILLISECONDS_MAX / 2)
				this.#drop(this.#opening, new Error("a newer connection got through"));
			return;
		}
		this.#opening = connection;
		this.#openingSince = now;
		try {
			await this.#handshake(connection);
		} catch (error) {
			this.#context.log.debug("no link", {
				peer: this.node,
				error: (error as Error).message,
			});
			this.#drop(connection, error as Error);
		}
		this.#opening = undefined;
		const knocked = this.#knocked;
		this.#knocked = undefined;
		if (knocked !== undefined && !this.#liveness.fresh && !this.#stopped)
			void this.#open(knocked);
	}

	async #handshake(connection: WireConnection): Promise<void> {
		const framed = this.#framed(
			await openStream(
				connection,
				PROTOCOL.link,
				this.#context.clock,
				LINK_OPEN_MILLISECONDS_MAX,
			),
		);
		try {
			const id = this.#context.random.bytes(LINK_ID_BYTES);
			framed.send(KIND.hello, id);
			const ack = await this.#inTime(framed.next());
			if (ack.kind !== KIND.ack || linkId(ack.payload) !== linkId(id))
				throw new BadFrame("no acknowledgement");
			this.#install(linkId(id), connection, framed);
		} catch (error) {
			framed.abort(error as Error);
			throw error;
		}
	}

	/** The link is agreed; the one before, if any, closes first. */
	#install(id: string, connection: WireConnection, framed: FramedStream): void {
		if (this.#stopped) throw new Error("not a member any more");
		this.#session?.link.abort(LINK_REPLACED);
		this.#previous?.link.abort(LINK_REPLACED);
		const session = new Session(this.node, id, connection, framed, {
			clock: this.#context.clock,
			log: this.#context.log,
			owner: {
				heard: () => {
					if (session === this.#session) this.#heard();
				},
				body: (_session, stream) =>
					this.#context.onBody(this.node, stream, this.leads),
				ended: (_session, reason) => this.#ended(session, reason),
			},
		});
		this.#session = session;
		this.#turnedAway = 0;
		this.#linkStream = framed;
		this.#liveness.linked();
		this.#redial.stop();
		this.#context.transport.linked(connection);
		this.#context.log.debug("link", { peer: this.node, id });
		this.#context.onLink(session.link);
		this.#evaluate();
		if (this.leads) void session.open();
	}

	#ended(session: Session, reason: string): void {
		this.#context.transport.unlinked(session.connection);
		this.#context.log.debug("link closed", { peer: this.node, reason });
		if (this.#session !== session) return;
		this.#session = undefined;
		this.#linkStream = undefined;
		this.#previous = session;
		this.#liveness.unlinked();
		const lived = this.#context.clock.monotonic() - session.openedMilliseconds;
		if (lived >= LINK_SHORT_LIVED_MILLISECONDS) this.#redial.reset();
		this.#evaluate();
	}

	#heard(): void {
		const stale = !this.#liveness.fresh;
		this.#liveness.heard();
		if (stale) this.#evaluate();
	}

	/** Events only note; this looks at the whole and acts. */
	#evaluate(): void {
		if (this.#stopped || this.#liveness.fresh) this.#redial.stop();
		else this.#redial.start();
		this.#context.changed();
	}

	#framed(stream: WireStream): FramedStream {
		const framed = new FramedStream(stream, LINK_MESSAGE_BYTES_MAX, () => {
			if (framed === this.#linkStream) this.#heard();
		});
		return framed;
	}

	#inTime<T>(promise: Promise<T>): Promise<T> {
		return within(
			this.#context.clock,
			LINK_OPEN_MILLISECONDS_MAX,
			"no answer in time",
			promise,
		);
	}
}

const linkId = (payload: Uint8Array): string =>
	Buffer.from(payload).toString("hex");
