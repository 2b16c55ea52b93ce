/** Options of `start` and `join`, read once: option, then environment, then DIR/pmnode.toml, then default. */

/** Where to listen; port 0 takes any free port. `undefined` turns the listener off. */
export interface HostPort {
	readonly host: string;
	readonly port: number;
}

export interface NodeConfig {
	/** Folder of everything the node keeps, mode 0700. */
	readonly dataDirectory: string;
	readonly name: string;
	readonly hostname: string;
	readonly site: string;
	readonly smtp: HostPort | undefined;
	readonly submission: HostPort | undefined;
	readonly submissions: HostPort | undefined;
	readonly imap: HostPort | undefined;
	readonly imaps: HostPort | undefined;
	readonly http: HostPort | undefined;
	readonly dns: HostPort | undefined;
	readonly p2p: HostPort;
	/** Multiaddrs that peers dial; empty: the address of `p2p`. */
	readonly announce: readonly string[];
	readonly publicIps: readonly string[];
	readonly tls:
		| { readonly certFile: string; readonly keyFile: string }
		| undefined;
	/** Members that hold a message durably before it is acknowledged, this one included. */
	readonly copies: number;
	readonly whenAlone: "accept" | "defer";
	/** LOGIN/AUTH without TLS also outside loopback. */
	readonly allowPlaintextAuth: boolean;
	readonly logLevel: "debug" | "info" | "warn" | "error";
	readonly logFormat: "text" | "json";
}
