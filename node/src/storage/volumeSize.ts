import { mkdirSync } from 'node:fs';
import { MemberError } from '../errors.ts';
import type { FileOps } from './fileOps.ts';
import { nodeFileOps } from './nodeFileOps.ts';

const MIB = 1024 * 1024;
/** Below it, log, snapshots and what must stay free for them leave no room for data. */
const VOLUME_BYTES_MIN = 16 * MIB;
/** Reserve, two spare segments, the one that is written and the margin of two: less than half of a volume. */
const SEGMENTS_PER_VOLUME = 16;

/** The wanted size of a segment, or a smaller one where the volume is small. Throws `CONFIG` where it is too small. */
export async function segmentBytesFor(
  directory: string,
  wantedBytes: number,
  ops: FileOps = nodeFileOps,
): Promise<number> {
  mkdirSync(directory, { recursive: true });
  const total = await ops.totalBytes(directory);
  // A file system that does not say.
  if (total === 0) return wantedBytes;
  if (total < VOLUME_BYTES_MIN) {
    throw new MemberError(
      'CONFIG',
      `dataDir: the volume of ${directory} holds ${Math.floor(total / MIB)} MiB; a member needs at least ${VOLUME_BYTES_MIN / MIB} MiB`,
    );
  }
  const fitting = Math.floor(total / SEGMENTS_PER_VOLUME / MIB) * MIB;
  return Math.min(wantedBytes, Math.max(MIB, fitting));
}
