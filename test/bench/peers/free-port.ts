import { createServer } from "node:net";

/** A loopback TCP port that was free a moment ago, for programs that cannot be told to take any. */
export const freePort = (): Promise<number> =>
	new Promise((resolve, reject) => {
		const server = createServer();
		server.once("error", reject);
		server.listen(0, "127.0.0.1", () => {
			const address = server.address();
			const port = typeof address === "object" ? (address?.port ?? 0) : 0;
			server.close(() => resolve(port));
		});
	});
