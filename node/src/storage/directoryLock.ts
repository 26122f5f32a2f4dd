import { join } from 'node:path';
import { MemberError } from '../errors.ts';

export const LOCK_FILE = 'lock.sqlite';

/** Node warns at every start that its SQLite is experimental: loaded here without that line on stderr. */
const { DatabaseSync } = (() => {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
})();

export interface DirectoryLock {
  release(): void;
}

/**
 * Keeps a data directory for this process, by an exclusive transaction that is never committed: the system takes
 * the lock back however the process ends, so there is no stale lock to clear. Throws `DIRECTORY_LOCKED` when
 * another process has it. Node has no flock of its own; its SQLite has.
 */
export function lockDirectory(directory: string): DirectoryLock {
  let database: InstanceType<typeof DatabaseSync> | null = null;
  try {
    database = new DatabaseSync(join(directory, LOCK_FILE), { timeout: 0 });
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    // SQLITE_BUSY
    if (error instanceof Error && 'errcode' in error && error.errcode === 5) {
      throw new MemberError('DIRECTORY_LOCKED', `another process uses the data directory ${directory}`, {
        cause: error,
      });
    }
    throw new MemberError('CONFIG', `dataDir: ${directory} cannot be locked: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const held = database;
  return { release: () => held.close() };
}
