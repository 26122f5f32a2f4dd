import type { Operation } from '../history/operations.ts';
import { type Grant, grantsByName } from './grants.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'fencing tokens';

/**
 * Tokens rise over all locks: a grant that was asked for after another was known has the higher token, and of one lock
 * so has one that followed an exclusive holder's tenure. No token is given twice.
 */
export function checkFencingTokens(operations: readonly Operation[]): Violation[] {
  const byName = grantsByName(operations);
  const all = [...byName.values()].flat().sort((a, b) => a.grantedOrder - b.grantedOrder);
  return [...unique(all), ...rising(all), ...[...byName.values()].flatMap(tenuresRise)];
}

function unique(grants: readonly Grant[]): Violation[] {
  const violations: Violation[] = [];
  const owners = new Map<number, Grant>();
  for (const grant of grants) {
    const other = owners.get(grant.token);
    if (other !== undefined) {
      const names = other.name === grant.name ? `"${grant.name}"` : `"${other.name}" and "${grant.name}"`;
      const what = `two grants, of ${names}, have token ${grant.token}`;
      violations.push(broken(NAME, what, [other.acquire, grant.acquire]));
    }
    owners.set(grant.token, grant);
  }
  return violations;
}

/** `grants` is in the order of becoming known. */
function rising(grants: readonly Grant[]): Violation[] {
  const violations: Violation[] = [];
  const asked = [...grants].sort((a, b) => a.acquire.invoked.order - b.acquire.invoked.order);
  let known = 0;
  let highest: Grant | null = null;
  for (const grant of asked) {
    while (known < grants.length && grants[known]!.grantedOrder < grant.acquire.invoked.order) {
      const candidate = grants[known++]!;
      if (highest === null || candidate.token > highest.token) highest = candidate;
    }
    if (highest !== null && grant.token <= highest.token) violations.push(fell(highest, grant));
  }
  return violations;
}

/** Exclusive tenures of one lock follow each other, so their tokens rise in the order in which they became known. */
function tenuresRise(grants: readonly Grant[]): Violation[] {
  const violations: Violation[] = [];
  let last: Grant | null = null;
  for (const grant of grants) {
    if (grant.mode !== 'exclusive') continue;
    if (last !== null && grant.token < last.token) violations.push(fell(last, grant));
    last = grant;
  }
  return violations;
}

function fell(before: Grant, after: Grant): Violation {
  const what =
    `lock "${after.name}": token ${after.token} was granted after token ${before.token}` +
    `${after.name === before.name ? '' : ` of "${before.name}"`} was known`;
  return broken(NAME, what, [before.acquire, after.acquire]);
}
