import { isDone, isKind, type Operation } from '../history/operations.ts';

/** One grant of a lock to one client. Callers of one client may share it, under one token. */
export interface Grant {
  readonly client: number;
  readonly name: string;
  readonly token: number;
  readonly mode: 'exclusive' | 'shared';
  readonly acquire: Operation<'lockAcquire'>;
  /** When the client learned of it. */
  readonly grantedOrder: number;
  /** The last moment at which the client is known to have believed, by its own clocks, that it holds the lock. */
  lastHeldOrder: number;
  lastHeld: Operation;
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
    const order = acquire.completed.order;
    // Another caller of the same client joined a grant that it shares.
    if (known !== undefined && known.mode === 'shared' && mode === 'shared') {
      known.lastHeldOrder = order;
      known.lastHeld = acquire;
      continue;
    }
    const grant = {
      client,
      name,
      token,
      mode,
      acquire,
      grantedOrder: order,
      lastHeldOrder: order,
      lastHeld: acquire,
    };
    byToken.set(key, grant);
    const grants = byName.get(name);
    if (grants === undefined) byName.set(name, [grant]);
    else grants.push(grant);
  }
  for (const mark of operations) {
    if (!isKind(mark, 'lockMark') || !isDone(mark) || !mark.answer.held) continue;
    const grant = byToken.get(JSON.stringify([mark.client, mark.call.name, mark.call.token]));
    if (grant === undefined || mark.completed.order <= grant.lastHeldOrder) continue;
    grant.lastHeldOrder = mark.completed.order;
    grant.lastHeld = mark;
  }
  return byName;
}
