import { type ErrorCode, SyncError } from '@synccluster/client';
import type { OutcomeKind } from '../history/operations.ts';

/**
 * Errors after which the operation has certainly not happened and never will: apply gives them as its answer, or the
 * request was refused before it was proposed and its sequence number spent on nothing. After any other it may have.
 */
const REFUSED: ReadonlySet<ErrorCode> = new Set([
  'LOCK_HELD',
  'LOCK_NOT_HELD',
  'NOT_FOUND',
  'STALE_RECEIPT',
  'CONFLICT',
  'INVALID_ARGUMENT',
  'TOO_LARGE',
  'DISK_FULL',
  'OVERLOADED',
  'UNSUPPORTED',
]);

export interface Failure {
  readonly outcome: Exclude<OutcomeKind, 'ok'>;
  readonly error: ErrorCode;
}

/** Throws what is no error of the library: the workload itself is wrong. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof SyncError)) throw error;
  return { outcome: REFUSED.has(error.code) ? 'fail' : 'unknown', error: error.code };
}
