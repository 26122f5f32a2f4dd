import { BRIEF, LONG_ELECTIONS } from './choices.ts';
import type { Mutant } from './mutant.ts';

const REPLICA = 'node/src/replica';

/** In the member around the core: reads, leases, proposals, membership, and in the client's share of a lease. */
export const replicaMutants: readonly Mutant[] = [
  {
    name: 'stale-read',
    why: 'a linearizable read is answered by whoever is asked, from what it has applied',
    edits: [
      {
        file: `${REPLICA}/router.ts`,
        find: 'if (query[0] === QueryOp.QueueWait || level === ReadLevel.Linearizable) {',
        replace: 'if (query[0] === QueryOp.QueueWait) {',
      },
    ],
    checkers: ['linearizable registers'],
    faults: ['partition', 'pause', 'clog'],
    choices: { ...BRIEF, clients: 4, pauseMs: 100 },
    maxSeeds: 20,
  },
  {
    name: 'session-read-ignores-mark',
    why: 'a session read does not wait for what its client has seen already',
    edits: [
      {
        file: `${REPLICA}/router.ts`,
        find: 'if (level === ReadLevel.Any || mark <= group.applied) {',
        replace: 'if (level !== ReadLevel.Linearizable) {',
      },
    ],
    checkers: ['reads by log index'],
    faults: ['partition', 'pause', 'clog'],
    choices: { ...BRIEF, clients: 4, pauseMs: 100 },
    maxSeeds: 20,
  },
  {
    name: 'keepalive-without-quorum-round',
    why: 'a leader that was replaced confirms leases that its successor lets run out',
    edits: [
      {
        file: `${REPLICA}/router.ts`,
        find: `    group.reads.linearizable((ok) => {
      if (!ok) {
        replyError(connection, request, 'NOT_LEADER', 'the leader changed', group.leader);`,
        replace: `    const atOnce = (done: (ok: boolean) => void): void => done(true);
    atOnce((ok) => {
      if (!ok) {
        replyError(connection, request, 'NOT_LEADER', 'the leader changed', group.leader);`,
      },
    ],
    checkers: ['leases', 'lock exclusion'],
    faults: ['cutAtTransfer'],
    choices: { ...BRIEF, clients: 4, sessionTtlMs: 1_000, holdMs: 8_000, tuning: LONG_ELECTIONS },
    maxSeeds: 20,
  },
  {
    name: 'renew-condemned-lease',
    why: 'a keepalive is confirmed while the expiry of its session is on its way into the log',
    edits: [
      {
        file: `${REPLICA}/leases.ts`,
        find: '    if (this.#condemned.has(session)) return false;\n',
        replace: '',
      },
      {
        // Alone it breaks nothing: what is condemned has been silent for a lease by the leader's clock, so its client,
        // which counts from its own sending and less, gave it up before. Here it does not, until members say so.
        file: 'node/client/src/sessions.ts',
        find: '    if (left <= 0) {\n',
        replace: '    if (left <= -1e9) {\n',
      },
      {
        file: 'node/client/src/sessions.ts',
        find: 'clock.after(Math.min(left, sessionTtlMs / LEASE_CHECKS), () =>',
        replace: 'clock.after(sessionTtlMs / LEASE_CHECKS, () =>',
      },
    ],
    checkers: ['leases', 'lock exclusion'],
    faults: ['lateKeepalives'],
    choices: { ...BRIEF, clients: 4, attackMs: 30_000, sessionTtlMs: 2_000, holdMs: 20_000, markMs: 900 },
    maxSeeds: 20,
  },
  {
    name: 'lease-table-outlives-leadership',
    why: 'a member that leads again goes by deadlines of its former leadership: what others renewed runs out early',
    edits: [
      {
        file: `${REPLICA}/group.ts`,
        find: '    this.leases.clear();\n',
        replace: '',
      },
    ],
    checkers: ['leases'],
    faults: ['leadershipBack'],
    choices: { ...BRIEF, clients: 4, sessionTtlMs: 1_000, holdMs: 8_000 },
    maxSeeds: 20,
  },
  {
    name: 'wild-clock-expires-lease',
    why: "leases run by the leader's wall clock: one that jumps ahead ends what its owners still count on",
    edits: [
      {
        file: `${REPLICA}/member.ts`,
        find: '      nowMs: () => clock.monotonicMs(),\n      wallMs: () => clock.wallMs(),\n      after:',
        replace: '      nowMs: () => clock.wallMs(),\n      wallMs: () => clock.wallMs(),\n      after:',
      },
      {
        file: `${REPLICA}/member.ts`,
        find: '      nowMs: () => clock.monotonicMs(),\n      forward:',
        replace: '      nowMs: () => clock.wallMs(),\n      forward:',
      },
    ],
    checkers: ['leases', 'lock exclusion'],
    faults: ['wildClock', 'lateAnswers', 'transfer'],
    choices: { ...BRIEF, clients: 4, attackMs: 20_000, sessionTtlMs: 2_000, holdMs: 8_000 },
    maxSeeds: 20,
  },
  {
    name: 'wild-clock-stamps',
    why: "entries are stamped by the fastest of the voters' clocks instead of the median",
    edits: [
      {
        file: `${REPLICA}/clusterClock.ts`,
        find: 'clocks[place]!',
        replace: 'clocks[clocks.length - 1]!',
      },
    ],
    checkers: ['time to live'],
    faults: ['wildClock', 'transfer'],
    choices: BRIEF,
    maxSeeds: 20,
  },
  {
    name: 'answer-for-another-leaders-entry',
    why: 'a write is acknowledged, and applied here, when any entry came to stand at its index',
    edits: [
      {
        file: `${REPLICA}/proposals.ts`,
        find: 'if (batch.term === term) return batch;',
        replace: 'if (term > 0) return batch;',
      },
    ],
    checkers: ['equal state at equal index'],
    faults: ['cutAtTransfer', 'partition'],
    choices: {
      ...BRIEF,
      clients: 4,
      attackMs: 20_000,
      blowEveryMs: 1_000,
      pauseMs: 100,
      tuning: LONG_ELECTIONS,
    },
    maxSeeds: 20,
  },
  {
    name: 'found-again-on-an-empty-disk',
    why: 'the first member, come back with an empty volume, is told to found the cluster a second time',
    edits: [
      {
        file: 'node/sim/world/operator.ts',
        find: '    const leaders = leadersOf(seen, shards + 1);\n',
        replace: `    const wiped = seen.find(({ slot, identity }) => slot.ordinal === 0 && identity.empty);
    if (wiped !== undefined) await this.#call(wiped.slot, (s) => s.bootstrap(clusterId, shards));
    const leaders = leadersOf(seen, shards + 1);
`,
      },
    ],
    checkers: ['log matching'],
    faults: ['lostVolume'],
    choices: BRIEF,
    maxSeeds: 20,
  },
  {
    name: 'promote-before-caught-up',
    why: 'operator and member take any learner for caught up: its group then counts on a voter that has nothing',
    edits: [
      {
        file: `${REPLICA}/caughtUp.ts`,
        find: "return peer.active && peer.state === 'replicate' && peer.match + NEAR_ENTRIES >= lastIndex;",
        replace: 'return peer.next > 0 && lastIndex >= 0;',
      },
      {
        file: 'node/sim/world/clusterView.ts',
        find: 'return one?.active === true && one.match + CAUGHT_UP_ENTRIES >= lastIndex;',
        replace: 'return one !== undefined && lastIndex >= 0;',
      },
    ],
    checkers: ['membership changes'],
    faults: ['scale', 'lostVolume', 'slowDisk'],
    choices: { ...BRIEF, clients: 4, attackMs: 20_000, pauseMs: 100 },
    maxSeeds: 20,
  },
  {
    name: 'follow-an-old-roster',
    why: 'a leader acts on whatever copy of the roster it has: one of before a removal brings the member back',
    edits: [
      {
        file: `${REPLICA}/duties.ts`,
        find: '    if (!this.#rosterCopy.isCurrent(status.term, roster.index, now)) return;\n',
        replace: '    if (now < 0) return;\n',
      },
    ],
    checkers: ['membership changes'],
    faults: ['scale', 'lostVolume', 'clog', 'transfer', 'oneWay'],
    choices: { ...BRIEF, shards: 2, attackMs: 30_000, blowEveryMs: 400 },
    maxSeeds: 40,
  },
  {
    name: 'lease-counted-from-reply',
    why: 'the client counts its lease from the confirmation instead of from its sending',
    edits: [
      {
        file: 'node/client/src/sessions.ts',
        find: 'if (renewal.start.monotonicMs > this.#lease.monotonicMs) this.#lease = renewal.start;',
        replace: 'if (renewal.start.monotonicMs > 0) this.#lease = leaseStart(this.#options.clock);',
      },
    ],
    checkers: ['leases', 'lock exclusion'],
    faults: ['lateAnswers'],
    choices: { ...BRIEF, clients: 4, attackMs: 20_000, sessionTtlMs: 2_000, holdMs: 8_000 },
    maxSeeds: 20,
  },
  {
    name: 'promote-two-at-once',
    why: 'two learners get their votes in one step: majorities of before and after need not meet (thesis §4.1)',
    edits: [
      {
        file: `${REPLICA}/membership.ts`,
        find: 'return propose([...now.voters, promoted], without(now.learners, [promoted]),',
        replace: 'return propose([...now.voters, ...now.learners.slice(0, 2)], now.learners.slice(2),',
      },
      {
        file: 'node/src/raft/configuration.ts',
        find: 'return voters <= 1;',
        replace: 'return voters <= 2;',
      },
    ],
    checkers: ['configurations'],
    faults: ['scale'],
    choices: { ...BRIEF, attackMs: 20_000 },
    maxSeeds: 20,
  },
  {
    name: 'expiry-asked-once',
    why: 'a leader that let something fall due once never looks again: messages that nobody acknowledged stay away',
    edits: [
      {
        file: `${REPLICA}/duties.ts`,
        find: '      this.#expireAsked = false;\n      if (ok',
        replace: '      if (ok',
      },
    ],
    checkers: ['final audit'],
    faults: ['clientCut', 'clientPause'],
    choices: BRIEF,
    maxSeeds: 10,
  },
  {
    name: 'full-for-ever',
    why: 'a member that refused what grows for want of space never takes anything again',
    edits: [
      {
        file: `${REPLICA}/diskSpace.ts`,
        find: 'this.#allowanceBytes = free - owed;',
        replace: 'this.#allowanceBytes = this.#refusing ? -1 : free - owed;',
      },
    ],
    checkers: ['progress after healing'],
    faults: ['fullDisk'],
    choices: { ...BRIEF, blowEveryMs: 1_500, tuning: { segmentBytes: 1024 * 1024 } },
    maxSeeds: 10,
  },
];
