/**
 * The HTTP listener: health for load balancers, and the status page for people. Everything comes from the same state as
 * `pmnode status`. It only ever reads, asks for no login, and therefore must never show an address, a subject or
 * anything else of a user's mail, and never change anything.
 */
import {
	createServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import {
	HTTP_CONNECTIONS_MAX,
	HTTP_HEADER_BYTES_MAX,
	HTTP_REQUEST_MILLISECONDS_MAX,
} from "../../sync/limits.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { HostPort } from "../config.ts";
import type { RunningNode } from "../running.ts";
import { CONTENT_SECURITY_POLICY, statusPage } from "./page.ts";

export interface HttpOptions {
	readonly listen: HostPort;
	/** Asked at each request; only its status is used, so it may be given before the node is ready. */
	readonly node: Pick<RunningNode, "status">;
	readonly log: Log;
}
export interface HttpServer {
	/** Where it listens, with the real port. */
	readonly at: HostPort;
	stop(): Promise<void>;
}

/** Rejects with the system's error (EADDRINUSE and the like) when it cannot listen. */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
	const server = createServer(
		{
			maxHeaderSize: HTTP_HEADER_BYTES_MAX,
			requestTimeout: HTTP_REQUEST_MILLISECONDS_MAX,
			headersTimeout: HTTP_REQUEST_MILLISECONDS_MAX,
			keepAliveTimeout: 5_000,
			noDelay: true,
		},
		(request, response) => {
			request.resume(); // a body is read and forgotten
			try {
				send(response, request.method === "HEAD", answer(request, options));
			} catch (error) {
				options.log.error("an HTTP request failed", { error });
				response.destroy();
			}
		},
	);
	server.maxConnections = HTTP_CONNECTIONS_MAX;
	server.setTimeout(HTTP_REQUEST_MILLISECONDS_MAX);
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(options.listen.port, options.listen.host, () => {
			server.off("error", reject);
			resolve();
		});
	});
	server.on("error", (error) => options.log.warn("HTTP failed", { error }));
	const { port } = server.address() as AddressInfo;
	return {
		at: { host: options.listen.host, port },
		stop: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
}

interface Answer {
	readonly status: number;
	readonly type: string;
	readonly body: string;
	readonly headers?: Readonly<Record<string, string>>;
}

const plain = (status: number, body: string): Answer => ({
	status,
	type: "text/plain; charset=utf-8",
	body: `${body}\n`,
});

function answer(request: IncomingMessage, { node }: HttpOptions): Answer {
	if (request.method !== "GET" && request.method !== "HEAD")
		return {
			...plain(405, "only GET and HEAD"),
			headers: { allow: "GET, HEAD" },
		};
	switch (request.url?.split("?")[0]) {
		case "/":
			return {
				...plain(302, "the status page is at /status"),
				headers: { location: "/status" },
			};
		case "/healthz":
			return plain(200, "ok");
		case "/readyz": {
			const { state } = node.status().node;
			return plain(state === "ready" ? 200 : 503, state);
		}
		case "/status.json":
			return {
				status: 200,
				type: "application/json",
				body: `${JSON.stringify(node.status())}\n`,
			};
		case "/status":
			return {
				status: 200,
				type: "text/html; charset=utf-8",
				body: statusPage(node.status()),
			};
		default:
			return plain(404, "there is /status, /status.json, /healthz and /readyz");
	}
}

function send(
	response: ServerResponse,
	withoutBody: boolean,
	answer: Answer,
): void {
	response.writeHead(answer.status, {
		"content-type": answer.type,
		"content-length": Buffer.byteLength(answer.body),
		"cache-control": "no-store",
		"content-security-policy": CONTENT_SECURITY_POLICY,
		"x-content-type-options": "nosniff",
		"referrer-policy": "no-referrer",
		...answer.headers,
	});
	response.end(withoutBody ? undefined : answer.body);
}
