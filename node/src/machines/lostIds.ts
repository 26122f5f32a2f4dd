/** More than a group gives out while a survivor is behind it; 2^21 recoveries fit below 2^53. */
const SKIPPED = 2 ** 32;

/**
 * Where a counter goes on after a forced recovery: past all that the lost quorum may have given out and the survivor
 * never heard of. Such an id must never come to name something else.
 */
export function pastLost(last: number): number {
  return (Math.floor(last / SKIPPED) + 1) * SKIPPED;
}

/** Below it are the ids of queues that this group may have had under the same name before the last recovery. */
export function firstIdOf(generation: number): number {
  return Math.floor(generation / SKIPPED) * SKIPPED + 1;
}
