import type { MemberId } from '@synccluster/client/protocol';
import { quorumSize } from '../quorum.ts';
import type { Entry, ReadReady } from '../types.ts';
import type { SimMember } from './network.ts';

function violated(what: string): never {
  throw new Error(`violated: ${what}`);
}

function termAt(log: readonly Entry[], index: number): number | null {
  const first = log[0];
  return first === undefined ? null : (log[index - first.index]?.term ?? null);
}

/** What Raft promises (Raft figure 3), held against every step of a simulated group. */
export class Checker {
  private readonly members: ReadonlyMap<MemberId, SimMember>;
  private readonly leaderOf = new Map<number, MemberId>();
  /** Term of each entry that any member ever held for committed: filled once, never changed. */
  private readonly committed: (number | undefined)[] = [];
  private readonly appliedEntries: (Entry | undefined)[] = [];
  private readonly commits = new Map<MemberId, number>();
  private readonly readFloors = new Map<MemberId, Map<number, number>>();
  /** Reads served and entries committed: a run that did nothing proves nothing. */
  served = 0;
  highestCommit = 0;

  constructor(members: ReadonlyMap<MemberId, SimMember>) {
    this.members = members;
  }

  crashed(at: SimMember): void {
    this.commits.delete(at.id);
    this.readFloors.delete(at.id);
  }

  check(at: SimMember): void {
    const { role, term } = at.raft;
    if (role === 'leader' && this.leaderOf.get(term) !== at.id) {
      if (this.leaderOf.has(term)) violated(`election safety: two leaders in term ${term}`);
      this.leaderOf.set(term, at.id);
      for (let index = 1; index <= this.highestCommit; index += 1) this.holdsCommitted(at, index);
    }
    this.checkCommit(at);
  }

  private holdsCommitted(at: SimMember, index: number): void {
    if (index <= (at.disk.snapshot?.index ?? 0)) return;
    if (termAt(at.log, index) !== this.committed[index]) {
      violated(`leader completeness: leader ${at.id} lacks committed entry ${index}`);
    }
  }

  private checkCommit(at: SimMember): void {
    const { commit, durable, configuration } = at.raft.status();
    const before = this.commits.get(at.id) ?? at.disk.snapshot?.index ?? 0;
    if (commit < before) violated('a commit index fell');
    this.commits.set(at.id, commit);
    for (let index = before + 1; index <= commit; index += 1) {
      if (index <= (at.disk.snapshot?.index ?? 0)) continue;
      const term = termAt(at.log, index);
      if (term === null) violated(`member ${at.id} committed entry ${index} that it does not hold`);
      if (this.committed[index] === undefined) {
        this.committed[index] = term;
        this.highestCommit = Math.max(this.highestCommit, index);
        const holders = configuration.voters.filter((voter) => this.isDurable(voter.id, index, term)).length;
        if (holders < quorumSize(configuration.voters.length)) {
          violated(`entry ${index} was committed with ${holders} durable copies`);
        }
      } else if (this.committed[index] !== term) {
        violated(`entry ${index} was committed twice, in terms ${this.committed[index]} and ${term}`);
      }
    }
    const onDisk = at.disk.entries[at.disk.entries.length - 1]?.index ?? at.disk.snapshot?.index ?? 0;
    if (durable > onDisk) violated(`member ${at.id} takes entry ${durable} for durable`);
  }

  private isDurable(id: MemberId, index: number, term: number): boolean {
    const disk = this.members.get(id)?.disk;
    if (disk === undefined) return false;
    return index <= (disk.snapshot?.index ?? 0) || termAt(disk.entries, index) === term;
  }

  applied(at: SimMember, entry: Entry): void {
    if (entry.index !== at.applied.index + 1) violated(`member ${at.id} applied out of order`);
    if (entry.stampMs < at.applied.stampMs) violated('a stamp fell');
    if (!this.isDurable(at.id, entry.index, entry.term))
      violated('an entry was applied before it was durable');
    const first = this.appliedEntries[entry.index];
    if (first === undefined) this.appliedEntries[entry.index] = entry;
    else if (first.term !== entry.term || first.data !== entry.data)
      violated('two members applied differently');
  }

  readAsked(at: SimMember, round: number): void {
    const floors = this.readFloors.get(at.id) ?? new Map<number, number>();
    this.readFloors.set(at.id, floors);
    floors.set(round, Math.max(floors.get(round) ?? 0, this.highestCommit));
  }

  /** Linearizable: a read sees all that anyone held for committed when it was asked for. */
  readServed(at: SimMember, read: ReadReady): void {
    const floor = this.readFloors.get(at.id)?.get(read.round);
    if (floor === undefined) violated('a read was served that nobody asked for');
    if (read.index < floor) violated(`a read at ${read.index} misses committed entry ${floor}`);
    this.served += 1;
  }

  /** Log matching: where two logs have the same term, they are the same up to there. */
  checkLogs(): void {
    const logs = [...this.members.values()].map((at) => at.log);
    for (const a of logs) {
      for (const b of logs) {
        let same = false;
        const low = Math.max(a[0]?.index ?? 1, b[0]?.index ?? 1);
        for (let index = Math.min(a.at(-1)?.index ?? 0, b.at(-1)?.index ?? 0); index >= low; index -= 1) {
          const equal = termAt(a, index) === termAt(b, index);
          if (same && !equal) violated(`log matching at ${index}`);
          same ||= equal;
        }
      }
    }
  }
}
