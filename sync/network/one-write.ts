/**
 * What noise makes of a message is a length and a text, which libp2p's TCP writes one by one: twice the system calls here,
 * and often twice the reads there. Here each message goes as one write.
 */
import type { ConnectionEncrypter, MessageStream } from "@libp2p/interface";

/** What a transport's connection does with bytes; libp2p shows it to its own classes only. */
interface Sending {
	sendData(data: Iterable<Uint8Array>): unknown;
}
interface Chunks extends Iterable<Uint8Array> {
	/** All of them as one. */
	subarray(): Uint8Array;
}

function inOneWrite(connection: MessageStream): MessageStream {
	const sending = connection as unknown as Sending;
	const write = sending.sendData.bind(connection);
	sending.sendData = (data) => write([(data as Chunks).subarray()]);
	return connection;
}

/** The same encrypter, on connections whose messages go as one write each. */
export const withOneWrite =
	<Components>(make: (components: Components) => ConnectionEncrypter) =>
	(components: Components): ConnectionEncrypter => {
		const encrypter = make(components);
		const outbound = encrypter.secureOutbound.bind(encrypter);
		const inbound = encrypter.secureInbound.bind(encrypter);
		encrypter.secureOutbound = (connection, options) =>
			outbound(inOneWrite(connection), options);
		encrypter.secureInbound = (connection, options) =>
			inbound(inOneWrite(connection), options);
		return encrypter;
	};
