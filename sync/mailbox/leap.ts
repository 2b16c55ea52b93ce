/** Rule 9: how far numbers leap past what may have been told by a life that nobody can ask any more. Pure. */

const LEAP = 2 ** 20;
const LEAP_A_DAY = 2 ** 16;
const DAY_MILLISECONDS = 24 * 3600 * 1000;
/** A copy is no older than this program; more days than that would only waste UIDs. */
const DAYS_MAX = 3_650;

/** A copy may be put back twice within minutes: the second leap must clear what was told after the first, in bursts, too. */
const LEAP_A_SECOND = 1_024;
const MINUTES_MILLISECONDS = 10 * 60 * 1000;

/** How far E and the stamps of a new life leap, whose copy is so old: further, the older it is, by day and at first by second. */
export function leapOf(ageMilliseconds: number): number {
	const age = Math.max(0, ageMilliseconds);
	const days = Math.min(DAYS_MAX, age / DAY_MILLISECONDS);
	const seconds = Math.min(MINUTES_MILLISECONDS, age) / 1000;
	return (
		LEAP + Math.ceil(LEAP_A_DAY * days) + Math.ceil(LEAP_A_SECOND * seconds)
	);
}
/** How far claims leap when a member is removed that may have told clients what nobody heard of. */
export const FLOOR_LEAP = LEAP;
/** And once more where its slots become another's: above what it numbered and told while some had not heard of its removal. */
export const VACATED_LEAP = 2 ** 16;
