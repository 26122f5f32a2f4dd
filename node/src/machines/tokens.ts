import type { StampMs, Token } from '@synccluster/client/protocol';
import { invariant } from './invariant.ts';

const PER_MILLISECOND = 1024;
/** What a recovery puts between tokens and the clock: 70 minutes of them; 2^21 recoveries fit below 2^53. */
const RECOVERY_AHEAD = 2 ** 32;

/**
 * Fencing tokens and versions of a group. They follow the clock, so that they keep rising over a state that was
 * lost and founded anew, and count on when the clock stands still.
 */
export class Tokens {
  last = 0;
  /**
   * How far tokens run ahead of the clock. The lost quorum may have given out some that the survivor never heard of, by
   * a clock that was ahead of the survivor's: the difference has to stay below what each recovery adds.
   */
  ahead = 0;

  next(stampMs: StampMs): Token {
    const floor = stampMs * PER_MILLISECOND + this.ahead;
    // Stamps that would pass 2^53 count on from the last token.
    const token = Math.max(this.last + 1, Number.isSafeInteger(floor) ? floor : 0);
    invariant(Number.isSafeInteger(token), 'a token is a safe integer');
    this.last = token;
    return token as Token;
  }

  recovered(): void {
    this.ahead += RECOVERY_AHEAD;
  }
}
