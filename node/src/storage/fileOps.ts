/**
 * All that storage asks of a file system, so that one with faults can stand in its place. Every promise rejects
 * with an error that carries a `code` such as `ENOENT` or `ENOSPC`.
 */
export interface FileOps {
  /** With missing parents; no error when it is there already. */
  makeDirectory(path: string): Promise<void>;
  /** Names in it, in no order. */
  list(path: string): Promise<string[]>;
  /**
   * `read`: must exist. `create`: made anew, emptied if it is there. `log`: must exist; for reading and for
   * `writeSynced`.
   */
  open(path: string, mode: 'read' | 'create' | 'log'): Promise<OpenFile>;
  /** Replaces what is at `to`; durable only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  /** No error when it is gone already. */
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Bytes an unprivileged process can still write on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>;
  /** Size of that file system; 0 when it does not say. */
  totalBytes(path: string): Promise<number>;
}

export interface OpenFile {
  size(): Promise<number>;
  /** Fills `into` from `position`; fewer bytes only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** All of it, or it rejects and any part of it may have been written. Durable after `sync`. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** As `write`, and durable when it resolves. Only on a file opened as `log`. */
  writeSynced(buffers: readonly Uint8Array[], position: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The system's code of an error (`ENOENT`), or an empty string. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** No space or no quota left. */
export function isFullDisk(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}
