import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../rig/cluster.ts';
import type { Counts } from './counts.ts';

/** What every fault works with. */
export interface Attack {
  readonly cluster: Cluster;
  readonly counts: Counts;
  /** Aborted when there are to be no more faults. */
  readonly signal: AbortSignal;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  /** To be called when something changed in what the cluster can be asked for. */
  readonly onChange: () => void;
}

export function hold({ signal }: Attack, delayMs: number): Promise<void> {
  return sleep(delayMs, undefined, { signal });
}

/** Resolves when all of them are gone. */
export async function kill(
  { cluster, counts, onChange }: Attack,
  ordinals: readonly number[],
): Promise<void> {
  const killed = await Promise.all(ordinals.map((ordinal) => cluster.member(ordinal).kill()));
  counts.kills += killed.filter(Boolean).length;
  onChange();
}

export async function start(attack: Attack, ordinals: readonly number[], gapMs = 0): Promise<void> {
  for (const [at, ordinal] of ordinals.entries()) {
    if (at > 0 && gapMs > 0) await hold(attack, gapMs);
    attack.cluster.start(ordinal);
  }
}
