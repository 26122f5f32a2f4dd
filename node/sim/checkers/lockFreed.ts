import { isDone, isKind, type Operation } from '../history/operations.ts';
import type { Healing } from './progress.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'locks freed';
/** The links of some runs are slow: a caller who waits for less may be gone before any answer can come. */
const ANSWER_MS = 500;

/** Somebody may stand in the way of others: holding, or granted without knowing. World time. */
interface Busy {
  readonly acquire: Operation<'lockAcquire'>;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * In a world that is whole nobody is refused a lock that nobody can still hold: a holder that released it is out of
 * the way at once; one that lost it, died, or never learned of its grant, when its lease is over and a leader has
 * noticed, which is `withinMs` after its last sign.
 */
export function checkLocksFreed(operations: readonly Operation[], healing: Healing): Violation[] {
  const busy = busyByName(operations, healing);
  const violations: Violation[] = [];
  for (const acquire of operations) {
    if (!isKind(acquire, 'lockAcquire') || isDone(acquire) || acquire.completed === null) continue;
    if (acquire.error !== 'LOCK_HELD' && acquire.error !== 'TIMEOUT') continue;
    const { waitMs } = acquire.call;
    if (acquire.error === 'TIMEOUT' && waitMs !== null && waitMs < ANSWER_MS) continue;
    const fromMs = acquire.invoked.worldMs;
    if (fromMs < healing.healedMs + healing.withinMs) continue;
    const untilMs = acquire.completed.worldMs;
    const { name } = acquire.call;
    const all = busy.get(name) ?? [];
    const others = all.filter((one) => one.acquire.client !== acquire.client);
    // A client that gave up asking refuses itself until the members have taken it back.
    const own = all.filter((one) => one.acquire.client === acquire.client && one.acquire !== acquire);
    if (own.some((one) => isTakenBack(one.acquire, fromMs))) continue;
    if (others.some((one) => one.fromMs <= untilMs && one.toMs >= fromMs)) continue;
    const last = others.reduce<Busy | null>((a, b) => (a !== null && a.toMs > b.toMs ? a : b), null);
    const since = last === null ? 'ever' : `since ${Math.round(last.toMs)} ms`;
    const what = `client ${acquire.client} did not get lock "${name}", which nobody can have held ${since}`;
    violations.push(broken(NAME, what, last === null ? [acquire] : [last.acquire, acquire]));
  }
  return violations;
}

function isTakenBack({ outcome, completed }: Operation, atMs: number): boolean {
  if (outcome !== 'unknown' || completed === null) return false;
  return completed.worldMs <= atMs && completed.worldMs + ANSWER_MS >= atMs;
}

function busyByName(
  operations: readonly Operation[],
  { healedMs, withinMs }: Healing,
): ReadonlyMap<string, readonly Busy[]> {
  const lastSignMs = new Map<number, number>();
  /** By client, name and token: the last sign of each grant, and when it was given back. */
  const lastUseMs = new Map<string, number>();
  const releasedMs = new Map<string, number>();
  for (const operation of operations) {
    const { client, invoked, completed } = operation;
    const atMs = completed?.worldMs ?? invoked.worldMs;
    lastSignMs.set(client, Math.max(atMs, lastSignMs.get(client) ?? 0));
    const isUse =
      isKind(operation, 'lockMark') || isKind(operation, 'lockRelease') || isKind(operation, 'lockLost');
    if (!isUse) continue;
    const { name, token } = operation.call;
    const key = keyOf(client, name, token);
    lastUseMs.set(key, Math.max(atMs, lastUseMs.get(key) ?? 0));
    if (operation.kind === 'lockRelease' && isDone(operation)) {
      releasedMs.set(key, operation.completed.worldMs);
    }
  }
  const byName = new Map<string, Busy[]>();
  for (const acquire of operations) {
    if (!isKind(acquire, 'lockAcquire') || acquire.outcome === 'fail') continue;
    const { client, call, invoked, completed } = acquire;
    const key = isDone(acquire) ? keyOf(client, call.name, acquire.answer.token) : null;
    const released = key === null ? undefined : releasedMs.get(key);
    // One that never came back died with its client.
    const signMs = Math.max(
      completed?.worldMs ?? lastSignMs.get(client)!,
      key === null ? 0 : (lastUseMs.get(key) ?? 0),
    );
    const one = {
      acquire,
      fromMs: invoked.worldMs,
      toMs: released ?? Math.max(signMs, healedMs) + withinMs,
    };
    const known = byName.get(call.name);
    if (known === undefined) byName.set(call.name, [one]);
    else known.push(one);
  }
  return byName;
}

function keyOf(client: number, name: string, token: number): string {
  return JSON.stringify([client, name, token]);
}
