import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processIdentity } from './processIdentity.ts';

export interface LockHolder {
  readonly pid: number;
  readonly identity: string;
}

/** Keeps a directory to one runtime at a time; the lock of a process that is gone does not count. */
export class RuntimeLock {
  readonly #path: string;
  readonly #content: string;

  private constructor(path: string, content: string) {
    this.#path = path;
    this.#content = content;
  }

  /** Throws, naming the holder's pid, when the directory is in use. */
  static take(directory: string): RuntimeLock {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, 'runtime.lock');
    const identity = processIdentity(process.pid) ?? '';
    const content = JSON.stringify({ pid: process.pid, identity, nonce: Math.random() });
    const own = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
    writeFileSync(own, content);
    try {
      for (let attempt = 0; attempt < 5; attempt += 1) {
        try {
          // Of two who link at once, one fails; the file is whole from the first moment.
          linkSync(own, path);
          return new RuntimeLock(path, content);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        }
        const holder = lockHolder(directory);
        if (holder !== null) throw new Error(`${directory} is in use by the process ${holder.pid}`);
        // Renamed away first: of two who find a dead lock, one moves it and the other finds nothing to move.
        try {
          renameSync(path, `${own}.stale`);
          rmSync(`${own}.stale`, { force: true });
        } catch {
          // The other one did.
        }
      }
      throw new Error(`${directory} could not be locked`);
    } finally {
      rmSync(own, { force: true });
    }
  }

  release(): void {
    try {
      if (readFileSync(this.#path, 'utf8') === this.#content) rmSync(this.#path, { force: true });
    } catch {
      // Gone with the directory.
    }
  }
}

/** The living process that holds the directory; null when there is none. */
export function lockHolder(directory: string): LockHolder | null {
  try {
    const holder = JSON.parse(readFileSync(join(directory, 'runtime.lock'), 'utf8')) as Partial<LockHolder>;
    if (typeof holder.pid !== 'number' || typeof holder.identity !== 'string') return null;
    return processIdentity(holder.pid) === holder.identity
      ? { pid: holder.pid, identity: holder.identity }
      : null;
  } catch {
    return null;
  }
}
