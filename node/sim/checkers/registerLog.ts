import { type Done, isDone, type Operation } from '../history/operations.ts';
import { type RegisterHistory, registerHistories } from './registers.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'reads by log index';

/** An answer and where in its group's log it belongs: at `high`, or, if the write was sent again, somewhere above `low`. */
interface Placed {
  readonly operation: Done<'cachePut'> | Done<'cacheDelete'> | Done<'cacheGet'>;
  readonly group: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Where answers tell their log index the order is known, and no search is needed. A read, at whatever level, shows the
 * key as it was at its index; a write comes behind everything that was answered before it began; a linearizable read
 * shows all of that, and a read of level `session` what its own client had seen of the group.
 */
export function checkReadsByLogIndex(operations: readonly Operation[]): Violation[] {
  const placed = place(operations);
  const violations = realTime(placed);
  for (const register of registerHistories(operations)) {
    violations.push(...states(register, placed), ...sameIndex(register, placed));
  }
  return violations;
}

type Positions = Map<Operation, Placed>;

function isRegister(operation: Operation): operation is Operation<'cachePut' | 'cacheDelete' | 'cacheGet'> {
  return operation.kind === 'cachePut' || operation.kind === 'cacheDelete' || operation.kind === 'cacheGet';
}

function place(operations: readonly Operation[]): Positions {
  const positions: Positions = new Map();
  const completions = operations
    .filter((operation) => operation.at !== null && operation.completed !== null)
    .sort((a, b) => a.completed!.order - b.completed!.order);
  const beginnings = [...operations].sort((a, b) => a.invoked.order - b.invoked.order);
  /** By group: the highest index that any answer had shown. */
  const seen = new Map<number, number>();
  let at = 0;
  for (const operation of beginnings) {
    while (at < completions.length && completions[at]!.completed!.order < operation.invoked.order) {
      const { group, index } = completions[at++]!.at!;
      seen.set(group, Math.max(seen.get(group) ?? 0, index));
    }
    if (!isRegister(operation) || !isDone(operation) || operation.at === null) continue;
    const { group, index, resent } = operation.at;
    // Something was committed up to `seen`: what is proposed after that goes behind it.
    const low = resent ? Math.min(index, (seen.get(group) ?? 0) + 1) : index;
    positions.set(operation, { operation: operation as Placed['operation'], group, low, high: index });
  }
  return positions;
}

function realTime(positions: Positions): Violation[] {
  const violations: Violation[] = [];
  const all = [...positions.values()];
  const begun = [...all].sort((a, b) => a.operation.invoked.order - b.operation.invoked.order);
  const through = [...all].sort((a, b) => a.operation.completed.order - b.operation.completed.order);
  /** By group, and by group and client: the answer with the highest index so far. */
  const highest = new Map<string, Placed>();
  const note = (key: string, placed: Placed): void => {
    const known = highest.get(key);
    if (known === undefined || placed.high > known.high) highest.set(key, placed);
  };
  let at = 0;
  for (const placed of begun) {
    const { operation, group } = placed;
    while (at < through.length && through[at]!.operation.completed.order < operation.invoked.order) {
      const before = through[at++]!;
      note(`${before.group}`, before);
      note(`${before.group} ${before.operation.client}`, before);
    }
    const isRead = operation.kind === 'cacheGet';
    if (isRead && operation.call.level === 'any') continue;
    const own = isRead && operation.call.level === 'session';
    const before = highest.get(own ? `${group} ${operation.client}` : `${group}`);
    if (before === undefined) continue;
    // A write is an entry of its own behind the others; a read may show the same state as the one before.
    if (isRead ? placed.high >= before.high : placed.high > before.high) continue;
    violations.push(
      broken(
        NAME,
        isRead
          ? `key "${operation.call.key}": a read of level ${operation.call.level} showed index ${placed.high} of group ` +
              `${group} after index ${before.high} had been ${own ? 'seen by its client' : 'answered'}`
          : `a write stands at index ${placed.high} of group ${group}, which had shown index ${before.high} before it began`,
        [before.operation, operation],
      ),
    );
  }
  return violations;
}

/** Every read shows the last write up to its index. */
function states({ key, puts, deletes, gets }: RegisterHistory, positions: Positions): Violation[] {
  const violations: Violation[] = [];
  const placedOf = (operation: Operation): Placed | undefined => positions.get(operation);
  const putOf = new Map<string, Operation<'cachePut'>>();
  for (const put of puts) putOf.set(put.call.value, put);
  const exact = [...puts, ...deletes]
    .map(placedOf)
    .filter((placed) => placed !== undefined && placed.low === placed.high)
    .map((placed) => placed!)
    // Writes of one entry share its index; among puts the version tells their order.
    .sort((a, b) => a.high - b.high || versionOf(a) - versionOf(b));

  for (const get of gets) {
    const read = placedOf(get);
    if (read === undefined || !isDone(get)) continue;
    const { value, version } = get.answer;
    const last = lastUpTo(exact, read.high);
    if (value === null) {
      if (last?.operation.kind !== 'cachePut') continue;
      if (mayBeGone(last, read, puts, deletes, positions)) continue;
      violations.push(
        broken(
          NAME,
          `key "${key}" was absent at index ${read.high}, and had been put at index ${last.high}`,
          [last.operation, get],
        ),
      );
      continue;
    }
    const put = putOf.get(value);
    if (put === undefined) {
      violations.push(broken(NAME, `key "${key}": a read gave "${value}", which nobody wrote`, [get]));
      continue;
    }
    if (put.outcome === 'fail' || put.invoked.order > get.completed.order) {
      violations.push(
        broken(NAME, `key "${key}": a read gave "${value}", which was never written before`, [put, get]),
      );
      continue;
    }
    const written = placedOf(put);
    if (written !== undefined && written.low > read.high) {
      violations.push(
        broken(
          NAME,
          `key "${key}": a read at index ${read.high} gave what was put at index ${written.high}`,
          [put, get],
        ),
      );
    }
    if (last === null || last.operation === put) continue;
    const hidden =
      last.operation.kind === 'cachePut'
        ? last.operation.answer.version > version
        : written !== undefined && written.high < last.high;
    if (!hidden) continue;
    violations.push(
      broken(
        NAME,
        `key "${key}": a read at index ${read.high} gave "${value}", which had been replaced at index ${last.high}`,
        [put, last.operation, get],
      ),
    );
  }
  return violations;
}

function versionOf({ operation }: Placed): number {
  return operation.kind === 'cachePut' ? operation.answer.version : 0;
}

/** The last of these, in order of index, that stands at `index` or before; null: none. */
function lastUpTo(sorted: readonly Placed[], index: number): Placed | null {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.high <= index) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : sorted[low - 1]!;
}

/** Something may have removed what `put` wrote before the read. */
function mayBeGone(
  put: Placed,
  read: Placed,
  puts: readonly Operation<'cachePut'>[],
  deletes: readonly Operation<'cacheDelete'>[],
  positions: Positions,
): boolean {
  if (put.operation.kind === 'cachePut' && put.operation.call.ttlMs > 0) return true;
  const between = (operation: Operation): boolean => {
    if (operation.outcome === 'fail' || operation.invoked.order > read.operation.completed.order)
      return false;
    const placed = positions.get(operation);
    return placed === undefined || (placed.low <= read.high && placed.high >= put.high);
  };
  return deletes.some(between) || puts.some((other) => other.call.ttlMs > 0 && between(other));
}

/** A member that has applied an index has one state: all who read there see the same. */
function sameIndex({ key, gets }: RegisterHistory, positions: Positions): Violation[] {
  const violations: Violation[] = [];
  const byIndex = new Map<string, Done<'cacheGet'>>();
  for (const get of gets) {
    const read = positions.get(get);
    if (read === undefined || !isDone(get)) continue;
    const at = `${read.group} ${read.high}`;
    const other = byIndex.get(at);
    if (other === undefined) byIndex.set(at, get);
    else if (other.answer.value !== get.answer.value || other.answer.version !== get.answer.version) {
      violations.push(
        broken(NAME, `key "${key}" was read at index ${read.high} of group ${read.group} with two answers`, [
          other,
          get,
        ]),
      );
    }
  }
  return violations;
}
