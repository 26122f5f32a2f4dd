import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Operation } from '../history/operations.ts';
import { Random } from '../workload/random.ts';
import { checkLinearizableRegisters } from './registerSearch.ts';
import { History } from './testing/history.ts';

type Step =
  | { readonly operation: Operation<'cachePut'> | Operation<'cacheDelete'> | Operation<'cacheGet'> }
  /** The end of what this put wrote. */
  | { readonly expiryOf: Operation<'cachePut'> };

/** Small histories of one key, right ones and wrong ones, with everything that may overlap or stay unanswered. */
function scribble(seed: number): History {
  const random = new Random(seed);
  const history = new History();
  const open: ((left: boolean) => void)[] = [];
  let version = 0;
  const values: { value: string; version: number }[] = [];
  const begin = (): void => {
    const client = random.between(1, 3);
    const kind = random.weighted({ put: 3, get: 3, remove: 2 });
    if (kind === 'put') {
      const value = `v${values.length}`;
      version += random.chance(0.1) ? 0 : 1;
      const own = version;
      values.push({ value, version: own });
      const ttlMs = random.chance(0.3) ? 10 : 0;
      const put = history.begin(client, 'cachePut', { key: 'x', value, ttlMs });
      open.push((left) => (left ? put.unknown('TIMEOUT') : put.ok({ version: own })));
    } else if (kind === 'get') {
      const get = history.begin(client, 'cacheGet', { key: 'x', level: 'linearizable' });
      open.push((left) => {
        const seen =
          random.chance(0.3) || values.length === 0
            ? { value: null, version: 0 }
            : random.pick(values.slice(-2));
        if (left) get.unknown('TIMEOUT');
        else get.ok(seen);
      });
    } else {
      const remove = history.begin(client, 'cacheDelete', { key: 'x' });
      open.push((left) => (left ? remove.unknown('TIMEOUT') : remove.ok({ existed: random.chance(0.6) })));
    }
  };
  const total = random.between(1, 6);
  let begun = 0;
  while (begun < total || open.length > 0) {
    if (begun < total && (open.length === 0 || random.chance(0.55))) {
      begin();
      begun++;
    } else {
      const [end] = open.splice(random.between(0, open.length - 1), 1);
      end!(random.chance(0.25));
    }
  }
  return history;
}

/** Every order of every subset that may have happened, one after the other. */
function linearizableByTrial(operations: readonly Operation[]): boolean {
  const all = operations.filter(
    (operation) =>
      operation.kind === 'cachePut' || operation.kind === 'cacheDelete' || operation.kind === 'cacheGet',
  );
  const steps: Step[] = [];
  for (const operation of all) {
    if (operation.kind === 'cacheGet' && operation.outcome !== 'ok') continue;
    steps.push({ operation });
    if (operation.kind === 'cachePut' && operation.call.ttlMs > 0) steps.push({ expiryOf: operation });
  }
  const must = steps.filter((step) => 'operation' in step && step.operation.outcome === 'ok');
  const taken = new Set<Step>();
  const go = (value: string | null, version: number): boolean => {
    if (must.every((step) => taken.has(step))) return true;
    for (const step of steps) {
      if (taken.has(step)) continue;
      if ('operation' in step) {
        const { operation } = step;
        const late = must.some(
          (other) =>
            'operation' in other &&
            !taken.has(other) &&
            other.operation.completed!.order < operation.invoked.order,
        );
        if (late) continue;
      }
      const after = apply(step, value, version, operations);
      if (after === null) continue;
      taken.add(step);
      if (go(after.value, after.version)) return true;
      taken.delete(step);
    }
    return false;
  };
  return go(null, 0);
}

function apply(
  step: Step,
  value: string | null,
  version: number,
  operations: readonly Operation[],
): { value: string | null; version: number } | null {
  if ('expiryOf' in step) return value === step.expiryOf.call.value ? { value: null, version } : null;
  const { operation } = step;
  if (operation.kind === 'cachePut') {
    // What was never answered has the version by which it was read.
    const own = operation.answer?.version ?? versionRead(operation.call.value, operations);
    if (own !== null && own <= version) return null;
    return { value: operation.call.value, version: own ?? version };
  }
  if (operation.kind === 'cacheDelete') {
    if (operation.answer !== null && operation.answer.existed !== (value !== null)) return null;
    return { value: null, version };
  }
  const { answer } = operation;
  if (answer === null || answer.value !== value) return null;
  return value === null || answer.version === version ? { value, version } : null;
}

function versionRead(value: string, operations: readonly Operation[]): number | null {
  for (const operation of operations) {
    if (operation.kind === 'cacheGet' && operation.answer?.value === value) return operation.answer.version;
  }
  return null;
}

describe('the search for a linear order', () => {
  it('says of any small history what trying every order says', () => {
    let right = 0;
    let wrong = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { operations } = scribble(seed);
        const linearizable = linearizableByTrial(operations);
        if (linearizable) right++;
        else wrong++;
        expect(checkLinearizableRegisters(operations).length === 0).toBe(linearizable);
      }),
      { numRuns: 3_000 },
    );
    expect(Math.min(right, wrong)).toBeGreaterThan(300);
  });
});
