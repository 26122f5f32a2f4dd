/** Fixtures for tests of storage: not used by the member. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { GroupId, LogIndex, MemberId, Ordinal, StampMs, Term } from '@synccluster/client/protocol';
import type { MemberError } from '../../errors.ts';
import { type Entry, EntryKind, type SnapshotMeta } from '../../raft/types.ts';
import type { FileOps, OpenFile } from '../fileOps.ts';
import { unsyncedFileOps } from '../nodeFileOps.ts';
import { openStorageIn, type StorageOptions } from '../openStorage.ts';
import type { Storage, WalRecord } from '../storage.ts';

export const G0 = 0 as GroupId;
export const G1 = 1 as GroupId;
export const G2 = 2 as GroupId;

export function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'synccluster-storage-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function entry(index: number, term = 1, data: string | Uint8Array = `data ${index}/${term}`): Entry {
  return {
    index: index as LogIndex,
    term: term as Term,
    kind: EntryKind.Commands,
    stampMs: (1_700_000_000_000 + index) as StampMs,
    data: typeof data === 'string' ? Buffer.from(data) : data,
    configuration: null,
  };
}

export function entriesRecord(
  group: GroupId,
  first: number,
  last: number,
  term = 1,
  data?: Uint8Array,
): WalRecord {
  const entries: Entry[] = [];
  for (let index = first; index <= last; index++) entries.push(entry(index, term, data));
  return { type: 'entries', group, entries };
}

export function metaAt(index: number, term = 1): SnapshotMeta {
  return {
    index: index as LogIndex,
    term: term as Term,
    stampMs: (1_700_000_000_000 + index) as StampMs,
    configuration: {
      voters: [{ id: 77 as MemberId, ordinal: 0 as Ordinal }],
      learners: [{ id: 281_474_976_710_655 as MemberId, ordinal: 4 as Ordinal }],
    },
  };
}

export function compactRecord(group: GroupId, index: number, term = 1): WalRecord {
  return { type: 'compact', group, meta: metaAt(index, term), keepFrom: (index + 1) as LogIndex };
}

export function written(storage: Storage, ...records: WalRecord[]): Promise<void> {
  return new Promise((resolve) => storage.wal.write(records, resolve));
}

/** Index, term and data of what a group restored, in words. */
export function log(storage: Storage, group: GroupId): string[] {
  const entries = storage.recovered.groups.get(group)?.entries ?? [];
  return entries.map((e) => `${e.index}/${e.term} ${Buffer.from(e.data)}`);
}

export async function takeSnapshot(
  storage: Storage,
  group: GroupId,
  meta: SnapshotMeta,
  text: string,
): Promise<void> {
  const writer = await storage.snapshots.create(group, meta);
  await writer.write(Buffer.from(text));
  await writer.commit();
}

export interface Opened extends AsyncDisposable {
  readonly storage: Storage;
  readonly fatal: MemberError[];
}

/** Opens real files, without the lock, so that copies and abandoned instances do not get in the way. */
export async function openFiles(
  directory: string,
  options: Partial<StorageOptions> & { ops?: FileOps } = {},
): Promise<Opened> {
  const fatal: MemberError[] = [];
  const storage = await openStorageIn(
    {
      ops: options.ops ?? unsyncedFileOps,
      randomUpTo: (max) => Math.ceil(Math.random() * max),
      nowMs: () => 1_700_000_000_000,
      nowNs: () => performance.now() * 1e6,
      defer: (work) => setImmediate(work),
      pause: () => new Promise((resolve) => setImmediate(resolve)),
    },
    directory,
    { segmentBytes: 1024 * 1024, reserveBytes: 0, onFatal: (error) => fatal.push(error), ...options },
  );
  return { storage, fatal, [Symbol.asyncDispose]: () => storage.close() };
}

/** A step that changes the disk, before it is taken. */
export interface Step {
  readonly operation: 'create' | 'write' | 'writeSynced' | 'sync' | 'rename' | 'remove' | 'syncDirectory';
  readonly path: string;
  readonly buffers: readonly Uint8Array[];
  readonly position: number;
}

/** Real files; `before` sees each step that changes something and may throw in its place. */
export function watchedOps(before: (step: Step) => void): FileOps {
  const step = (
    operation: Step['operation'],
    path: string,
    buffers: readonly Uint8Array[] = [],
    position = 0,
  ) => before({ operation, path, buffers, position });
  const watch = (file: OpenFile, path: string): OpenFile => ({
    size: () => file.size(),
    read: (into, position) => file.read(into, position),
    close: () => file.close(),
    async write(buffers, position) {
      step('write', path, buffers, position);
      await file.write(buffers, position);
    },
    async writeSynced(buffers, position) {
      step('writeSynced', path, buffers, position);
      await file.writeSynced(buffers, position);
    },
    async sync() {
      step('sync', path);
      await file.sync();
    },
  });
  return {
    makeDirectory: (path) => unsyncedFileOps.makeDirectory(path),
    list: (path) => unsyncedFileOps.list(path),
    freeBytes: (path) => unsyncedFileOps.freeBytes(path),
    totalBytes: (path) => unsyncedFileOps.totalBytes(path),
    async open(path, mode) {
      if (mode === 'create') step('create', path);
      return watch(await unsyncedFileOps.open(path, mode), path);
    },
    async rename(from, to) {
      step('rename', from);
      await unsyncedFileOps.rename(from, to);
    },
    async remove(path) {
      step('remove', path);
      await unsyncedFileOps.remove(path);
    },
    async syncDirectory(path) {
      step('syncDirectory', path);
      await unsyncedFileOps.syncDirectory(path);
    },
  };
}

/** Files that can only be read, held in memory: for reading thousands of spoiled logs. */
export function readOnlyOps(files: ReadonlyMap<string, Uint8Array>): FileOps {
  const refuse = () => Promise.reject(new Error('reading must not change anything'));
  return {
    makeDirectory: refuse,
    rename: refuse,
    remove: refuse,
    syncDirectory: refuse,
    freeBytes: refuse,
    totalBytes: refuse,
    list: () => Promise.resolve([...files.keys()]),
    open(path) {
      const contents = files.get(basename(path));
      if (contents === undefined) return Promise.reject(new Error(`no file ${path}`));
      return Promise.resolve({
        size: () => Promise.resolve(contents.length),
        read(into, position) {
          const part = contents.subarray(position, position + into.length);
          into.set(part);
          return Promise.resolve(part.length);
        },
        write: refuse,
        writeSynced: refuse,
        sync: refuse,
        close: () => Promise.resolve(),
      });
    },
  };
}
