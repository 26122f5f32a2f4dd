import type { MemberId, StampMs } from '@synccluster/client/protocol';

/** A reading older than this says nothing any more: the member may have been stopped and its clock set. */
const READING_MAX_AGE_MS = 60_000;

/**
 * Cluster time as this member would stamp it, from the voters' wall clocks, each carried forward by this member's
 * monotonic clock since it was received. Up to half of them wild, its own included, never pull time forward: with f
 * wild, what f others are ahead of is no later than a true clock. Of all voters that is the median, the lower one.
 */
export class ClusterClock {
  readonly #readings = new Map<MemberId, { wallMs: number; atMs: number }>();

  /** `atMs` is this member's monotonic time of receipt. */
  observe(member: MemberId, wallMs: number, atMs: number): void {
    if (Number.isFinite(wallMs)) this.#readings.set(member, { wallMs, atMs });
  }

  /** Whole milliseconds; 0, which moves nothing, while all that was heard of may be wild. */
  now(voters: readonly { readonly id: MemberId }[], atMs: number): StampMs {
    const clocks: number[] = [];
    for (const { id } of voters) {
      const reading = this.#readings.get(id);
      if (reading === undefined || atMs - reading.atMs > READING_MAX_AGE_MS) continue;
      clocks.push(reading.wallMs + (atMs - reading.atMs));
    }
    const wild = voters.length >> 1;
    if (clocks.length <= wild) return 0 as StampMs;
    clocks.sort((a, b) => a - b);
    // Of an even number the lower middle: one of two that runs ahead pulls nothing either.
    const place = Math.min(clocks.length - 1 - wild, (clocks.length - 1) >> 1);
    return Math.max(0, Math.floor(clocks[place]!)) as StampMs;
  }
}
