import type { StampMs, Token } from '@synccluster/client/protocol';
import { invariant } from './invariant.ts';

const PER_MILLISECOND = 1024;
/** Stamps from here on would pass 2^53; they only count on from the last token. */
const STAMP_END = 2 ** 43;

/**
 * Fencing tokens and versions of a group. They follow the clock, so that they keep rising over a state that was
 * lost and founded anew, and count on when the clock stands still.
 */
export class Tokens {
  last = 0;

  next(stampMs: StampMs): Token {
    const floor = stampMs < STAMP_END ? stampMs * PER_MILLISECOND : 0;
    const token = Math.max(this.last + 1, floor);
    invariant(Number.isSafeInteger(token), 'a token is a safe integer');
    this.last = token;
    return token as Token;
  }
}
