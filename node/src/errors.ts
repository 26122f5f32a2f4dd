import type { ErrorCode } from '@synccluster/client/protocol';

/** Codes of errors that never cross the wire: they end the process or keep a member from voting. */
export type LocalErrorCode =
  /** Configuration is missing or wrong; the message names the field. */
  | 'CONFIG'
  /** Another process uses the data directory. */
  | 'DIRECTORY_LOCKED'
  /** Stored bytes fail their checksum where a crash cannot explain it. */
  | 'DAMAGED'
  /** A write or sync failed: what is on disk is unknown, so the process must end. */
  | 'DISK_FAILED';

/** The one error class of this package. `message` is a sentence a user can act on. */
export class MemberError extends Error {
  readonly code: ErrorCode | LocalErrorCode;
  /** Member id of the leader, when `code` is NOT_LEADER and it is known; else 0. */
  readonly leader: number;
  /** SEQUENCE_GAP: the expected sequence number; else 0. */
  readonly detail: number;
  constructor(
    code: ErrorCode | LocalErrorCode,
    message: string,
    options: ErrorOptions & { leader?: number; detail?: number } = {},
  ) {
    super(message, options);
    this.name = 'MemberError';
    this.code = code;
    this.leader = options.leader ?? 0;
    this.detail = options.detail ?? 0;
  }
}

/** A core found its own state impossible, whatever the input was that brought it to light: the member must stop. */
export function isInvariant(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'INVARIANT';
}
