import { isKind, type Operation } from '../history/operations.ts';

/** What was done to one cache key. */
export interface RegisterHistory {
  readonly key: string;
  readonly puts: Operation<'cachePut'>[];
  readonly deletes: Operation<'cacheDelete'>[];
  readonly gets: Operation<'cacheGet'>[];
}

export function registerHistories(operations: readonly Operation[]): RegisterHistory[] {
  const keys = new Map<string, RegisterHistory>();
  const of = (key: string): RegisterHistory => {
    let known = keys.get(key);
    if (known === undefined) {
      known = { key, puts: [], deletes: [], gets: [] };
      keys.set(key, known);
    }
    return known;
  };
  for (const operation of operations) {
    if (isKind(operation, 'cachePut')) of(operation.call.key).puts.push(operation);
    else if (isKind(operation, 'cacheDelete')) of(operation.call.key).deletes.push(operation);
    else if (isKind(operation, 'cacheGet')) of(operation.call.key).gets.push(operation);
  }
  return [...keys.values()];
}
