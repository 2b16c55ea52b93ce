/** The machine's clock and randomness, for composition, which passes them on as ports. */
export { realClock as systemClock } from "../sync/real/clock.ts";
export { realRandom as systemRandom } from "../sync/real/random.ts";
