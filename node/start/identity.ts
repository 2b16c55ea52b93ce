/** Who this node is: known from its store, founding a cluster, or asking to join one; with its body store opened. */
import { join as joinPath } from "node:path";
import {
	type DriveBodies,
	DriveCut,
	DriveShort,
	openBodies,
} from "../../sync/bodies/bodies.ts";
import type { Member } from "../../sync/directory/cluster.ts";
import { askToJoin } from "../../sync/membership/admission.ts";
import {
	BODIES_LOST_KEY,
	cutFilesWrite,
	driveBlocks,
	driveName,
	foundingIdentity,
	type Identity,
	knownCutFiles,
	lifeOf,
	newOrigin,
	saveIdentity,
} from "../../sync/membership/identity.ts";
import type { StreamSource } from "../../sync/network/streams.ts";
import type { Network } from "../../sync/ports/network.ts";
import { type Store, StoreDamaged } from "../../sync/ports/store.ts";
import {
	copiedMarks,
	FORGET_COPIED_MARKS,
} from "../../sync/space/drive-marks.ts";
import { putAside, readKnownCluster } from "../keep.ts";
import type { NewLife } from "../living.ts";
import type { Closing, NodeParts } from "./parts.ts";

export interface IdentityParts {
	readonly dataDirectory: string;
	/** A link of `pmnode invite`, where it joins. */
	readonly join: string | undefined;
	/** How it describes itself to the others. */
	readonly self: Omit<Member, "joinedMilliseconds" | "node">;
	readonly parts: NodeParts;
	readonly closing: Closing;
	readonly store: Store;
	readonly network: Network & StreamSource;
}

export interface Identified {
	readonly identity: Identity;
	readonly bodies: DriveBodies;
}

/** Who it is, and its bodies. Rejects with OperatorFault where it is not let in. */
export function identify(
	given: IdentityParts,
	newLife: NewLife | undefined,
): Promise<Identified> {
	return new Identifying(given).run(newLife);
}

class Identifying {
	readonly #given: IdentityParts;

	constructor(given: IdentityParts) {
		this.#given = given;
	}

	async run(newLife: NewLife | undefined): Promise<Identified> {
		const { store, join, parts } = this.#given;
		const { random, clock } = parts;
		const known = lifeOf(store, random, clock, newLife);
		if (known !== undefined) return this.#openKnown(known);
		if (join === undefined) {
			const identity = saveIdentity(store, foundingIdentity(random));
			const bodies = await this.#openBodies(driveName(identity), 0);
			return { identity, bodies };
		}
		return this.#askToJoin(join);
	}

	async #openKnown(known: Identity): Promise<Identified> {
		const { store, parts } = this.#given;
		try {
			const bodies = await this.#openBodies(
				driveName(known),
				driveBlocks(store),
			);
			await this.#leaveCut(bodies);
			const damage =
				bodies.dropped ?? (await bodies.shortened(copiedMarks(store)));
			if (damage !== undefined) {
				parts.log.warn(
					"the body store was damaged; each body is looked for, and what is missing is fetched from peers",
					{ damage },
				);
				store.commit([[BODIES_LOST_KEY, "1"], FORGET_COPIED_MARKS]);
			}
			return { identity: known, bodies };
		} catch (error) {
			if (!(error instanceof DriveShort || error instanceof DriveCut))
				this.#putBodiesAside(error);
			// It lost its tail: never append to it again, or it would fork. What is missing is fetched from peers.
			parts.log.warn(
				"the body store lost something; a new drive is begun, and bodies are fetched from peers",
				{ error: (error as Error).message },
			);
			const identity = saveIdentity(store, {
				...known,
				drives: known.drives + 1,
			});
			store.commit([
				["meta/driveBlocks", "0"],
				[BODIES_LOST_KEY, "1"],
				FORGET_COPIED_MARKS,
			]);
			const bodies = await this.#openBodies(driveName(identity), 0);
			store.commit([cutFilesWrite(bodies.cutFiles)]);
			return { identity, bodies };
		}
	}

	/** Rejects with DriveCut, and closes them, where files were cut since each body was looked for last. */
	async #leaveCut(bodies: DriveBodies): Promise<void> {
		const known = new Set(knownCutFiles(this.#given.store));
		const cut = bodies.cutFiles.filter((each) => !known.has(each));
		if (cut.length === 0) return;
		await bodies.close();
		throw new DriveCut(cut);
	}

	/** A body store that does not open is put aside where other members have its bodies; else its fault is thrown. */
	#putBodiesAside(error: unknown): void {
		const { dataDirectory } = this.#given;
		const isDamage = error instanceof StoreDamaged;
		const known = readKnownCluster(dataDirectory);
		if (!isDamage || (known?.members.length ?? 0) === 0) throw error;
		putAside(dataDirectory, "damaged", ["bodies"]);
	}

	async #askToJoin(link: string): Promise<Identified> {
		const { store, network, self, parts } = this.#given;
		const { random, clock } = parts;
		const origin = newOrigin(random);
		const applied = { cluster: "", origin, drives: 1, founding: false };
		const bodies = await this.#openBodies(driveName(applied), 0);
		const { cluster, sources } = await askToJoin(network, clock, link, {
			...self,
			node: network.self,
			origin,
			drive: bodies.drive,
		});
		const identity = saveIdentity(store, {
			...applied,
			cluster,
			joining: sources,
		});
		return { identity, bodies };
	}

	async #openBodies(
		name: string,
		lengthBlocksAtLeast: number,
	): Promise<DriveBodies> {
		const { dataDirectory, network, closing, parts } = this.#given;
		const { clock, log } = parts;
		const bodies = await openBodies({
			directory: joinPath(dataDirectory, "bodies"),
			drive: { name, lengthBlocksAtLeast },
			streams: network,
			clock,
			log: log.child({ part: "bodies" }),
		});
		closing.add(() => bodies.close());
		return bodies;
	}
}
