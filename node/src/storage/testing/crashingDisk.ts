/** A disk in memory that loses, at a crash, what was not synced. For tests of storage: not used by the member. */
import { basename, dirname } from 'node:path';
import type { FileOps, OpenFile } from '../fileOps.ts';

/** A crash leaves any of an unsynced write's sectors behind, in no order. */
const SECTOR = 512;

interface Inode {
  durable: Buffer;
  /** In the order they were made; not synced. */
  pending: { readonly position: number; readonly bytes: Buffer }[];
}

/** Names of one directory, as they are and as a crash finds them at worst. */
interface Directory {
  names: Map<string, Inode>;
  durable: Map<string, Inode>;
  /** Not synced: a crash may take back any of them and leave later ones. */
  pending: ((names: Map<string, Inode>) => void)[];
}

function put(into: Buffer, position: number, bytes: Uint8Array): Buffer {
  const end = position + bytes.length;
  const contents =
    end > into.length ? Buffer.concat([into, Buffer.alloc(end - into.length)]) : Buffer.from(into);
  contents.set(bytes, position);
  return contents;
}

function current(inode: Inode): Buffer {
  return inode.pending.reduce(
    (contents, { position, bytes }) => put(contents, position, bytes),
    inode.durable,
  );
}

function notFound(path: string): Error {
  return Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' });
}

export class CrashingDisk {
  readonly #directories = new Map<string, Directory>();
  readonly #random: () => number;
  /** Changes still to come before the disk stops. */
  #left = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** After `changes` more of them the disk never answers again. */
  stopAfter(changes: number): void {
    this.#left = changes;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** What a restarted machine finds. */
  afterCrash(): CrashingDisk {
    const next = new CrashingDisk(this.#random);
    const survivors = new Map<Inode, Inode>();
    for (const [path, directory] of this.#directories) {
      const kept = new Map(directory.durable);
      for (const change of directory.pending) if (this.#random() < 0.5) change(kept);
      const names = new Map<string, Inode>();
      for (const [name, inode] of kept) {
        let survivor = survivors.get(inode);
        if (survivor === undefined) {
          survivor = { durable: this.#survive(inode), pending: [] };
          survivors.set(inode, survivor);
        }
        names.set(name, survivor);
      }
      next.#directories.set(path, { names, durable: new Map(names), pending: [] });
    }
    return next;
  }

  #survive(inode: Inode): Buffer {
    let contents = inode.durable;
    for (const { position, bytes } of inode.pending) {
      for (let from = 0; from < bytes.length; ) {
        const to = Math.min(bytes.length, from + SECTOR - ((position + from) % SECTOR));
        if (this.#random() < 0.5) contents = put(contents, position + from, bytes.subarray(from, to));
        from = to;
      }
    }
    return contents;
  }

  #directory(path: string): Directory {
    const directory = this.#directories.get(path);
    if (directory === undefined) throw notFound(path);
    return directory;
  }

  /** Takes one change, unless the disk has stopped: then it never resolves. */
  async #change(): Promise<void> {
    // Another turn of the event loop, so that what runs side by side interleaves.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#left <= 0) this.#stopped = true;
    this.#left--;
    if (this.#stopped) await new Promise(() => {});
  }

  #rename(path: string, change: (names: Map<string, Inode>) => void): void {
    const directory = this.#directory(path);
    change(directory.names);
    directory.pending.push(change);
  }

  #open(inode: Inode): OpenFile {
    const write = (buffers: readonly Uint8Array[], position: number) =>
      inode.pending.push({ position, bytes: Buffer.concat(buffers) });
    const sync = () => {
      inode.durable = current(inode);
      inode.pending = [];
    };
    return {
      size: () => Promise.resolve(current(inode).length),
      read(into, position) {
        const part = current(inode).subarray(position, position + into.length);
        into.set(part);
        return Promise.resolve(part.length);
      },
      write: async (buffers, position) => {
        await this.#change();
        write(buffers, position);
      },
      writeSynced: async (buffers, position) => {
        await this.#change();
        write(buffers, position);
        await this.#change();
        sync();
      },
      sync: async () => {
        await this.#change();
        sync();
      },
      close: () => Promise.resolve(),
    };
  }

  readonly ops: FileOps = {
    makeDirectory: (path) => {
      // Directories are there from the start and stay: their own names are not what is tried here.
      if (!this.#directories.has(dirname(path))) {
        this.#directories.set(dirname(path), { names: new Map(), durable: new Map(), pending: [] });
      }
      if (!this.#directories.has(path)) {
        this.#directories.set(path, { names: new Map(), durable: new Map(), pending: [] });
      }
      return Promise.resolve();
    },
    list: async (path) => [...this.#directory(path).names.keys()],
    open: async (path, mode) => {
      const name = basename(path);
      if (mode === 'create') {
        await this.#change();
        const inode: Inode = { durable: Buffer.alloc(0), pending: [] };
        this.#rename(dirname(path), (names) => names.set(name, inode));
        return this.#open(inode);
      }
      const inode = this.#directory(dirname(path)).names.get(name);
      if (inode === undefined) throw notFound(path);
      return this.#open(inode);
    },
    rename: async (from, to) => {
      await this.#change();
      const inode = this.#directory(dirname(from)).names.get(basename(from));
      if (inode === undefined || dirname(from) !== dirname(to)) throw notFound(from);
      this.#rename(dirname(from), (names) => {
        names.delete(basename(from));
        names.set(basename(to), inode);
      });
    },
    remove: async (path) => {
      await this.#change();
      this.#rename(dirname(path), (names) => names.delete(basename(path)));
    },
    syncDirectory: async (path) => {
      await this.#change();
      const directory = this.#directory(path);
      directory.durable = new Map(directory.names);
      directory.pending = [];
    },
    freeBytes: () => Promise.resolve(2 ** 40),
    totalBytes: () => Promise.resolve(2 ** 41),
  };
}
