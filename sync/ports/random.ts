/** Randomness, real (cryptographic) or from a seed. */
export interface Random {
	bytes(length: number): Uint8Array;
}
