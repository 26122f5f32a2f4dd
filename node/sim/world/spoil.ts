import { basename, dirname } from 'node:path';
import { BATCH_ALIGNMENT, peekHeader } from '../../src/storage/walCodec.ts';
import { segmentNumber } from '../../src/storage/walSegment.ts';
import { type SimDisk, VOLUME } from './disk.ts';
import type { Inode } from './inode.ts';
import type { Random } from './random.ts';

const IDENTITY = `${VOLUME}/identity.json`;

/** Bytes of a medium that are not what was written there. */
export interface Spoil {
  readonly path: string;
  readonly inode: Inode;
  readonly bytes: readonly { readonly position: number; readonly wrong: number }[];
}

/**
 * Spoils something on a medium, behind its member's back. The last batch of the log is spared: once spoilt it cannot
 * be told from one that a crash tore, which no log on one disk can. Null: nothing was spoilt.
 */
export function rot(disk: SimDisk, random: Random): Spoil | null {
  const target = pickTarget(disk, random);
  if (target === null) return null;
  const { path, inode, from, to } = target;
  const bits = random.pick([1, 1, 1, 8]);
  const position = from + random.below(to - from);
  let flips = 0;
  for (let i = 0; i < bits; i++) flips ^= 1 << random.below(8);
  return change(disk, path, inode, position, [(inode.medium[position] ?? 0) ^ flips]);
}

/** A sector that was never written where it should have been: zeros, or what another write put there. */
export function misdirect(disk: SimDisk, random: Random): Spoil | null {
  const target = pickTarget(disk, random);
  if (target === null) return null;
  const { path, inode, from, to } = target;
  const at = from + Math.floor(random.below(to - from) / 512) * 512;
  const length = random.pick([512, 4096]);
  const foreign = random.chance(0.5) ? Buffer.from(inode.medium.subarray(from, from + length)) : null;
  const there = Math.min(length, to - at);
  return change(
    disk,
    path,
    inode,
    at,
    Array.from({ length: there }, (_, i) => foreign?.[i] ?? 0),
  );
}

/** What is the same as before is not spoilt: zeros may come to lie on zeros. */
function change(
  disk: SimDisk,
  path: string,
  inode: Inode,
  from: number,
  bytes: readonly number[],
): Spoil | null {
  const wrong: { position: number; wrong: number }[] = [];
  for (const [i, byte] of bytes.entries()) {
    const position = from + i;
    if (inode.medium[position] === byte) continue;
    inode.corrupt(position, () => byte);
    wrong.push({ position, wrong: byte });
  }
  if (wrong.length === 0) return null;
  const spoil = { path, inode, bytes: wrong };
  disk.spoils.push(spoil);
  return spoil;
}

export function describeSpoil({ path, bytes }: Spoil): string {
  return `${path}, ${bytes.length} bytes from byte ${bytes[0]?.position ?? 0}`;
}

/**
 * What a start on this volume cannot do without and will find spoilt. Not needed any more: a segment of the log that
 * was given up or is used for another one, a snapshot that a newer one has replaced, an identity that was written anew.
 */
export function spoilsInUse(disk: SimDisk): Spoil[] {
  const files = new Map(disk.tree.files());
  return disk.spoils.filter(({ path, inode, bytes }) => {
    if (files.get(path) !== inode || isReplaced(path, [...files.keys()])) return false;
    // The line's end after an identity is none of it.
    const end = path === IDENTITY ? inode.length - 1 : inode.length;
    return bytes.some(({ position, wrong }) => position < end && inode.byteAt(position) === wrong);
  });
}

const SNAPSHOT = /^(.*\/snapshots\/\d+)-(\d+)-\d+\.snapshot$/;

/** There is a newer snapshot of the same group. */
function isReplaced(path: string, others: readonly string[]): boolean {
  const [, group, index] = SNAPSHOT.exec(path) ?? [];
  if (group === undefined) return false;
  return others.some((other) => {
    const [, otherGroup, otherIndex] = SNAPSHOT.exec(other) ?? [];
    return otherGroup === group && Number(otherIndex) > Number(index);
  });
}

interface Target {
  readonly path: string;
  readonly inode: Inode;
  readonly from: number;
  readonly to: number;
}

function pickTarget(disk: SimDisk, random: Random): Target | null {
  const targets: Target[] = [];
  const tail = tailOf(disk);
  for (const [path, inode] of disk.tree.files()) {
    if (path.includes('/aside-') || path.endsWith('.tmp')) continue;
    if (inode.medium.length === 0) continue;
    if (path === IDENTITY || path.startsWith(`${VOLUME}/snapshots/`)) {
      targets.push({ path, inode, from: 0, to: inode.medium.length });
    } else if (tail !== null && dirname(path) === `${VOLUME}/wal`) {
      const to = endOfSpoilable(path, inode, tail);
      if (to > 0) targets.push({ path, inode, from: 0, to });
    }
  }
  return targets.length === 0 ? null : random.pick(targets);
}

/**
 * Where the last batch with a successor ends; of a segment before the log's last one, all of it. Behind that lies what
 * an earlier use of the file left there, and nobody needs it. 0: nothing of this file is part of the log.
 */
function endOfSpoilable(path: string, inode: Inode, tail: Tail): number {
  const number = segmentNumber(basename(path));
  if (number === null || number > tail.number) return 0;
  const { medium } = inode;
  let end = 0;
  let before = 0;
  for (;;) {
    const header = peekHeader(medium, end);
    if (header === null || header.bytes < BATCH_ALIGNMENT || end + header.bytes > medium.length) break;
    if (header.segment !== number) break;
    before = end;
    end += header.bytes;
    if (number === tail.number && end >= tail.position) break;
  }
  return number === tail.number ? before : end;
}

interface Tail {
  readonly number: number;
  /** Where its last batch ends. */
  readonly position: number;
}

/** The log's last segment; null: it is just being replaced. */
function tailOf(disk: SimDisk): Tail | null {
  const { tail } = disk.log;
  if (tail === null) return null;
  for (const [path, inode] of disk.tree.files()) {
    const number = dirname(path) === `${VOLUME}/wal` ? segmentNumber(basename(path)) : null;
    if (inode === tail.inode && number !== null) return { number, position: tail.position };
  }
  return null;
}
