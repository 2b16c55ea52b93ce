/** Channel binding data of a TLS connection, for SCRAM-SHA-256-PLUS: clients that use it notice who sits between. */
import { createHash, X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";

/**
 * `tls-exporter` (RFC 9266, from TLS 1.3 on: before, it is sound with an extension only that cannot be asked for here)
 * and `tls-server-end-point` (RFC 5929 §4). Undefined: not to be had. `certificatePem`: of the handshake.
 */
export function channelBinding(
	type: string,
	socket: Pick<TLSSocket, "getProtocol" | "exportKeyingMaterial">,
	certificatePem: string,
): Buffer | undefined {
	if (type === "tls-exporter" && socket.getProtocol() === "TLSv1.3")
		return socket.exportKeyingMaterial(
			32,
			"EXPORTER-Channel-Binding",
			Buffer.alloc(0),
		);
	if (type === "tls-server-end-point") return endPoint(certificatePem);
	return undefined;
}

/** RFC 5929 §4.1: the hash of the signature, but SHA-256 in place of MD5 and SHA-1; none for signatures without one. */
function endPoint(certificatePem: string): Buffer | undefined {
	const certificate = new X509Certificate(certificatePem);
	const algorithm = /sha-?(1|224|256|384|512)|md5/i.exec(
		certificate.signatureAlgorithm ?? "",
	);
	if (algorithm === null) return undefined;
	const [, bits = "1"] = algorithm;
	const hash = bits === "1" ? "sha256" : `sha${bits}`;
	return createHash(hash).update(certificate.raw).digest();
}
