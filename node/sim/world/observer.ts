import { crc32 } from 'node:zlib';
import { type GroupId, Op } from '@synccluster/client/protocol';
import { canonicalHash } from '../../src/machines/canonicalHash.ts';
import type { Machine } from '../../src/machines/machine.ts';
import type { Entry, RestoredState } from '../../src/raft/types.ts';
import type { Group } from '../../src/replica/group.ts';
import type { Member } from '../../src/replica/member.ts';
import type { Wal, WalRecord } from '../../src/storage/storage.ts';
import type { EntryRecord, Observation } from '../history/observations.ts';
import type { DurableLog } from './durableLog.ts';

/** An observation without what every one of them has. */
type Shown = Observation extends infer O
  ? O extends Observation
    ? Omit<O, 'order' | 'worldMs'>
    : never
  : never;
export type Show = (shown: Shown) => void;

interface Watched {
  readonly group: Group;
  role: string;
  term: number;
  commit: number;
  applied: number;
  configurationIndex: number;
  /** Index of the command that was applied last. */
  commandIndex: number;
  hashed: Map<number, number>;
  restored: boolean;
}

export interface MemberObserverOptions {
  readonly memberId: number;
  readonly show: Show;
  readonly disk: DurableLog;
  /** What the volume of another member holds for sure. */
  readonly durableOf: (memberId: number, group: number) => number;
  /** State is hashed at multiples of this index. */
  readonly hashEvery: number;
}

/** Shows what a member does inside, from beside: it is the product's own code that runs, unchanged. */
export class MemberObserver {
  readonly #options: MemberObserverOptions;
  readonly #groups = new Map<GroupId, Watched>();
  /** What went into the log: the core may know of more, which shows itself with the next pass. */
  readonly #lastLogged = new Map<GroupId, { readonly index: number; readonly term: number }>();
  #member: Member | null = null;
  /** The member is dead: its code may run on to the end of the event, but shows nothing any more. */
  silent = false;

  constructor(options: MemberObserverOptions) {
    this.#options = options;
    // What a dead process had asked for may still get to the disk.
    options.disk.onEntries = (group, index) =>
      options.show({ kind: 'durable', member: this.#id, group, index });
    options.disk.onHardState = (group, term, vote) => {
      if (vote !== 0) options.show({ kind: 'voted', member: this.#id, group, term, vote });
    };
  }

  get #id(): number {
    return this.#options.memberId;
  }

  restored(groups: ReadonlyMap<GroupId, RestoredState>): void {
    for (const [group, { hardState, snapshot, entries }] of groups) {
      this.#lastLogged.set(group, entries.at(-1) ?? snapshot ?? NOTHING_LOGGED);
      this.#show({
        kind: 'restored',
        member: this.#id,
        group,
        term: hardState.term,
        vote: hardState.vote,
        snapshotIndex: snapshot?.index ?? 0,
        snapshotTerm: snapshot?.term ?? 0,
        entries: entries.map(recorded),
      });
    }
  }

  /** The log as the member writes to it. */
  watchLog(wal: Wal): Wal {
    return {
      write: (records, durable) => {
        for (const record of records) this.#logged(record);
        wal.write(records, durable);
      },
      close: () => wal.close(),
      stats: wal.stats,
    };
  }

  watch(member: Member): void {
    this.#member = member;
    this.look(true);
  }

  /** After each event of the member; `thorough` where a pass may have run. */
  look(thorough: boolean): void {
    const member = this.#member;
    if (member === null || this.silent) return;
    for (const group of member.groups.values()) this.#lookAt(group, thorough);
  }

  acknowledging(id: GroupId, index: number): void {
    const watched = this.#groups.get(id);
    if (watched === undefined || this.silent) return;
    this.#commitSeen(watched, watched.commandIndex);
    // Its command has been applied, and is about to be counted.
    this.#appliedSeen(watched, watched.commandIndex);
    const voters = watched.group.status().configuration.voters.map((voter) => voter.id);
    this.#show({
      kind: 'acknowledged',
      member: this.#id,
      group: id,
      index,
      voters,
      durable: voters.map((member) => ({ member, index: this.#options.durableOf(member, id) })),
    });
  }

  #lookAt(group: Group, thorough: boolean): void {
    let watched = this.#groups.get(group.id);
    if (watched === undefined) {
      watched = this.#meet(group);
    } else if (watched.group !== group) throw new Error(`group ${group.id} was opened twice`);
    const { role, term } = group.core;
    if (role !== watched.role || term !== watched.term) {
      // What it knew before it led is not what it commits as a leader.
      this.#commitSeen(watched);
      watched.role = role;
      watched.term = term;
      const voters = group.status().configuration.voters.map((voter) => voter.id);
      this.#show({ kind: 'role', member: this.#id, group: group.id, term, role, voters });
    }
    if (watched.restored && !group.installing) this.#installedSeen(watched);
    if (thorough || group.applied !== watched.applied) this.#commitSeen(watched);
    if (group.applied !== watched.applied) this.#appliedSeen(watched, group.applied);
  }

  #meet(group: Group): Watched {
    const status = group.status();
    const watched: Watched = {
      group,
      role: 'follower',
      term: status.term,
      commit: group.applied,
      applied: group.applied,
      configurationIndex: NONE_SHOWN,
      commandIndex: group.applied,
      hashed: new Map(),
      restored: false,
    };
    this.#groups.set(group.id, watched);
    this.#watchMachine(watched, group.machine);
    return watched;
  }

  #watchMachine(watched: Watched, machine: Machine): void {
    const { hashEvery } = this.#options;
    const apply = machine.apply.bind(machine);
    machine.apply = (command, stampMs, index) => {
      if (index !== watched.commandIndex) {
        // All of the entries before has been applied by now, and nothing of this one.
        this.#hash(watched, Math.floor((index - 1) / hashEvery) * hashEvery);
        watched.commandIndex = index;
      }
      if (command[0] === Op.FeatureLevel) {
        const { group } = watched;
        const { voters, learners } = group.appliedConfiguration;
        const members = [...voters, ...learners].map(({ id }) => id);
        this.#show({
          kind: 'levelRaised',
          member: this.#id,
          group: group.id,
          index,
          level: command[5],
          members,
        });
      }
      if (command[0] === Op.SessionExpire) {
        const sessions = [...command[5]];
        this.#show({ kind: 'expired', member: this.#id, group: watched.group.id, sessions });
      }
      if (command[0] === Op.QueueConfigure) {
        const [, , , , , queue, generation] = command;
        this.#show({
          kind: 'queueConfigured',
          member: this.#id,
          group: watched.group.id,
          queue,
          generation,
        });
      }
      return apply(command, stampMs, index);
    };
    const freeze = machine.freeze.bind(machine);
    machine.freeze = () => {
      // Whoever gets this snapshot is to have this state.
      if (!this.silent) watched.hashed.set(watched.group.applied, machine.digest());
      return freeze();
    };
    const restore = machine.restore.bind(machine);
    machine.restore = (records) => {
      restore(records);
      watched.restored = true;
    };
  }

  #hash(watched: Watched, index: number): void {
    if (index <= watched.applied || index < watched.commandIndex || this.silent) return;
    watched.hashed.set(index, watched.group.machine.digest());
  }

  #installedSeen(watched: Watched): void {
    const { group } = watched;
    watched.restored = false;
    watched.applied = group.applied;
    watched.commit = group.applied;
    watched.commandIndex = group.applied;
    watched.hashed.clear();
    this.#lastLogged.set(group.id, { index: group.applied, term: group.appliedTerm });
    this.#show({
      kind: 'installed',
      member: this.#id,
      group: group.id,
      index: group.applied,
      term: group.appliedTerm,
      stateHash: group.machine.digest(),
    });
  }

  /**
   * Commits first: a leader may change the configuration in the very event in which the last change is committed.
   * Where the log is not shown yet as it is, what is `applied` counts: that is on the disk.
   */
  #commitSeen(watched: Watched, applied: number = watched.group.applied): void {
    const { group } = watched;
    const status = group.status();
    const logged = this.#lastLogged.get(group.id) ?? NOTHING_LOGGED;
    // A follower that took other entries shows them with its next pass. A leader only adds to what it has.
    const same = status.lastIndex === logged.index && status.lastTerm === logged.term;
    const shown = same || status.role === 'leader' ? logged.index : applied;
    const commit = Math.min(status.commit, shown);
    if (commit > watched.commit) {
      watched.commit = commit;
      const { term } = status;
      this.#show({ kind: 'committed', member: this.#id, group: group.id, index: commit, term });
    }
    if (status.configurationIndex === watched.configurationIndex) return;
    // In force from its appending on, and shown once its entry is.
    if (!(same || status.role === 'leader') || status.configurationIndex > logged.index) return;
    watched.configurationIndex = status.configurationIndex;
    const { voters, learners } = status.configuration;
    this.#show({
      kind: 'configuration',
      member: this.#id,
      group: group.id,
      index: status.configurationIndex,
      voters: voters.map(({ id }) => id),
      learners: learners.map(({ id }) => id),
    });
  }

  #appliedSeen(watched: Watched, index: number): void {
    if (index <= watched.applied) return;
    if (index === watched.group.applied && index % this.#options.hashEvery === 0) {
      watched.hashed.set(index, watched.group.machine.digest());
    }
    watched.applied = index;
    const at = { kind: 'applied', member: this.#id, group: watched.group.id } as const;
    let last = 0;
    for (const [hashedIndex, stateHash] of watched.hashed) {
      if (hashedIndex > index) continue;
      this.#show({ ...at, index: hashedIndex, stateHash });
      watched.hashed.delete(hashedIndex);
      last = hashedIndex;
    }
    if (last < index) this.#show({ ...at, index, stateHash: null });
  }

  #logged(record: WalRecord): void {
    if (record.type === 'entries') {
      const watched = this.#groups.get(record.group);
      // Where its configuration stood there is another entry, which may be one as well.
      if (watched !== undefined && (record.entries[0]?.index ?? 0) <= watched.configurationIndex) {
        watched.configurationIndex = NONE_SHOWN;
      }
      this.#lastLogged.set(record.group, record.entries.at(-1) ?? NOTHING_LOGGED);
      this.#show({
        kind: 'appended',
        member: this.#id,
        group: record.group,
        entries: record.entries.map(recorded),
      });
    } else if (record.type === 'compact') {
      this.#show({ kind: 'compacted', member: this.#id, group: record.group, firstIndex: record.keepFrom });
    }
  }

  #show(shown: Shown): void {
    if (!this.silent) this.#options.show(shown);
  }
}

const NONE_SHOWN = -1;
const NOTHING_LOGGED = { index: 0, term: 0 };

function recorded(entry: Entry): EntryRecord {
  const { index, term, kind, stampMs, data, configuration } = entry;
  const hash = crc32(data, (kind + 1_000_003 * (stampMs % 4096)) >>> 0) ^ canonicalHash(stampMs);
  if (configuration === null) return { index, term, kind, hash: hash >>> 0 };
  const members = [configuration.voters, configuration.learners].map((list) =>
    list.map(({ id, ordinal }) => [id, ordinal]),
  );
  return { index, term, kind, hash: canonicalHash(members, hash) >>> 0 };
}
