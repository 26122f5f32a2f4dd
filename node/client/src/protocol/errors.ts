/**
 * Error codes of the wire. They are part of the protocol: append, never renumber or rename.
 *
 * `retry` says what the client library may do by itself:
 * - `resend`: nothing was proposed or the order was refused; the same (session, seq) may be sent again
 * - `no`: final for this request
 */
export const ERROR_CODES = {
  /** This member does not lead the group and could not forward; a hint may name the leader. */
  NOT_LEADER: { retry: 'resend', http: 503 },
  /** No leader is known, or the leader lost its quorum before the request was decided. */
  UNAVAILABLE: { retry: 'resend', http: 503 },
  /** A sequence number was skipped: resend from the lowest unacknowledged write. */
  SEQUENCE_GAP: { retry: 'resend', http: 409 },
  /** The slot is owned by another group since a newer slot table epoch. */
  MOVED: { retry: 'resend', http: 409 },
  /** Too much is in flight on this member. */
  OVERLOADED: { retry: 'resend', http: 429 },
  /** The session expired, was closed, or never existed in this group. */
  SESSION_EXPIRED: { retry: 'no', http: 410 },
  /** The reply was lost together with its session: the write may or may not have happened. */
  OUTCOME_UNKNOWN: { retry: 'no', http: 503 },
  /** The request's own deadline passed, or a lock was not granted within its wait. */
  TIMEOUT: { retry: 'no', http: 408 },
  /** The caller cancelled. */
  CANCELLED: { retry: 'no', http: 499 },
  /** The request is malformed; the message names the field and what is allowed. */
  INVALID_ARGUMENT: { retry: 'no', http: 400 },
  /** The request or one of its fields is larger than allowed. */
  TOO_LARGE: { retry: 'no', http: 413 },
  /** A queue, lock, waiter or member of that name does not exist. */
  NOT_FOUND: { retry: 'no', http: 404 },
  /** The lock is held by somebody else and the request did not want to wait. */
  LOCK_HELD: { retry: 'no', http: 409 },
  /** The session does not hold this lock with this token. */
  LOCK_NOT_HELD: { retry: 'no', http: 409 },
  /** The receipt is stale: the message was delivered again, acknowledged or is gone. */
  STALE_RECEIPT: { retry: 'no', http: 409 },
  /** Compare-and-set failed: somebody changed it first (roster version, declared queue). */
  CONFLICT: { retry: 'no', http: 409 },
  /** The disk of some voter is nearly full: only what frees space is accepted. */
  DISK_FULL: { retry: 'no', http: 507 },
  /** The operation is unknown to this member's version or the group's feature level. */
  UNSUPPORTED: { retry: 'no', http: 501 },
  /** The peer speaks another protocol, cluster or version. */
  PROTOCOL: { retry: 'no', http: 400 },
  /** A member found itself wrong. */
  INTERNAL: { retry: 'no', http: 500 },
} as const satisfies Record<string, { retry: 'resend' | 'no'; http: number }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}
