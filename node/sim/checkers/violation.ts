import type { Observation } from '../history/observations.ts';
import type { Operation } from '../history/operations.ts';

/** A promise that was broken, or one of which it could not be said whether it was kept. */
export interface Violation {
  readonly checker: string;
  /**
   * `broken`: the cluster did what it must not. `undecided`: the history does not suffice to tell (the search ran out
   * of steps, the final audit is missing): the run is set up wrongly, and does not count as passed.
   */
  readonly verdict: 'broken' | 'undecided';
  readonly what: string;
  /** Ids of operations, orders of observations. */
  readonly operations: readonly Operation[];
  readonly observations: readonly Observation[];
}

export function broken(checker: string, what: string, operations: readonly Operation[]): Violation {
  return { checker, verdict: 'broken', what, operations, observations: [] };
}

export function undecided(checker: string, what: string, operations: readonly Operation[] = []): Violation {
  return { checker, verdict: 'undecided', what, operations, observations: [] };
}

export function misbehaved(checker: string, what: string, observations: readonly Observation[]): Violation {
  return { checker, verdict: 'broken', what, operations: [], observations };
}

/** A few lines for people: what was broken, and by which events. */
export function describe(violation: Violation): string {
  const { checker, verdict, what, operations, observations } = violation;
  const lines = [`${checker}: ${verdict}: ${what}`];
  for (const { id, client, kind, call, invoked, completed, outcome, error, answer, at } of operations) {
    const from = `${invoked.order} (${invoked.worldMs} ms)`;
    const to = completed === null ? 'never' : `${completed.order} (${completed.worldMs} ms)`;
    const result = outcome === 'ok' ? JSON.stringify(answer) : `${outcome} ${error ?? ''}`;
    const position = at === null ? '' : ` at ${at.group}/${at.index}${at.resent ? ' resent' : ''}`;
    lines.push(
      `  #${id} client ${client} ${kind} ${JSON.stringify(call)} from ${from} to ${to}: ${result}${position}`,
    );
  }
  for (const observation of observations) lines.push(`  ${JSON.stringify(observation)}`);
  return lines.join('\n');
}
