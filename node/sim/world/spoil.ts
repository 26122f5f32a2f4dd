import { BATCH_ALIGNMENT, peekHeader } from '../../src/storage/walCodec.ts';
import { type SimDisk, VOLUME } from './disk.ts';
import type { Inode } from './inode.ts';
import type { Random } from './random.ts';

/**
 * Spoils something on a medium, behind its member's back. The last batch of the log is spared: once spoilt it cannot
 * be told from one that a crash tore, which no log on one disk can. Null: there was nothing to spoil.
 */
export function rot(disk: SimDisk, random: Random): string | null {
  const target = pickTarget(disk, random);
  if (target === null) return null;
  const { path, inode, from, to } = target;
  const bits = random.pick([1, 1, 1, 8]);
  const position = from + random.below(to - from);
  for (let i = 0; i < bits; i++) {
    inode.corrupt(position, (byte) => byte ^ (1 << random.below(8)));
  }
  return `${path} at byte ${position}`;
}

/** A sector that was never written where it should have been: zeros, or what another write put there. */
export function misdirect(disk: SimDisk, random: Random): string | null {
  const target = pickTarget(disk, random);
  if (target === null) return null;
  const { path, inode, from, to } = target;
  const at = from + Math.floor(random.below(to - from) / 512) * 512;
  const length = random.pick([512, 4096]);
  const foreign = random.chance(0.5) ? Buffer.from(inode.medium.subarray(from, from + length)) : null;
  for (let i = 0; i < length && at + i < to; i++) inode.corrupt(at + i, () => foreign?.[i] ?? 0);
  return `${path}, ${length} bytes from byte ${at}`;
}

interface Target {
  readonly path: string;
  readonly inode: Inode;
  readonly from: number;
  readonly to: number;
}

function pickTarget(disk: SimDisk, random: Random): Target | null {
  const targets: Target[] = [];
  for (const [path, inode] of disk.tree.files()) {
    if (path.includes('/aside-') || path.endsWith('.tmp')) continue;
    if (inode.medium.length === 0) continue;
    if (path === `${VOLUME}/identity.json` || path.startsWith(`${VOLUME}/snapshots/`)) {
      targets.push({ path, inode, from: 0, to: inode.medium.length });
    } else if (path.startsWith(`${VOLUME}/wal/`)) {
      const to = endOfSpoilable(disk, inode);
      if (to > 0) targets.push({ path, inode, from: 0, to });
    }
  }
  return targets.length === 0 ? null : random.pick(targets);
}

/** Where the last batch with a successor ends; of an older segment, all of it. */
function endOfSpoilable(disk: SimDisk, inode: Inode): number {
  const { tail } = disk.log;
  const { medium } = inode;
  let end = 0;
  let before = 0;
  for (;;) {
    const header = peekHeader(medium, end);
    if (header === null || header.bytes < BATCH_ALIGNMENT || end + header.bytes > medium.length) break;
    before = end;
    end += header.bytes;
    if (inode === tail?.inode && end >= tail.position) break;
  }
  return inode === tail?.inode ? before : end;
}
