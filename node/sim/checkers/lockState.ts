import { type Done, isDone, isKind, type Operation } from '../history/operations.ts';
import { type Grant, grantsByName } from './grants.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'lock state';

/**
 * Who holds a lock, by the members: never two that exclude each other, always those who by their own clocks held it
 * before and after the look, and nobody who had given it back.
 */
export function checkLockState(operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = [];
  const grants = grantsByName(operations);
  const released = releases(operations);
  for (const look of operations) {
    if (!isKind(look, 'lockInspect') || !isDone(look)) continue;
    const { name } = look.call;
    const { holders } = look.answer;
    if (holders.length > 1 && holders.some(({ mode }) => mode === 'exclusive')) {
      violations.push(
        broken(NAME, `lock "${name}" has ${holders.length} holders, not all of them shared`, [look]),
      );
    }
    for (const grant of grants.get(name) ?? []) {
      const listed = holders.find(({ token }) => token === grant.token);
      if (listed !== undefined && listed.mode !== grant.mode) {
        violations.push(
          broken(NAME, `lock "${name}": token ${grant.token} is ${listed.mode}`, [grant.acquire, look]),
        );
      }
      if (listed === undefined && heldThroughout(grant, look)) {
        violations.push(
          broken(
            NAME,
            `lock "${name}": token ${grant.token} was held by client ${grant.client}, and is not listed`,
            [grant.acquire, grant.lastHeld!, look],
          ),
        );
      }
      const release = released.get(JSON.stringify([grant.client, name, grant.token]));
      if (listed === undefined || release === undefined || grant.mode === 'shared') continue;
      if (release.completed.order < look.invoked.order) {
        violations.push(
          broken(NAME, `lock "${name}": token ${grant.token} had been given back`, [release, look]),
        );
      }
    }
  }
  return violations;
}

function heldThroughout({ firstHeld, lastHeld }: Grant, look: Done<'lockInspect'>): boolean {
  if (firstHeld === null || lastHeld === null) return false;
  return firstHeld.completed.order < look.invoked.order && lastHeld.invoked.order > look.completed.order;
}

function releases(operations: readonly Operation[]): Map<string, Done<'lockRelease'>> {
  const byGrant = new Map<string, Done<'lockRelease'>>();
  for (const release of operations) {
    if (!isKind(release, 'lockRelease') || !isDone(release)) continue;
    byGrant.set(JSON.stringify([release.client, release.call.name, release.call.token]), release);
  }
  return byGrant;
}
