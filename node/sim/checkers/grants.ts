import { type Done, isDone, isKind, type Operation } from '../history/operations.ts';

/** One grant of a lock to one client. Callers of one client may share it, under one token. */
export interface Grant {
  readonly client: number;
  readonly name: string;
  readonly token: number;
  readonly mode: 'exclusive' | 'shared';
  readonly acquire: Operation<'lockAcquire'>;
  /** When the client learned of it. */
  readonly grantedOrder: number;
  /** The first and the last look at the lock by which the client, by its own clocks, held it; null: it never looked. */
  firstHeld: Done<'lockMark'> | null;
  lastHeld: Done<'lockMark'> | null;
}

/** All grants that clients were told of, by name, each in the order of its becoming known. */
export function grantsByName(operations: readonly Operation[]): Map<string, Grant[]> {
  const byName = new Map<string, Grant[]>();
  const byToken = new Map<string, Grant>();
  const acquires = operations
    .filter((operation) => isKind(operation, 'lockAcquire'))
    .filter(isDone)
    .sort((a, b) => a.completed.order - b.completed.order);
  for (const acquire of acquires) {
    const { client } = acquire;
    const { name, mode } = acquire.call;
    const { token } = acquire.answer;
    const key = JSON.stringify([client, name, token]);
    const known = byToken.get(key);
    // Another caller of the same client joined a grant that it shares.
    if (known !== undefined && known.mode === 'shared' && mode === 'shared') continue;
    const grant: Grant = {
      client,
      name,
      token,
      mode,
      acquire,
      grantedOrder: acquire.completed.order,
      firstHeld: null,
      lastHeld: null,
    };
    byToken.set(key, grant);
    const grants = byName.get(name);
    if (grants === undefined) byName.set(name, [grant]);
    else grants.push(grant);
  }
  for (const mark of operations) {
    if (!isKind(mark, 'lockMark') || !isDone(mark) || !mark.answer.held) continue;
    const grant = byToken.get(JSON.stringify([mark.client, mark.call.name, mark.call.token]));
    if (grant === undefined) continue;
    grant.firstHeld ??= mark;
    grant.lastHeld = mark;
  }
  return byName;
}
