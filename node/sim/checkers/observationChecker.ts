import type { Observation } from '../history/observations.ts';
import { CommittedPrefix } from './committedPrefix.ts';
import { Configurations } from './configurations.ts';
import { Durability } from './durability.ts';
import { FeatureLevels } from './featureLevels.ts';
import { LeaderRules } from './leaderRules.ts';
import { Leaders } from './leaders.ts';
import { LogMatching } from './logMatching.ts';
import { MemberLogs } from './memberLogs.ts';
import { StateHashes } from './stateHashes.ts';
import type { Violation } from './violation.ts';

/** All white-box checkers, one observation at a time, in the order of their `order`. */
export class ObservationChecker {
  readonly #logs = new MemberLogs();
  readonly #committed = new CommittedPrefix(this.#logs);
  readonly #checkers: readonly { observe(observation: Observation): Violation[] }[] = [
    new Leaders(),
    new LogMatching(this.#logs),
    this.#committed,
    new Durability(this.#logs, this.#committed),
    new StateHashes(this.#logs),
    new Configurations(this.#logs),
    new LeaderRules(this.#logs),
    new FeatureLevels(this.#logs),
  ];

  /** What this observation proves to be broken; empty: nothing. */
  observe(observation: Observation): Violation[] {
    const violations: Violation[] = [];
    for (const checker of this.#checkers) violations.push(...checker.observe(observation));
    this.#logs.follow(observation);
    return violations;
  }

  /** Highest index of the group that some member showed as committed. */
  committedIndex(group: number): number {
    return this.#committed.lastIndex(group);
  }
}

export function checkObservations(observations: Iterable<Observation>): Violation[] {
  const checker = new ObservationChecker();
  const violations: Violation[] = [];
  for (const observation of observations) violations.push(...checker.observe(observation));
  return violations;
}
