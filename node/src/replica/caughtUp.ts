import type { MemberId } from '@synccluster/client/protocol';
import type { Progress } from '../raft/types.ts';

/** One entry holds a whole batch of commands, so this many are a blink behind. */
const NEAR_ENTRIES = 64;

/** Heard of lately, streaming, and this close to the end of the log: fit to vote or to lead. */
export function isCaughtUp(progress: readonly Progress[], id: MemberId, lastIndex: number): boolean {
  const peer = progress.find((p) => p.id === id);
  if (peer === undefined) return false;
  return peer.active && peer.state === 'replicate' && peer.match + NEAR_ENTRIES >= lastIndex;
}
