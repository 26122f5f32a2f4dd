import { type Attack, hold, kill, start } from './attack.ts';
import type { ProcessFault } from './faults.ts';

/** Further off than members' clocks are apart otherwise. */
const WILD_MS = 10_000;

export async function processFault(
  attack: Attack,
  fault: ProcessFault,
  ranked: readonly number[],
  holdMs: number,
): Promise<void> {
  const { cluster } = attack;
  switch (fault.kind) {
    case 'kill':
    case 'killAll':
      await kill(attack, ranked);
      await hold(attack, holdMs);
      await start(attack, ranked, fault.gapMs);
      return;
    case 'killTwice':
      await kill(attack, ranked);
      await start(attack, ranked);
      await hold(attack, fault.againAfterMs);
      await kill(attack, ranked);
      await hold(attack, holdMs);
      await start(attack, ranked);
      return;
    case 'pause':
      pause(attack, ranked);
      await hold(attack, holdMs);
      resume(attack, ranked);
      return;
    case 'pauseAndKillOthers': {
      pause(attack, ranked);
      await hold(attack, holdMs / 2);
      const others = cluster.active.filter((ordinal) => !ranked.includes(ordinal));
      await kill(attack, others);
      await start(attack, others);
      await hold(attack, holdMs / 2);
      resume(attack, ranked);
      return;
    }
    case 'terminate':
      await Promise.all(ranked.map((ordinal) => terminate(attack, ordinal)));
      await hold(attack, holdMs);
      await start(attack, ranked);
      return;
    case 'wildClock':
      await wildClock(attack, ranked[0] as number, fault, holdMs);
      return;
  }
}

function pause({ cluster, counts, onChange }: Attack, ordinals: readonly number[]): void {
  for (const ordinal of ordinals) if (cluster.member(ordinal).pause()) counts.pauses += 1;
  onChange();
}

function resume({ cluster, onChange }: Attack, ordinals: readonly number[]): void {
  for (const ordinal of ordinals) cluster.member(ordinal).resume();
  onChange();
}

async function terminate({ cluster, counts, onChange }: Attack, ordinal: number): Promise<void> {
  if (await cluster.member(ordinal).terminate()) counts.terminations += 1;
  onChange();
}

/** One wild clock must move nothing; of two, no median helps: who had one before is back in time first. */
async function wildClock(
  attack: Attack,
  wild: number,
  { skewMs, othersSkewMs }: { readonly skewMs: number; readonly othersSkewMs: number },
  holdMs: number,
): Promise<void> {
  const { cluster, counts } = attack;
  const skews = cluster.clockSkewsMs;
  const wildBefore = skews.flatMap((before, ordinal) => (Math.abs(before) > WILD_MS ? [ordinal] : []));
  for (const ordinal of skews.keys()) skews[ordinal] = ordinal % 2 === 0 ? othersSkewMs : -othersSkewMs;
  // Until its process is gone, a clock is wild whatever is planned for it.
  await kill(attack, wildBefore);
  skews[wild] = skewMs;
  await kill(attack, [wild]);
  await hold(attack, holdMs);
  await start(attack, [...wildBefore, wild]);
  // One that leaves the cluster is not started again.
  if (cluster.member(wild).isRunning) counts.wildClocks += 1;
}
