import type { Done, Operation } from '../history/operations.ts';
import { type Grant, grantsByName } from './grants.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'lock exclusion';

interface Tenure {
  readonly grant: Grant;
  readonly from: Done<'lockMark'>;
  readonly to: Done<'lockMark'>;
}

/**
 * No two conflicting holders at any instant. A client holds from the first to the last look at the lock at which its
 * library, by the client's own clocks, said so: a client that stood still and then noticed its loss did not hold in
 * between as far as this goes, and one that still believed did.
 */
export function checkLockExclusion(operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = [];
  for (const [name, grants] of grantsByName(operations)) {
    const tenures: Tenure[] = [];
    for (const grant of grants) {
      const { firstHeld, lastHeld } = grant;
      if (firstHeld === null || lastHeld === null) continue;
      tenures.push({ grant, from: firstHeld, to: lastHeld });
    }
    tenures.sort((a, b) => a.from.invoked.order - b.from.invoked.order);
    // Of those that began before, the ones that were not over.
    let holding: Tenure[] = [];
    for (const tenure of tenures) {
      holding = holding.filter(({ to }) => to.invoked.order >= tenure.from.invoked.order);
      for (const other of holding) {
        if (other.grant.mode === 'shared' && tenure.grant.mode === 'shared') continue;
        const who = ({ grant: { client, mode, token } }: Tenure) =>
          `client ${client} (${mode}, token ${token})`;
        violations.push(
          broken(NAME, `${who(other)} and ${who(tenure)} held lock "${name}" at once`, [
            other.grant.acquire,
            tenure.grant.acquire,
            tenure.from,
            other.to,
          ]),
        );
      }
      holding.push(tenure);
    }
  }
  return violations;
}
