import type { ErrorCode } from './protocol/errors.ts';

/** An error reply as it came. */
export interface Refused {
  readonly code: ErrorCode;
  readonly message: string;
  /** Member that leads the group; 0: unknown. */
  readonly leader: number;
  readonly detail: number;
}

/** A request in a connection's table. `tag` is what the sender gave along: it tells attempts apart. */
export interface Pending {
  replied(index: number, value: readonly unknown[], tag: number): void;
  refused(refused: Refused, tag: number): void;
  /** The connection is gone: the request may or may not have been handled. */
  disconnected(tag: number): void;
  /** Called now and then: gives up if its deadline passed; true: the connection forgets it. */
  overdue(nowMs: number): boolean;
}
