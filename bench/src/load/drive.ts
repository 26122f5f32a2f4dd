import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Recorder } from './recorder.ts';

export interface Pace {
  readonly lanes: number;
  /** Null: bounded by `durationMs` or by `stopped`. */
  readonly operations: number | null;
  readonly durationMs: number | null;
  /** Open loop: operations begin at this rate whatever the answers do, as long as a lane is free. */
  readonly ratePerS: number | null;
  /** Nanoseconds since the common start. */
  now(): number;
  stopped(): boolean;
}

/** Does operation `index` and resolves with how many operations that was; 0 is not recorded. */
export type Step = (lane: number, index: number) => Promise<number>;

const YIELD_EVERY = 1024;
const ERROR_PAUSE_MAX_MS = 50;

/**
 * Keeps `lanes` operations outstanding until the work, the time or the patience is used up.
 *
 * In the open loop an operation's latency counts from the moment it *should* have begun, so a stall is paid for by
 * every operation it held up and not just by those that happened to be outstanding (coordinated omission).
 */
export async function drive(step: Step, pace: Pace, recorder: Recorder): Promise<void> {
  let next = 0;
  const endNs = pace.durationMs === null ? Number.POSITIVE_INFINITY : pace.durationMs * 1e6;
  const operations = pace.operations ?? Number.POSITIVE_INFINITY;
  const intervalNs = pace.ratePerS === null ? null : 1e9 / pace.ratePerS;

  const lane = async (number: number): Promise<void> => {
    let inARow = 0;
    let errorsInARow = 0;
    while (next < operations && !pace.stopped()) {
      const index = next++;
      let begunNs = pace.now();
      if (intervalNs !== null) {
        const intendedNs = index * intervalNs;
        if (intendedNs >= endNs) return;
        if (intendedNs > begunNs) await until(intendedNs, pace);
        begunNs = intendedNs;
      }
      if (begunNs >= endNs) return;
      try {
        const done = await step(number, index);
        const endedNs = pace.now();
        if (done > 0) recorder.record(endedNs, endedNs - begunNs, done);
        errorsInARow = 0;
      } catch (error) {
        recorder.error(error);
        errorsInARow++;
        // A target that refuses at once must not turn the loop into a spin that starves its own sockets.
        await sleep(Math.min(errorsInARow, ERROR_PAUSE_MAX_MS));
      }
      // Answers that need no I/O would keep the event loop in microtasks for ever.
      if (++inARow % YIELD_EVERY === 0) await nextTurn();
    }
  };

  const lanes: Promise<void>[] = [];
  for (let number = 0; number < pace.lanes; number++) lanes.push(lane(number));
  await Promise.all(lanes);
}

/** Never returns early, as a timer alone may. */
export async function until(atNs: number, pace: Pick<Pace, 'now' | 'stopped'>): Promise<void> {
  for (;;) {
    const leftMs = (atNs - pace.now()) / 1e6;
    if (leftMs <= 0 || pace.stopped()) return;
    // Timers are a millisecond coarse: the last stretch is polled.
    if (leftMs > 2) await sleep(Math.min(leftMs - 1, 100));
    else await nextTurn();
  }
}
