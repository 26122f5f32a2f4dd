import { join } from 'node:path';
import type { GroupId } from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';
import type { SnapshotMeta } from '../raft/types.ts';
import { errorCode, type FileOps } from './fileOps.ts';
import type { Reserve } from './reserve.ts';
import { SnapshotFileReader, SnapshotFileWriter } from './snapshotFile.ts';
import type { Damage, SnapshotReader, SnapshotStore, SnapshotWriter } from './storage.ts';

const NAME = /^(\d+)-(\d+)-(\d+)\.snapshot$/;

interface Stored {
  readonly name: string;
  readonly group: GroupId;
  readonly index: number;
  readonly term: number;
  readers: number;
}

/** The snapshot of a group that counts. */
interface Newest {
  readonly stored: Stored;
  readonly meta: SnapshotMeta;
}

function parseName(name: string): Stored | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const [group, index, term] = match.slice(1).map(Number) as [GroupId, number, number];
  return { name, group, index, term, readers: 0 };
}

/** The newest snapshot of each group in a directory, and older ones only while somebody reads them. */
export class FileSnapshotStore implements SnapshotStore {
  readonly #ops: FileOps;
  readonly #directory: string;
  readonly #reserve: Reserve;
  readonly #floorBytes: number;
  readonly #onFatal: (error: MemberError) => void;
  readonly #newest: Map<GroupId, Newest>;
  /** Files that are not the newest any more. */
  readonly #superseded = new Set<Stored>();
  #temporaries = 0;
  /** One at a time, so that an older snapshot never takes the place of a newer one. */
  #publishing: Promise<void> = Promise.resolve();
  readonly writable: boolean;

  constructor(options: {
    ops: FileOps;
    directory: string;
    reserve: Reserve;
    /** Left free for the log: a snapshot that would take it is refused as on a full disk. */
    floorBytes: number;
    onFatal: (error: MemberError) => void;
    found: SnapshotScan;
    writable: boolean;
  }) {
    this.#ops = options.ops;
    this.#directory = options.directory;
    this.#reserve = options.reserve;
    this.#floorBytes = options.floorBytes;
    this.#onFatal = options.onFatal;
    this.writable = options.writable;
    this.#newest = new Map(options.found.newest);
  }

  async create(group: GroupId, meta: SnapshotMeta): Promise<SnapshotWriter> {
    if (!this.writable) throw new MemberError('DAMAGED', 'a damaged member takes no snapshots');
    const temporary = join(this.#directory, `${group}-${++this.#temporaries}.tmp`);
    const file = new SnapshotFileWriter(await this.#ops.open(temporary, 'create'), this.#reserve, () =>
      this.#checkRoom(),
    );
    let open = true;
    const abort = async () => {
      if (!open) return;
      open = false;
      await file.close();
      await this.#ops.remove(temporary);
      // Given up in vain, perhaps.
      await this.#reserve.ensure();
    };
    try {
      await file.begin({ group, meta });
    } catch (error) {
      await abort();
      throw error;
    }
    return {
      write: (chunk) => file.chunk(chunk),
      commit: async () => {
        if (!open) throw new Error('the snapshot was aborted or committed');
        await file.end();
        open = false;
        await file.close();
        const published = this.#publishing.then(() => this.#publish(temporary, group, meta));
        this.#publishing = published.then(
          () => {},
          () => {},
        );
        return published;
      },
      abort,
    };
  }

  async #checkRoom(): Promise<void> {
    const free = await this.#ops.freeBytes(this.#directory);
    if (free >= this.#floorBytes) return;
    throw Object.assign(new Error(`only ${free} bytes are free, and the log needs ${this.#floorBytes}`), {
      code: 'ENOSPC',
    });
  }

  /** What is in place then: a newer one stays. */
  async #publish(temporary: string, group: GroupId, meta: SnapshotMeta): Promise<SnapshotMeta> {
    const name = `${group}-${meta.index}-${meta.term}.snapshot`;
    const before = this.#newest.get(group);
    if (before !== undefined && before.meta.index >= meta.index) {
      await this.#ops.remove(temporary);
      return before.meta;
    }
    const stored: Stored = { name, group, index: meta.index, term: meta.term, readers: 0 };
    try {
      await this.#ops.rename(temporary, join(this.#directory, name));
      this.#newest.set(group, { stored, meta });
      await this.#ops.syncDirectory(this.#directory);
    } catch (error) {
      // Whether the new name will be there after a crash is unknown: nothing may build on either snapshot.
      const failure = new MemberError('DISK_FAILED', `putting snapshot ${name} in place failed`, {
        cause: error,
      });
      this.#onFatal(failure);
      throw failure;
    }
    if (before !== undefined) {
      this.#superseded.add(before.stored);
      await this.#removeUnread(before.stored);
    }
    return meta;
  }

  async #removeUnread(stored: Stored): Promise<void> {
    if (stored.readers > 0 || !this.#superseded.delete(stored)) return;
    await this.#ops.remove(join(this.#directory, stored.name));
    await this.#reserve.ensure();
  }

  async open(group: GroupId): Promise<SnapshotReader | null> {
    const newest = this.#newest.get(group);
    if (newest === undefined) return null;
    const { stored } = newest;
    stored.readers++;
    let file: SnapshotFileReader;
    try {
      file = await SnapshotFileReader.open(this.#ops, join(this.#directory, stored.name), stored.name);
    } catch (error) {
      stored.readers--;
      throw error;
    }
    let open = true;
    return {
      meta: file.header.meta,
      sizeBytes: file.sizeBytes,
      chunks: () => file.chunks(),
      [Symbol.asyncDispose]: async () => {
        if (!open) return;
        open = false;
        stored.readers--;
        await file.close();
        await this.#removeUnread(stored);
      },
    };
  }
}

export interface SnapshotScan {
  readonly newest: ReadonlyMap<GroupId, Newest>;
  /** Older snapshots and what was never committed. */
  readonly leftovers: readonly string[];
  readonly damage: Damage | null;
}

/** Reads the newest snapshot of every group to its end; changes nothing. */
export async function scanSnapshots(ops: FileOps, directory: string): Promise<SnapshotScan> {
  const candidates = new Map<GroupId, Stored>();
  const leftovers: string[] = [];
  for (const name of (await ops.list(directory)).sort()) {
    const stored = parseName(name);
    if (stored === null) {
      if (name.endsWith('.tmp')) leftovers.push(name);
      continue;
    }
    const other = candidates.get(stored.group);
    if (other === undefined || other.index < stored.index) candidates.set(stored.group, stored);
    if (other !== undefined) leftovers.push(other.index < stored.index ? other.name : stored.name);
  }
  const newest = new Map<GroupId, Newest>();
  let damage: Damage | null = null;
  for (const [group, stored] of candidates) {
    const result = await verify(ops, directory, stored);
    if ('reason' in result) damage ??= result;
    else newest.set(group, { stored, meta: result });
  }
  return { newest, leftovers, damage };
}

async function verify(ops: FileOps, directory: string, stored: Stored): Promise<SnapshotMeta | Damage> {
  let file: SnapshotFileReader | null = null;
  try {
    file = await SnapshotFileReader.open(ops, join(directory, stored.name), stored.name);
    for await (const _ of file.chunks());
    const { group, meta } = file.header;
    if (group !== stored.group || meta.index !== stored.index || meta.term !== stored.term) {
      return { file: stored.name, offset: 0, reason: 'its header does not belong to its name' };
    }
    return meta;
  } catch (error) {
    // A disk that cannot read the file (EIO) leaves it as lost as a bad checksum does.
    const reason = error instanceof Error ? error.message : errorCode(error);
    return { file: stored.name, offset: 0, reason };
  } finally {
    await file?.close();
  }
}
