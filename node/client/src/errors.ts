import type { ErrorCode } from './protocol/errors.ts';
import { WireError } from './wire/wireError.ts';

/** The one error of this library. `message` is a sentence that a user can act on. */
export class SyncError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SyncError';
    this.code = code;
  }
}

/** Whatever was thrown, as a `SyncError`. */
export function asSyncError(error: unknown, fallback: ErrorCode = 'INTERNAL'): SyncError {
  if (error instanceof SyncError) return error;
  if (error instanceof WireError) return new SyncError(error.code, error.message, { cause: error });
  return new SyncError(fallback, error instanceof Error ? error.message : String(error), { cause: error });
}

export function cancelled(signal: AbortSignal): SyncError {
  return new SyncError('CANCELLED', 'the caller cancelled', { cause: signal.reason });
}
