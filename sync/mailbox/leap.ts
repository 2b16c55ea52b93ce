/** Rule 9: how far numbers leap past what may have been told by a life that nobody can ask any more. Pure. */

const LEAP = 2 ** 20;
const LEAP_A_DAY = 2 ** 16;
const DAY_MILLISECONDS = 24 * 3600 * 1000;
/** A copy is no older than this program; more days than that would only waste UIDs. */
const DAYS_MAX = 3_650;

/** How far E and the stamps of a new life leap, whose copy is so old. */
export const leapOf = (ageMilliseconds: number): number =>
	LEAP +
	LEAP_A_DAY *
		Math.min(
			DAYS_MAX,
			Math.ceil(Math.max(0, ageMilliseconds) / DAY_MILLISECONDS),
		);
/** How far claims leap when a member is removed that may have told clients what nobody heard of. */
export const FLOOR_LEAP = LEAP;
