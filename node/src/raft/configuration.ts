import type { MemberId } from '@synccluster/client/protocol';
import { assert } from './invariant.ts';
import type { Configuration, ConfigurationMember } from './types.ts';

export const EMPTY_CONFIGURATION: Configuration = { voters: [], learners: [] };

function includes(members: readonly ConfigurationMember[], id: MemberId): boolean {
  for (const member of members) if (member.id === id) return true;
  return false;
}

export function isVoter(configuration: Configuration, id: MemberId): boolean {
  return includes(configuration.voters, id);
}

function isMember(member: ConfigurationMember): boolean {
  return Number.isSafeInteger(member.id) && member.id > 0 && Number.isSafeInteger(member.ordinal);
}

/** At least one voter, every id once. Two ids may share an ordinal while one replaces the other. */
function isWellFormed(configuration: Configuration): boolean {
  const ids = new Set<MemberId>();
  for (const member of configuration.voters) {
    if (!isMember(member) || ids.has(member.id)) return false;
    ids.add(member.id);
  }
  for (const member of configuration.learners) {
    if (!isMember(member) || ids.has(member.id)) return false;
    ids.add(member.id);
  }
  return configuration.voters.length > 0;
}

function sameMembers(a: readonly ConfigurationMember[], b: readonly ConfigurationMember[]): boolean {
  return a.length === b.length && a.every((member) => includes(b, member.id));
}

export function sameConfiguration(a: Configuration, b: Configuration): boolean {
  return sameMembers(a.voters, b.voters) && sameMembers(a.learners, b.learners);
}

function keepsOrdinals(from: Configuration, to: Configuration): boolean {
  const before = new Map([...from.voters, ...from.learners].map((member) => [member.id, member.ordinal]));
  return [...to.voters, ...to.learners].every(
    (member) => (before.get(member.id) ?? member.ordinal) === member.ordinal,
  );
}

/**
 * Whether one change leads from one configuration to the other. At most one voter may differ, for only then does
 * every majority of the old share a member with every majority of the new (thesis §4.1); learners are in no
 * majority, so any of them may. No difference at all is no change. A member's ordinal is for life.
 */
export function isOneChange(from: Configuration, to: Configuration): boolean {
  if (!isWellFormed(to) || !keepsOrdinals(from, to) || sameConfiguration(from, to)) return false;
  let voters = 0;
  for (const member of to.voters) if (!includes(from.voters, member.id)) voters += 1;
  for (const member of from.voters) if (!includes(to.voters, member.id)) voters += 1;
  return voters <= 1;
}

interface Dated {
  readonly index: number;
  readonly configuration: Configuration;
}

/**
 * The configurations of the log, oldest first; the last one is in force from the moment it was appended, committed
 * or not, and is taken back when its entry is truncated (thesis §4.1). The first stands for all before the log.
 */
export class ConfigurationHistory {
  private dated: Dated[];

  constructor(index: number, configuration: Configuration) {
    this.dated = [{ index, configuration }];
  }

  get current(): Configuration {
    return this.dated[this.dated.length - 1]!.configuration;
  }

  /** Index of the entry the current one came from; 0: none. */
  get currentIndex(): number {
    return this.dated[this.dated.length - 1]!.index;
  }

  append(index: number, configuration: Configuration): void {
    assert(index > this.currentIndex, 'a configuration was appended out of order');
    this.dated.push({ index, configuration });
  }

  truncateFrom(index: number): void {
    assert(this.dated[0]!.index < index, 'the configuration of a snapshot was truncated');
    while (this.currentIndex >= index) this.dated.pop();
  }

  /** The one in force after the entry at `index`, which is not below the first one kept. */
  at(index: number): Configuration {
    let found = this.dated[0]!;
    for (const dated of this.dated) if (dated.index <= index) found = dated;
    return found.configuration;
  }

  /**
   * Whether the member votes in the current configuration or in one that may still come back, the entries above
   * `commit` not being known to be committed.
   */
  mayBeVoter(id: MemberId, commit: number): boolean {
    for (let i = this.dated.length - 1; i >= 0; i -= 1) {
      if (isVoter(this.dated[i]!.configuration, id)) return true;
      if (this.dated[i]!.index <= commit) return false;
    }
    return false;
  }

  forgetBefore(index: number): void {
    let keep = 0;
    while (keep + 1 < this.dated.length && this.dated[keep + 1]!.index <= index) keep += 1;
    if (keep > 0) this.dated = this.dated.slice(keep);
  }

  reset(index: number, configuration: Configuration): void {
    this.dated = [{ index, configuration }];
  }
}
