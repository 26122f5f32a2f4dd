import { expect, it } from 'vitest';
import { Recorder } from '../../sim/history/index.ts';
import { outages, Timeline } from './availability.ts';

/** Successful reads at these times, of a run from 0 to 100. */
function reads(timesMs: readonly number[]) {
  let nowMs = 0;
  const recorder = new Recorder(() => nowMs);
  const clock = { monotonicMs: () => nowMs, wallMs: () => nowMs };
  for (const timeMs of timesMs) {
    nowMs = timeMs;
    recorder.invoke(1, clock, 'cacheGet', { key: 'k', level: 'any' }).ok({ version: 0, value: null });
    recorder.invoke(1, clock, 'cacheGet', { key: 'k', level: 'any' }).unknown('TIMEOUT');
  }
  return recorder.operations();
}

it('finds the longest stretch without success, and the longest that no lost quorum excuses', () => {
  const quorum = new Timeline();
  // What was before the run counts for nothing.
  quorum.note(true, -100);
  quorum.note(false, 25);
  quorum.note(false, 26);
  quorum.note(true, 60);
  const operations = reads([5, 10, 20, 75, 90]);
  const found = outages(operations, { fromMs: 0, toMs: 100 }, quorum.spans(100));
  expect(found.find(({ what }) => what === 'cache')).toEqual({
    what: 'cache',
    longest: { fromMs: 20, toMs: 75 },
    longestWithQuorum: { fromMs: 60, toMs: 75 },
  });
  expect(found.find(({ what }) => what === 'locks')?.longest).toEqual({ fromMs: 0, toMs: 100 });
});
