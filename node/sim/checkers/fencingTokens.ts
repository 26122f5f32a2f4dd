import type { Operation } from '../history/operations.ts';
import { type Grant, grantsByName } from './grants.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'fencing tokens';

/**
 * Tokens of a lock strictly rise: a grant that was asked for after another was known has the higher token, and so
 * has one that followed an exclusive holder's tenure. No token is given to two clients.
 */
export function checkFencingTokens(operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = [];
  for (const [name, grants] of grantsByName(operations)) {
    const owners = new Map<number, Grant>();
    for (const grant of grants) {
      const other = owners.get(grant.token);
      if (other !== undefined) {
        violations.push(
          broken(NAME, `two grants of lock "${name}" have token ${grant.token}`, [
            other.acquire,
            grant.acquire,
          ]),
        );
      }
      owners.set(grant.token, grant);
    }
    violations.push(...rising(name, grants));
  }
  return violations;
}

function rising(name: string, grants: readonly Grant[]): Violation[] {
  const violations: Violation[] = [];
  const asked = [...grants].sort((a, b) => a.acquire.invoked.order - b.acquire.invoked.order);
  // `grants` is in the order of becoming known: those known before each was asked for.
  let known = 0;
  let highest: Grant | null = null;
  for (const grant of asked) {
    while (known < grants.length && grants[known]!.grantedOrder < grant.acquire.invoked.order) {
      const candidate = grants[known++]!;
      if (highest === null || candidate.token > highest.token) highest = candidate;
    }
    if (highest !== null && grant.token <= highest.token) violations.push(fell(name, highest, grant));
  }
  // Exclusive tenures follow each other, so their tokens rise in the order in which they became known.
  let last: Grant | null = null;
  for (const grant of grants) {
    if (grant.mode !== 'exclusive') continue;
    if (last !== null && grant.token <= last.token && last.acquire !== grant.acquire) {
      violations.push(fell(name, last, grant));
    }
    last = grant;
  }
  return violations;
}

function fell(name: string, before: Grant, after: Grant): Violation {
  return broken(
    NAME,
    `lock "${name}": token ${after.token} was granted after token ${before.token} was known`,
    [before.acquire, after.acquire],
  );
}
