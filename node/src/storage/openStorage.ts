import { randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MemberError } from '../errors.ts';
import { lockDirectory } from './directoryLock.ts';
import type { FileOps } from './fileOps.ts';
import { IDENTITY_FILE, isDamage, loadIdentity, MEMBER_ID_MAX, saveIdentity } from './identity.ts';
import { LiveLog } from './liveLog.ts';
import { NO_LOGGER, type StorageLogger } from './logger.ts';
import { nodeFileOps } from './nodeFileOps.ts';
import { Reserve } from './reserve.ts';
import { type Restored, restoreGroups } from './restore.ts';
import { setAside } from './setAside.ts';
import { FileSnapshotStore, type SnapshotScan, scanSnapshots } from './snapshotStore.ts';
import type { Damage, Identity, Storage, Wal } from './storage.ts';
import { FileWal } from './wal.ts';
import { type RecoveredLog, recoverLog } from './walRecovery.ts';
import { createSegment, renewSegment } from './walSegment.ts';

export interface StorageOptions {
  /** Size from which a segment of the log is closed and the next one begun. */
  readonly segmentBytes: number;
  /** Written in advance and given up when the disk is full; 0 on a volume in memory. */
  readonly reserveBytes: number;
  /** A write or sync failed: nothing is durable any more, and the process must end. Called at most once. */
  readonly onFatal: (error: MemberError) => void;
  readonly logger?: StorageLogger;
}

/** What storage takes from its surroundings besides files. */
export interface StorageWorld {
  readonly ops: FileOps;
  /** Uniform in [1, max]. */
  readonly randomUpTo: (max: number) => number;
  readonly nowMs: () => number;
  readonly nowNs: () => number;
  /** Runs `work` once the events that are ready have been handled. */
  readonly defer: (work: () => void) => void;
  /** Resolves when a full disk is worth another try. */
  readonly pause: () => Promise<void>;
}

const FULL_DISK_PAUSE_MS = 100;

const realWorld: StorageWorld = {
  ops: nodeFileOps,
  // Node draws below 2^48 at most, which is all that an id may have.
  randomUpTo: (max) => 1 + randomInt(max),
  nowMs: () => Date.now(),
  nowNs: () => Number(process.hrtime.bigint()),
  defer: (work) => setImmediate(work),
  pause: () => new Promise((resolve) => setTimeout(resolve, FULL_DISK_PAUSE_MS)),
};

/**
 * Opens a member's data directory and keeps it from every other process until it is closed. Throws
 * `DIRECTORY_LOCKED`; damage is no error but stands in `recovered.damage`, and nothing is changed then.
 */
export async function openStorage(directory: string, options: StorageOptions): Promise<Storage> {
  mkdirSync(directory, { recursive: true });
  const lock = lockDirectory(directory);
  try {
    const storage = await openStorageIn(realWorld, directory, options);
    return {
      ...storage,
      get identity() {
        return storage.identity;
      },
      close: async () => {
        try {
          await storage.close();
        } finally {
          lock.release();
        }
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** As `openStorage`, in any world, and without the lock. */
export async function openStorageIn(
  world: StorageWorld,
  directory: string,
  options: StorageOptions,
): Promise<Storage> {
  const { ops } = world;
  const logger = options.logger ?? NO_LOGGER;
  const walDirectory = join(directory, 'wal');
  const snapshotDirectory = join(directory, 'snapshots');
  let dead = false;
  const onFatal = (error: MemberError) => {
    if (dead) return;
    dead = true;
    options.onFatal(error);
  };
  await ops.makeDirectory(walDirectory);
  await ops.makeDirectory(snapshotDirectory);

  const found = await loadIdentity(ops, directory);
  const log = await recoverLog(ops, walDirectory);
  const scan = await scanSnapshots(ops, snapshotDirectory);
  const restored = restoreGroups(log, scan);
  const damage = firstDamage(found, log, scan, restored);
  const reserve = new Reserve(ops, directory, options.reserveBytes, logger);
  await reserve.load();
  const snapshots = new FileSnapshotStore({
    ops,
    directory: snapshotDirectory,
    reserve,
    floorBytes: options.segmentBytes,
    onFatal,
    found: scan,
    writable: damage === null,
  });

  let identity: Identity;
  let wal: Wal;
  if (damage !== null) {
    logger.warn({ damage }, 'the volume is damaged: this member will not vote');
    // An id that could not be read is replaced for as long as this process lives, so that it can be talked to.
    const known = found !== null && !isDamage(found);
    identity = known ? found : newIdentity(world);
    wal = refusingWal(damage);
  } else {
    await removeLeftovers(ops, walDirectory, log.unused);
    await removeLeftovers(ops, snapshotDirectory, scan.leftovers);
    await ops.syncDirectory(snapshotDirectory);
    wal = await openWal(world, walDirectory, options, onFatal, log, restored, reserve);
    // The log's first segment is there before the identity: an identity without a log means that it was lost.
    identity = (found as Identity | null) ?? newIdentity(world);
    if (found === null) await saveIdentity(ops, directory, identity);
    void reserve.ensure();
  }

  const become = async (next: Identity): Promise<void> => {
    if (damage !== null) throw damageError(damage);
    await reserve.spend(() => saveIdentity(ops, directory, next));
    identity = next;
  };
  let closing: Promise<void> | null = null;
  const closeFiles = () => {
    closing ??= wal.close().then(() => reserve.settle());
    return closing;
  };
  const groups = new Map([...restored.groups].map(([group, { state }]) => [group, state]));
  return {
    wal,
    snapshots,
    recovered: { groups, damage, tornBytes: log.tornBytes },
    get identity() {
      return identity;
    },
    async adopt(clusterId) {
      if (damage === null && identity.clusterId === clusterId) return;
      await become({ ...identity, clusterId });
    },
    startRecovery: (clusterId) => become({ ...identity, clusterId, recovering: true }),
    endRecovery: () => become({ ...identity, recovering: false }),
    async freeBytes() {
      return Math.max(0, (await ops.freeBytes(directory)) - reserve.missingBytes);
    },
    async setAside() {
      await closeFiles();
      const target = await setAside(ops, directory, world.nowMs());
      logger.info({ target }, 'the volume was set aside');
    },
    close: closeFiles,
  };
}

function newIdentity(world: StorageWorld): Identity {
  return { memberId: world.randomUpTo(MEMBER_ID_MAX), clusterId: null, recovering: false };
}

function firstDamage(
  found: Identity | Damage | null,
  log: RecoveredLog,
  scan: SnapshotScan,
  restored: Restored,
): Damage | null {
  if (found !== null && isDamage(found)) return found;
  if (log.damage !== null) return { ...log.damage, file: `wal/${log.damage.file}` };
  if (found === null && restored.groups.size > 0) {
    return { file: IDENTITY_FILE, offset: 0, reason: 'it is missing, but there is data' };
  }
  if (found !== null && log.segments.length === 0) {
    return { file: 'wal', offset: 0, reason: 'there is an identity, but no log' };
  }
  if (scan.damage !== null) return { ...scan.damage, file: `snapshots/${scan.damage.file}` };
  return restored.damage;
}

async function removeLeftovers(ops: FileOps, directory: string, names: readonly string[]): Promise<void> {
  const temporary = (await ops.list(directory)).filter((name) => name.endsWith('.tmp'));
  for (const name of new Set([...names, ...temporary])) await ops.remove(join(directory, name));
}

async function openWal(
  world: StorageWorld,
  directory: string,
  options: StorageOptions,
  onFatal: (error: MemberError) => void,
  log: RecoveredLog,
  restored: Restored,
  reserve: Reserve,
): Promise<Wal> {
  const { ops } = world;
  const { segmentBytes } = options;
  const live = new LiveLog();
  for (const [group, { state, segments }] of restored.groups) live.restore(group, state, segments);
  const last = log.segments.at(-1);
  const tail =
    last === undefined
      ? await createSegment(ops, directory, 1, segmentBytes, null)
      : await renewSegment(ops, directory, last.number, log.tail, segmentBytes);
  // Until the storage is handed out, a failure is its opening's.
  let refuse: ((error: MemberError) => void) | null = null;
  const wal = new FileWal({
    ops,
    directory,
    segmentBytes,
    salt: log.salt ?? world.randomUpTo(0xffff_ffff),
    reserve,
    older: log.segments.slice(0, -1),
    tail,
    nextBatch: log.nextBatch,
    live,
    onFatal: (error) => (refuse ?? onFatal)(error),
    defer: world.defer,
    nowNs: world.nowNs,
    pause: world.pause,
    logger: options.logger ?? NO_LOGGER,
  });
  if (last === undefined || restored.records.length > 0) {
    await new Promise<void>((resolve, reject) => {
      refuse = reject;
      wal.write(restored.records, resolve);
    });
    refuse = null;
  }
  return wal;
}

function damageError(damage: Damage): MemberError {
  return new MemberError('DAMAGED', `${damage.file} is damaged at byte ${damage.offset}: ${damage.reason}`);
}

/** Nothing is ever added to a log that has lost something. */
function refusingWal(damage: Damage): Wal {
  return {
    write() {
      throw damageError(damage);
    },
    close: () => Promise.resolve(),
    stats: { batches: 0, syncs: 0, bytes: 0, entries: 0, segments: 0, drainSyncNs: () => [] },
  };
}
