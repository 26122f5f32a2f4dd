import type { SmallVolume } from '../rig/smallVolume.ts';
import { type Attack, hold, kill, start } from './attack.ts';

const REFILL_MS = 100;
/** A period counts if this share of it went by without a free byte. */
const FULL_SHARE = 1 / 4;

/** The member whose volume can be filled. */
export interface SmallMember {
  readonly ordinal: number;
  readonly volume: SmallVolume;
}

/** Keeps the volume full to the last byte for a time, and kills and starts its member meanwhile. */
export async function fillDisk(
  attack: Attack,
  { ordinal, volume }: SmallMember,
  holdMs: number,
  killAfterMs: number,
): Promise<void> {
  const { counts, log } = attack;
  let fullMs = 0;
  const keepFull = async (forMs: number): Promise<void> => {
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs) {
      volume.fill();
      // What a member gives up, its reserve and spare segments, is taken from it as well.
      await hold(attack, REFILL_MS);
      if (volume.freeBytes === 0) fullMs += REFILL_MS;
    }
  };
  try {
    await keepFull(killAfterMs);
    await kill(attack, [ordinal]);
    volume.fill();
    if (volume.freeBytes === 0) counts.startsOnFullDisk += 1;
    await start(attack, [ordinal]);
    await keepFull(holdMs - killAfterMs);
  } finally {
    volume.free();
    log('disk freed', { ordinal, fullMs });
  }
  if (fullMs > holdMs * FULL_SHARE) counts.diskFullPeriods += 1;
}
