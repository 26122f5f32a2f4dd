import type { SessionsExpired } from '../history/observations.ts';
import { isDone, isKind, type Operation } from '../history/operations.ts';
import { type Grant, grantsByName } from './grants.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'leases';
/** Locks are in this group. */
const COORDINATION = 0;

/**
 * No session is expired while its client, by its own clocks, still counts on it: after the members have ended it, the
 * library never says again that a lock of it is held. Nobody else needs to want the lock for that to be seen.
 */
export function checkLeases(
  operations: readonly Operation[],
  expired: readonly SessionsExpired[],
): Violation[] {
  const ends = new Map<number, SessionsExpired>();
  for (const end of expired) {
    if (end.group !== COORDINATION) continue;
    // Told by the first member to apply it; others follow, and replay it after a restart.
    for (const session of end.sessions) if (!ends.has(session)) ends.set(session, end);
  }
  if (ends.size === 0) return [];
  const opened = openedSessions(operations);
  const violations: Violation[] = [];
  for (const [name, grants] of grantsByName(operations)) {
    for (const grant of grants) {
      const session = sessionOf(grant, opened);
      const end = session === null ? undefined : ends.get(session);
      const { lastHeld } = grant;
      if (end === undefined || lastHeld === null || lastHeld.invoked.order <= end.order) continue;
      const what =
        `session ${session} was expired at ${end.worldMs} ms, and client ${grant.client} held lock "${name}" ` +
        `by it at ${lastHeld.invoked.worldMs} ms`;
      violations.push(broken(NAME, what, [grant.acquire, lastHeld]));
    }
  }
  return violations;
}

interface Opened {
  readonly order: number;
  readonly session: number;
}

function openedSessions(operations: readonly Operation[]): Map<number, Opened[]> {
  const opened = new Map<number, Opened[]>();
  for (const operation of operations) {
    if (!isKind(operation, 'sessionOpened') || !isDone(operation)) continue;
    if (operation.call.group !== COORDINATION) continue;
    const known = opened.get(operation.client) ?? [];
    opened.set(operation.client, known);
    known.push({ order: operation.invoked.order, session: operation.call.session });
  }
  return opened;
}

/** The one that its client had when it learned of the grant; null: not known. */
function sessionOf(
  { client, grantedOrder }: Grant,
  opened: ReadonlyMap<number, readonly Opened[]>,
): number | null {
  return opened.get(client)?.findLast(({ order }) => order < grantedOrder)?.session ?? null;
}
