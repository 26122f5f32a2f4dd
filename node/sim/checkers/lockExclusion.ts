import type { Operation } from '../history/operations.ts';
import { type Grant, grantsByName } from './grants.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'lock exclusion';

/**
 * No two conflicting holders at any instant. A client holds from the grant to the last moment at which its library,
 * by the client's own clocks, said so: a client that stood still and then noticed its loss never held in between as
 * far as this goes, and one that still believed did. Clients whose monotonic clock drifts by more than the lease
 * allows for (a twentieth) break the rule themselves: `exempt` names them.
 */
export function checkLockExclusion(
  operations: readonly Operation[],
  exempt: ReadonlySet<number> = new Set(),
): Violation[] {
  const violations: Violation[] = [];
  for (const [name, grants] of grantsByName(operations)) {
    // Of those that came before, in order of their grant, the ones that may still hold.
    let holding: Grant[] = [];
    for (const grant of grants) {
      if (exempt.has(grant.client)) continue;
      holding = holding.filter((other) => other.lastHeldOrder >= grant.grantedOrder);
      for (const other of holding) {
        if (other.mode === 'shared' && grant.mode === 'shared') continue;
        violations.push(
          broken(
            NAME,
            `clients ${other.client} (${other.mode}, token ${other.token}) and ${grant.client} ` +
              `(${grant.mode}, token ${grant.token}) held lock "${name}" at once`,
            [other.acquire, grant.acquire, other.lastHeld],
          ),
        );
      }
      holding.push(grant);
    }
  }
  return violations;
}
