import type { SecureContext } from "node:tls";

/** The node's certificate, made once when the operator gave none, and read anew when its files change. */
export interface TlsSource {
	/** The context to use for the next handshake. */
	secureContext(): SecureContext;
	/** PEM of the certificate chain, for servers that build their own context. */
	pem(): { readonly cert: string; readonly key: string };
	/** Runs after the files changed and were found to be sound. */
	onReload(run: () => void): () => void;
	close(): void;
}
