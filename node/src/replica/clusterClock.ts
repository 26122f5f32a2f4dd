import type { MemberId, StampMs } from '@synccluster/client/protocol';

/** A reading older than this says nothing any more: the member may have been stopped and its clock set. */
const READING_MAX_AGE_MS = 60_000;

/**
 * Cluster time as this member would stamp it: the lower median of the voters' wall clocks, each carried forward
 * by this member's monotonic clock since it was received. One wild clock, its own included, moves nothing.
 */
export class ClusterClock {
  readonly #readings = new Map<MemberId, { wallMs: number; atMs: number }>();

  /** `atMs` is this member's monotonic time of receipt. */
  observe(member: MemberId, wallMs: number, atMs: number): void {
    if (Number.isFinite(wallMs)) this.#readings.set(member, { wallMs, atMs });
  }

  /** Whole milliseconds. Without a reading of any voter it is the member's own wall clock. */
  now(voters: readonly { readonly id: MemberId }[], wallMs: number, atMs: number): StampMs {
    const clocks: number[] = [];
    for (const { id } of voters) {
      const reading = this.#readings.get(id);
      if (reading === undefined || atMs - reading.atMs > READING_MAX_AGE_MS) continue;
      clocks.push(reading.wallMs + (atMs - reading.atMs));
    }
    if (clocks.length === 0) return Math.floor(wallMs) as StampMs;
    clocks.sort((a, b) => a - b);
    return Math.floor(clocks[(clocks.length - 1) >> 1]!) as StampMs;
  }
}
