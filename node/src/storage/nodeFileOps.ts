import {
  close,
  constants,
  fdatasync,
  fstat,
  fsync,
  mkdir,
  open,
  read,
  readdir,
  rename,
  statfs,
  unlink,
  write,
  writev,
} from 'node:fs';
import { errorCode, type FileOps, type OpenFile } from './fileOps.ts';

/**
 * One write through O_DSYNC costs one hop to the thread pool, a write and an fdatasync two: 1.05 to 1.23 times
 * the median and twice the 99th percentile, from 512 B to 64 KiB on preallocated files. Elsewhere than on Linux
 * O_DSYNC does not reach past the drive's cache (macOS) or does not exist.
 */
const SYNC_ON_WRITE = process.platform === 'linux';

function call(start: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)));
  });
}

function result<T>(
  start: (done: (error: NodeJS.ErrnoException | null, value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(error)));
  });
}

/** What is left of `buffers` behind the first `written` bytes. */
function remainder(buffers: readonly Uint8Array[], written: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let skip = written;
  for (const buffer of buffers) {
    if (skip >= buffer.length) {
      skip -= buffer.length;
    } else {
      left.push(skip === 0 ? buffer : buffer.subarray(skip));
      skip = 0;
    }
  }
  return left;
}

class NodeFile implements OpenFile {
  readonly #fd: number;
  readonly #syncs: boolean;
  /** `syncs` is false where O_DSYNC does it, or where nobody wants it. */
  constructor(fd: number, syncs: boolean) {
    this.#fd = fd;
    this.#syncs = syncs;
  }

  async size(): Promise<number> {
    const stats = await result<{ size: number }>((done) => fstat(this.#fd, done));
    return stats.size;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const count = await result<number>((done) =>
        read(this.#fd, into, filled, into.length - filled, position + filled, done),
      );
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let left = buffers;
    let at = position;
    for (;;) {
      const first = left[0];
      if (first === undefined) return;
      const total = left.reduce((sum, buffer) => sum + buffer.length, 0);
      if (total === 0) return;
      const written = await result<number>((done) =>
        left.length === 1
          ? write(this.#fd, first, 0, first.length, at, done)
          : writev(this.#fd, left as Uint8Array[], at, done),
      );
      if (written === total) return;
      left = remainder(left, written);
      at += written;
    }
  }

  async writeSynced(buffers: readonly Uint8Array[], position: number): Promise<void> {
    await this.write(buffers, position);
    if (this.#syncs) await call((done) => fdatasync(this.#fd, done));
  }

  async sync(): Promise<void> {
    if (this.#syncs) await call((done) => fsync(this.#fd, done));
  }

  close(): Promise<void> {
    return call((done) => close(this.#fd, done));
  }
}

function createFileOps(durable: boolean): FileOps {
  const syncsOnWrite = durable && SYNC_ON_WRITE;
  const flags = {
    read: constants.O_RDONLY,
    create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
    log: constants.O_RDWR | (syncsOnWrite ? constants.O_DSYNC : 0),
  } as const;
  return {
    makeDirectory: (path) => call((done) => mkdir(path, { recursive: true }, (error) => done(error))),
    list: (path) => result<string[]>((done) => readdir(path, done)),
    async open(path, mode) {
      const fd = await result<number>((done) => open(path, flags[mode], 0o600, done));
      return new NodeFile(fd, durable && !(mode === 'log' && syncsOnWrite));
    },
    rename: (from, to) => call((done) => rename(from, to, done)),
    async remove(path) {
      try {
        await call((done) => unlink(path, done));
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw error;
      }
    },
    async syncDirectory(path) {
      // Windows has no way to sync a directory, and orders its metadata itself.
      if (!durable || process.platform === 'win32') return;
      const fd = await result<number>((done) => open(path, constants.O_RDONLY, done));
      try {
        await call((done) => fsync(fd, done));
      } finally {
        await call((done) => close(fd, done));
      }
    },
    async freeBytes(path) {
      const stats = await result<{ bavail: number; bsize: number }>((done) => statfs(path, done));
      return stats.bavail * stats.bsize;
    },
    async totalBytes(path) {
      const stats = await result<{ blocks: number; bsize: number }>((done) => statfs(path, done));
      return stats.blocks * stats.bsize;
    },
  };
}

export const nodeFileOps = createFileOps(true);
/** Syncs nothing: for tests that do not outlive the page cache. */
export const unsyncedFileOps = createFileOps(false);
