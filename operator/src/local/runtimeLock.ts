import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
      for (let attempt = 0; attempt < 100; attempt += 1) {
        try {
          // Of two who link at once, one fails; the file is whole from the first moment.
          linkSync(own, path);
          return new RuntimeLock(path, content);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        }
        // Before the holder: a lock that came between is not taken for the dead one.
        const nonce = nonceOf(path);
        const holder = lockHolder(directory);
        if (holder !== null) throw new Error(`${directory} is in use by the process ${holder.pid}`);
        if (nonce !== null) removeDead(path, own, nonce);
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

/**
 * Removes a lock whose holder is gone, and only that one: another process may have taken the lock since it was looked
 * at. Whoever holds the guard named for a lock's nonce may remove the lock with that nonce, so between looking again
 * and removing nobody else can put another in its place. A guard whose holder died is passed by its own guard.
 */
function removeDead(path: string, own: string, nonce: string): void {
  const guards: string[] = [];
  for (let name = nonce; ; ) {
    const guard = `${path}.dead-${name}`;
    guards.push(guard);
    try {
      linkSync(own, guard);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const next = nonceOf(guard);
    // He is at it, or has just done it.
    if (next === null || readHolder(guard) !== null || guards.length > 10) return;
    name = next;
  }
  if (nonceOf(path) === nonce) rmSync(path, { force: true });
  for (const guard of guards) rmSync(guard, { force: true });
}

/** Null when there is no such file. */
function nonceOf(path: string): string | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return null;
  }
  try {
    const { nonce } = JSON.parse(text) as { nonce?: unknown };
    if (typeof nonce === 'number' || (typeof nonce === 'string' && /^[\w.-]+$/.test(nonce)))
      return `${nonce}`;
  } catch {
    // Damaged.
  }
  return 'damaged';
}

/** The living process that holds the directory; null when there is none. */
export function lockHolder(directory: string): LockHolder | null {
  return readHolder(join(directory, 'runtime.lock'));
}

function readHolder(path: string): LockHolder | null {
  try {
    const holder = JSON.parse(readFileSync(path, 'utf8')) as Partial<LockHolder>;
    if (typeof holder.pid !== 'number' || typeof holder.identity !== 'string') return null;
    return processIdentity(holder.pid) === holder.identity
      ? { pid: holder.pid, identity: holder.identity }
      : null;
  } catch {
    return null;
  }
}
