import { BRIEF, FAST_LINK, LONG_ELECTIONS } from './choices.ts';
import type { Mutant } from './mutant.ts';

const RAFT = 'node/src/raft';

/** In the pure Raft core. */
export const raftMutants: readonly Mutant[] = [
  {
    name: 'skip-log-match',
    why: 'entries are appended behind whatever stands there (Raft §5.3): a hole or a fork in the log is kept',
    edits: [
      {
        file: `${RAFT}/follower.ts`,
        find: 'if (this.log.termAt(prevIndex) === prevTerm) {',
        replace: 'if (prevIndex <= this.log.last) {',
      },
      {
        // Assertions would be the first to notice some of it.
        file: `${RAFT}/log.ts`,
        find: "    assert(entry.term >= this.lastTerm, 'an entry was appended with a term below the last');\n",
        replace: '',
      },
      {
        file: `${RAFT}/log.ts`,
        find: "    assert(entry.stampMs >= this.lastStampMs, 'an entry was appended with a stamp below the last');\n",
        replace: '',
      },
    ],
    checkers: ['log matching'],
    faults: ['cutAtTransfer', 'partition'],
    choices: { ...BRIEF, clients: 4, attackMs: 20_000, blowEveryMs: 1_000, pauseMs: 100 },
    maxSeeds: 20,
  },
  {
    name: 'count-learner-in-quorum',
    why: 'a learner counts for commit: what only the leader and a learner have can be lost with the leader',
    edits: [
      {
        file: `${RAFT}/leadership.ts`,
        find: 'const stored = majorityValue(this.log.configurations.current.voters, this.matchOf);',
        replace:
          'const { voters, learners } = this.log.configurations.current;\n    const stored = majorityValue([...voters, ...learners], this.matchOf);',
      },
    ],
    checkers: ['durability'],
    faults: ['scale', 'slowDisk'],
    choices: { ...BRIEF, members: 1, attackMs: 20_000, blowEveryMs: 1_500 },
    maxSeeds: 20,
  },
  {
    name: 'count-own-write-in-flight',
    why: 'the leader counts its own copy before it is durable (thesis §10.2.1): two of three, one of them in memory',
    edits: [
      {
        file: `${RAFT}/leadership.ts`,
        find: 'id === this.options.id ? this.log.durable : (this.peers.get(id)?.match ?? 0);',
        replace: 'id === this.options.id ? this.log.last : (this.peers.get(id)?.match ?? 0);',
      },
      {
        // It would commit as soon as it appended, where it is the only voter.
        file: `${RAFT}/leadership.ts`,
        find: 'flush(): void {\n',
        replace: 'flush(): void {\n    this.advanceCommit();\n',
      },
    ],
    checkers: ['durability'],
    faults: ['slowDisk', 'power'],
    choices: BRIEF,
    maxSeeds: 20,
  },
  {
    name: 'commit-older-term-by-counting',
    why: 'entries of an earlier term are committed by counting copies (Raft §5.4.2, figure 8)',
    edits: [
      {
        file: `${RAFT}/leadership.ts`,
        find: 'if (stored <= this.log.commit || this.log.termAt(stored) !== this.term) return;',
        replace: 'if (stored <= this.log.commit) return;',
      },
    ],
    checkers: ['commit in the own term'],
    faults: ['slowDisk', 'kill', 'pause'],
    choices: { ...BRIEF, clients: 4, attackMs: 20_000, pauseMs: 100, link: FAST_LINK },
    maxSeeds: 20,
  },
  {
    name: 'confirm-reads-at-once',
    why: 'a read round is confirmed when it begins: a leader that was replaced serves old state as linearizable',
    edits: [
      {
        file: `${RAFT}/leadership.ts`,
        find: "// The only voter needs nobody's word.\n      this.confirmReads();",
        replace: 'this.rounds.confirm(this.rounds.started);',
      },
    ],
    checkers: ['reads by log index', 'linearizable registers'],
    faults: ['cutAtTransfer'],
    choices: { ...BRIEF, clients: 4, attackMs: 30_000, pauseMs: 100, tuning: LONG_ELECTIONS },
    maxSeeds: 20,
  },
  {
    name: 'vote-for-shorter-log',
    why: 'votes go to any candidate (Raft §5.4.1): a leader may lack what is committed',
    edits: [
      {
        file: `${RAFT}/ballot.ts`,
        find: 'const granted = free && this.log.isUpToDate(request.lastIndex, request.lastTerm);',
        replace: 'const granted = free;',
      },
    ],
    checkers: ['committed prefix'],
    faults: ['partition', 'transfer', 'loss'],
    choices: BRIEF,
    maxSeeds: 20,
  },
  {
    name: 'vote-before-durable',
    why: 'a granted vote leaves before it is on disk: after a crash the same term is voted in twice',
    edits: [
      {
        file: `${RAFT}/ballot.ts`,
        find: 'if (granted && !preVote) this.outbox.sendAfterPersist(answer);\n    else this.outbox.send(answer);',
        replace: 'this.outbox.send(answer);',
      },
    ],
    checkers: ['one leader per term'],
    faults: ['kill', 'killAtEffect', 'transfer', 'slowDisk'],
    choices: BRIEF,
    maxSeeds: 20,
  },
  {
    name: 'keep-overwritten-configuration',
    why: 'a configuration whose entry was replaced stays in force (thesis §4.1)',
    edits: [
      {
        file: `${RAFT}/log.ts`,
        find: '    this.configurations.truncateFrom(index);\n',
        replace: '',
      },
    ],
    checkers: ['configurations', 'run'],
    faults: ['cutAtChange'],
    choices: { ...BRIEF, attackMs: 30_000 },
    maxSeeds: 20,
  },
  {
    name: 'change-before-the-last-is-committed',
    why: 'two changes of voters may be under way: their majorities need not meet (thesis §4.1)',
    edits: [
      {
        file: `${RAFT}/leadership.ts`,
        find: "if (configurations.currentIndex > commit || !this.committedInTerm) return 'changePending';",
        replace: '',
      },
      {
        file: `${RAFT}/leadership.ts`,
        find: 'const { configurations, commit } = this.log;',
        replace: 'const { configurations } = this.log;',
      },
    ],
    checkers: ['membership changes'],
    faults: ['scale', 'partition', 'pause'],
    choices: BRIEF,
    maxSeeds: 20,
  },
  {
    name: 'apply-before-own-durability',
    why: 'entries are applied that this member has only in memory: a mark handed out may outlive them',
    edits: [
      {
        file: `${RAFT}/log.ts`,
        find: 'const upTo = Math.min(this.commit, this.durable);',
        replace: 'const upTo = this.commit;',
      },
    ],
    checkers: ['durability'],
    faults: ['slowDisk'],
    choices: BRIEF,
    maxSeeds: 10,
  },
];
