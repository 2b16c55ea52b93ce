/**
 * js-libp2p's yamux answers every data frame with a window update: a frame, an encryption and a system call of their own,
 * for each message on both ends. Half a window is soon enough: the sender can go on with the other half meanwhile.
 */

/** The part of YamuxStream (@libp2p/yamux 8.0.3, dist/src/stream.js) that this stands on. */
interface Window {
	readonly state: number;
	readonly recvWindow: number;
	readonly recvWindowCapacity: number;
	sendWindowUpdate(): void;
}
/** StreamState.Established: the first update of a stream carries its opening flags and must not wait. */
const ESTABLISHED = 3;

const isYamux = (stream: object): stream is Window =>
	"sendWindowUpdate" in stream &&
	"recvWindow" in stream &&
	"recvWindowCapacity" in stream;

/** Does nothing to streams of another kind (the simulated ones). */
export function updateWindowRarely(stream: object): void {
	if (!isYamux(stream)) return;
	const update = stream.sendWindowUpdate;
	stream.sendWindowUpdate = () => {
		const plenty = stream.recvWindowCapacity * 2 > stream.recvWindow;
		if (stream.state === ESTABLISHED && plenty) return;
		update.call(stream);
	};
}
