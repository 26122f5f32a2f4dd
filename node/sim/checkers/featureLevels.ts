import type { LevelRaised, Observation, RunsAs } from '../history/observations.ts';
import type { Operation } from '../history/operations.ts';
import { broken, misbehaved, type Violation } from './violation.ts';

const NAME = 'feature levels';

/**
 * A group is raised only to what every member of its configuration, learners too, runs as by then; a member whose
 * version knows less than its group applies nothing from there on.
 */
export class FeatureLevels {
  /** By member: as it was started last. */
  readonly #runs = new Map<number, RunsAs>();
  /** By group, as its log has them. */
  readonly #raises = new Map<number, LevelRaised[]>();
  /** Others apply it later, when members may have come, gone, or been set back: judged is what is first seen. */
  readonly #judged = new Set<string>();

  observe(observation: Observation): Violation[] {
    switch (observation.kind) {
      case 'runsAs':
        this.#runs.set(observation.member, observation);
        return [];
      case 'levelRaised':
        return this.#raised(observation);
      case 'applied':
      case 'installed':
        return this.#wentTo(observation, observation.group, observation.index);
      case 'recovered':
        // What stood behind the survivor's log is given up, and its indexes come again.
        this.#raises.clear();
        return [];
      default:
        return [];
    }
  }

  #raised(raise: LevelRaised): Violation[] {
    let raises = this.#raises.get(raise.group);
    if (raises === undefined) {
      raises = [];
      this.#raises.set(raise.group, raises);
    }
    if (raises.some(({ index }) => index === raise.index)) return [];
    raises.push(raise);
    const key = `${raise.group} ${raise.index} ${raise.level}`;
    if (this.#judged.has(key)) return [];
    this.#judged.add(key);
    return raise.members
      .filter((member) => (this.#runs.get(member)?.level ?? 0) < raise.level)
      .map((member) => {
        const runs = this.#runs.get(member);
        const what = `group ${raise.group} is raised to ${raise.level}, and its member ${member} knows ${runs?.level ?? 'nothing'}`;
        return misbehaved(NAME, what, runs === undefined ? [raise] : [runs, raise]);
      });
  }

  #wentTo(observation: Observation, group: number, index: number): Violation[] {
    const runs = this.#runs.get(observation.member);
    const above = this.#raises.get(group)?.find((raise) => raise.index <= index && raise.level > runs!.level);
    if (runs === undefined || above === undefined) return [];
    const what = `member ${runs.member} knows ${runs.level} and goes on at level ${above.level} of group ${group}`;
    return [misbehaved(NAME, what, [runs, above, observation])];
  }
}

/** Once every group has come to the level of an operation, nobody is told that it is not served. */
export function checkServed(operations: readonly Operation[], raisedOrder: number): Violation[] {
  return operations
    .filter(({ error, invoked }) => error === 'UNSUPPORTED' && invoked.order > raisedOrder)
    .slice(0, 5)
    .map((operation) =>
      broken(NAME, `${operation.kind} is refused, though every group has come to its level`, [operation]),
    );
}
