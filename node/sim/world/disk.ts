import { dirname } from 'node:path';
import type { FileOps, OpenFile } from '../../src/storage/fileOps.ts';
import { DurableLog } from './durableLog.ts';
import { FileTree, systemError } from './fileTree.ts';
import type { Inode } from './inode.ts';
import type { SimProcess } from './process.ts';
import type { Random } from './random.ts';
import type { Spoil } from './spoil.ts';

/** Where a member's volume is mounted. */
export const VOLUME = '/volume';
const WAL = `${VOLUME}/wal`;

export interface DiskPlan {
  readonly capacityBytes: number;
  /** Of a read or a write into the page cache. */
  readonly ioMs: number;
  /** Bounds of a sync; drawn uniform in the logarithm. */
  readonly syncMinMs: number;
  readonly syncMaxMs: number;
}

/**
 * One member's volume. It outlives processes: a killed process leaves the page cache behind, a power failure only what
 * was synced and any part of what was not.
 */
export class SimDisk {
  /** What a power failure now would leave of the log. */
  readonly log = new DurableLog();
  /** All that ever was spoilt on it. */
  readonly spoils: Spoil[] = [];
  readonly #random: Random;
  readonly #plan: DiskPlan;
  readonly #tree = new FileTree();
  /** Each of the next ones fails with EIO. */
  readonly failNext = { read: 0, write: 0, sync: 0 };
  /** Times its usual speed. */
  slowness = 1;
  /** Taken by others on the same file system. */
  foreignBytes = 0;
  /** What was under way when power failed, or when another process began, never happens any more. */
  #epoch = 0;
  /** The very errors that this disk gave to the process that runs on it. */
  readonly #failures = new Set<unknown>();
  /** Told of each error that was ordered by `failNext`, as it strikes. */
  onFailure: () => void = () => {};

  constructor(random: Random, plan: DiskPlan) {
    this.#random = random;
    this.#plan = plan;
    this.#tree.makeDirectory(VOLUME);
  }

  get tree(): FileTree {
    return this.#tree;
  }

  get freeBytes(): number {
    let used = this.foreignBytes;
    for (const [, inode] of this.#tree.files()) used += inode.length;
    return Math.max(0, this.#plan.capacityBytes - used);
  }

  /** True: this error, or one that it names as its cause, came from this disk since the process on it began. */
  hasCaused(error: unknown): boolean {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (this.#failures.has(cause)) return true;
    }
    return false;
  }

  powerFailure(): void {
    this.#epoch += 1;
    const random = this.#random;
    // How far the write-back had come: nothing, all, or anything between.
    const p = random.pick([0, 0, 0.1, 0.5, 0.9, 1]);
    for (const [, inode] of this.#tree.files()) inode.powerFailure(() => random.chance(p));
    this.#tree.powerFailure(() => random.chance(p));
  }

  /** A process starts on it: what a failed sync left in the page cache may or may not still be there. */
  beforeStart(): void {
    this.#epoch += 1;
    this.#failures.clear();
    if (!this.#random.chance(0.5)) return;
    for (const [, inode] of this.#tree.files()) if (inode.hasLost) inode.forgetLost();
  }

  /** The volume as one process sees it, for as long as it lives. */
  mount(process: SimProcess): FileOps {
    const tree = this.#tree;
    const meta = <T>(work: () => T): Promise<T> => this.#operate(process, this.#plan.ioMs, work);
    return {
      makeDirectory: (path) => meta(() => tree.makeDirectory(path)),
      list: (path) => meta(() => tree.list(path)),
      open: (path, mode) =>
        meta(() => {
          const inode = mode === 'create' ? tree.create(path) : tree.open(path);
          return this.#file(process, path, inode);
        }),
      rename: (from, to) =>
        meta(() => {
          tree.rename(from, to);
        }),
      remove: (path) => meta(() => tree.remove(path)),
      syncDirectory: (path) => {
        const { changes } = tree;
        return this.#operate(process, this.#syncMs(), () => {
          this.#maybeFail('sync', path);
          tree.syncDirectory(path, changes);
        });
      },
      freeBytes: () => meta(() => this.freeBytes),
      totalBytes: () => meta(() => this.#plan.capacityBytes),
    };
  }

  #file(process: SimProcess, path: string, inode: Inode): OpenFile {
    const { ioMs } = this.#plan;
    const inLog = dirname(path) === WAL;
    const put = (buffers: readonly Uint8Array[], position: number): number => {
      this.#maybeFail('write', path);
      let length = 0;
      for (const buffer of buffers) length += buffer.length;
      if (position + length - inode.length > this.freeBytes) {
        // Whatever still fitted may have been written.
        const first = buffers[0];
        const fits = Math.min(this.freeBytes, first?.length ?? 0);
        if (first !== undefined && fits > 0 && this.#random.chance(0.5)) {
          inode.write([first.subarray(0, this.#random.below(fits + 1))], position);
        }
        throw this.#failed('ENOSPC', path);
      }
      return inode.write(buffers, position);
    };
    const sync = (from?: number, to?: number): Promise<void> => {
      // What is written while it is under way may or may not be taken along: nobody may count on it.
      const { writes } = inode;
      return this.#operate(process, this.#syncMs(), () => {
        if (this.failNext.sync > 0) {
          const p = this.#random.pick([0, 0, 0.5]);
          inode.failSync(writes, () => this.#random.chance(p));
        }
        this.#maybeFail('sync', path);
        inode.sync(writes, from, to);
        if (inLog) this.log.synced(inode, () => this.#tree.isDurable(WAL, inode));
      });
    };
    return {
      size: () => this.#operate(process, ioMs, () => inode.length),
      read: (into, position) =>
        this.#operate(process, ioMs, () => {
          this.#maybeFail('read', path);
          return inode.read(into, position);
        }),
      write: (buffers, position) =>
        this.#operate(process, ioMs, () => {
          put(buffers, position);
        }),
      writeSynced: async (buffers, position) => {
        const end = await this.#operate(process, ioMs, () => put(buffers, position));
        await sync(position, end);
      },
      sync: () => sync(),
      close: () => this.#operate(process, ioMs, () => {}),
    };
  }

  #syncMs(): number {
    const { syncMinMs, syncMaxMs } = this.#plan;
    return this.#random.logBetween(syncMinMs, syncMaxMs) * this.slowness;
  }

  #maybeFail(kind: 'read' | 'write' | 'sync', path: string): void {
    if (this.failNext[kind] === 0) return;
    this.failNext[kind] -= 1;
    this.onFailure();
    throw this.#failed('EIO', `${kind} of ${path}`);
  }

  #failed(code: 'EIO' | 'ENOSPC', what: string): Error {
    const error = systemError(code, what);
    this.#failures.add(error);
    return error;
  }

  /** One operation. Its process may die before it is told; whether it has happened by then is open. */
  #operate<T>(process: SimProcess, takesMs: number, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!process.effect()) return;
      const epoch = this.#epoch;
      process.world.after(takesMs, () => {
        if (!process.alive && (this.#epoch !== epoch || this.#random.chance(0.5))) return;
        let value: T;
        try {
          value = work();
        } catch (error) {
          process.deliver('io', () => reject(error));
          return;
        }
        process.deliver('io', () => resolve(value));
      });
    });
  }
}
