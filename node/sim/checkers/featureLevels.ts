import type { ConfigurationSeen, LevelRaised, Observation, RunsAs } from '../history/observations.ts';
import type { Operation } from '../history/operations.ts';
import type { MemberLogs } from './memberLogs.ts';
import { broken, misbehaved, type Violation } from './violation.ts';

const NAME = 'feature levels';

/** A member that was not in the group before, as it was when the configuration that has it was first seen. */
interface Join {
  readonly member: number;
  readonly level: number;
  readonly term: number;
  readonly seen: ConfigurationSeen;
}
interface Raise {
  readonly term: number;
  readonly seen: LevelRaised;
}
/** Of one group. */
class GroupLevels {
  readonly members = new Set<number>();
  joins: Join[] = [];
  raises: Raise[] = [];
}

/**
 * A group is raised only to what every member of its configuration, learners too, runs as by then, and only members
 * that know its level come to it later; a member whose version knows less than its group applies nothing from there on.
 */
export class FeatureLevels {
  readonly #logs: MemberLogs;
  /** By member: as it was started last. */
  readonly #runs = new Map<number, RunsAs>();
  readonly #groups = new Map<number, GroupLevels>();
  /** Others apply it later, when members may have come, gone, or been set back: judged is what is first seen. */
  readonly #judged = new Set<string>();

  constructor(logs: MemberLogs) {
    this.#logs = logs;
  }

  observe(observation: Observation): Violation[] {
    switch (observation.kind) {
      case 'runsAs':
        this.#runs.set(observation.member, observation);
        return [];
      case 'levelRaised':
        return this.#raised(observation);
      case 'configuration':
        return this.#configured(observation);
      case 'applied':
      case 'installed':
        return this.#wentTo(observation, observation.group, observation.index);
      case 'recovered':
        // What stood behind the survivor's log is given up, and its indexes come again.
        for (const group of this.#groups.values()) {
          group.raises = [];
          group.joins = [];
        }
        return [];
      default:
        return [];
    }
  }

  #group(id: number): GroupLevels {
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = new GroupLevels();
      this.#groups.set(id, group);
    }
    return group;
  }

  #levelOf(member: number): number {
    return this.#runs.get(member)?.level ?? 0;
  }

  #raised(seen: LevelRaised): Violation[] {
    const group = this.#group(seen.group);
    if (group.raises.some((raise) => raise.seen.index === seen.index)) return [];
    const term = this.#logs.of(seen.member, seen.group).termAt(seen.index) ?? 0;
    const raise = { term, seen };
    group.raises.push(raise);
    const key = `${seen.group} ${seen.index} ${seen.level}`;
    if (this.#judged.has(key)) return [];
    this.#judged.add(key);
    return [
      ...seen.members
        .filter((member) => this.#levelOf(member) < seen.level)
        .map((member) => {
          const what = `group ${seen.group} is raised to ${seen.level}, and its member ${member} knows ${this.#levelOf(member)}`;
          return misbehaved(NAME, what, [seen]);
        }),
      ...group.joins.flatMap((join) => tooLow(join, raise)),
    ];
  }

  #configured(seen: ConfigurationSeen): Violation[] {
    const group = this.#group(seen.group);
    const term = this.#logs.of(seen.member, seen.group).termAt(seen.index);
    const violations: Violation[] = [];
    for (const member of [...seen.voters, ...seen.learners]) {
      if (group.members.has(member)) continue;
      group.members.add(member);
      if (term === null) continue;
      const join = { member, level: this.#levelOf(member), term, seen };
      group.joins.push(join);
      violations.push(...group.raises.flatMap((raise) => tooLow(join, raise)));
    }
    return violations;
  }

  #wentTo(observation: Observation, group: number, index: number): Violation[] {
    const runs = this.#runs.get(observation.member);
    if (runs === undefined) return [];
    const above = this.#groups
      .get(group)
      ?.raises.find(({ seen }) => seen.index <= index && seen.level > runs.level);
    if (above === undefined) return [];
    const what = `member ${runs.member} knows ${runs.level} and goes on at level ${above.seen.level} of group ${group}`;
    return [misbehaved(NAME, what, [runs, above.seen, observation])];
  }
}

/** Behind the raise in the same log: what a leader had that was replaced before does not count. */
function tooLow(join: Join, raise: Raise): Violation[] {
  const behind = join.seen.index > raise.seen.index && join.term >= raise.term;
  if (!behind || join.level >= raise.seen.level) return [];
  const what = `member ${join.member} knows ${join.level} and comes to group ${join.seen.group} at level ${raise.seen.level}`;
  return [misbehaved(NAME, what, [raise.seen, join.seen])];
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
