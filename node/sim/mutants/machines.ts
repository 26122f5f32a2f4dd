import type { Mutant } from './mutant.ts';

const MACHINES = 'node/src/machines';

/** In the replicated state machines: wrong on every member alike, so no comparison of states shows it. */
export const machineMutants: readonly Mutant[] = [
  {
    name: 'double-grant',
    why: 'an exclusive lock is granted while somebody holds it, as long as nobody waits',
    edits: [
      {
        file: `${MACHINES}/locks.ts`,
        find: 'const free = known === undefined || (known.waiters.head === null && known.admits(mode));',
        replace: 'const free = known === undefined || known.waiters.head === null;',
      },
      {
        // The assertion would be the first to notice; what is to be seen here is whether the checker does.
        file: `${MACHINES}/locks.ts`,
        find: "invariant(claim.token === 0 && lock.admits(claim.mode), 'a lock is granted once, to compatible holders');",
        replace: "invariant(claim.token === 0, 'a lock is granted once');",
      },
      {
        file: `${MACHINES}/locks.ts`,
        find: "        invariant(lock.admits(claim.mode), 'holders of a lock are compatible');\n",
        replace: '',
      },
    ],
    checkers: ['lock exclusion', 'equal state at equal index'],
    maxSeeds: 10,
  },
  {
    name: 'writer-beside-readers',
    why: 'the writer at the head of the line is admitted while readers still hold',
    edits: [
      {
        file: `${MACHINES}/claim.ts`,
        find: 'return this.exclusive === null && (this.shared === null || mode === LockMode.Shared);',
        replace: 'return this.exclusive === null && (this.shared === null || mode > 0);',
      },
    ],
    checkers: ['lock exclusion'],
    maxSeeds: 20,
  },
  {
    name: 'forget-replies-in-snapshot',
    why: 'a snapshot keeps a session without the window of its replies: what is resent is applied again',
    edits: [
      {
        file: `${MACHINES}/sessions.ts`,
        find: 'return [Section.Session, id, ttlMs, label, last, floor, replies] as const;',
        replace:
          'return [Section.Session, id, ttlMs, label, last >= floor ? floor - 1 : last, floor, replies.slice(0, 0)] as const;',
      },
    ],
    checkers: ['equal state at equal index'],
    maxSeeds: 20,
  },
  {
    name: 'apply-across-a-gap',
    why: 'a write is applied although the ones before it have not come, and those are applied after it',
    edits: [
      {
        file: `${MACHINES}/sessions.ts`,
        find: 'if (seq === expected) return null;\n    if (seq > expected) {',
        replace: 'if (seq >= expected) return null;\n    if (seq > expected) {',
      },
      {
        file: `${MACHINES}/sessions.ts`,
        find: "invariant(stored !== undefined, 'every reply from floor to last is kept');\n    return stored;",
        replace: 'return stored ?? null;',
      },
      {
        file: `${MACHINES}/sessions.ts`,
        find: "invariant(seq === session.last + 1, 'replies are stored in order');",
        replace: "invariant(seq >= session.floor, 'below the window nothing is stored');",
      },
      {
        file: `${MACHINES}/sessions.ts`,
        find: 'edited.last = seq;',
        replace: 'edited.last = Math.max(edited.last, seq);',
      },
      {
        file: `${MACHINES}/sessions.ts`,
        find: 'replies.push(encodeReply(session.replies[seq & (session.replies.length - 1)]!));',
        replace:
          'replies.push(encodeReply(session.replies[seq & (session.replies.length - 1)] ?? { ok: true, value: [] }));',
      },
    ],
    checkers: ['order of sending'],
    maxSeeds: 500,
  },
  {
    name: 'lose-tombstones-in-snapshot',
    why: 'a snapshot forgets who was removed: an old volume may come back under its old id',
    edits: [
      {
        file: `${MACHINES}/roster.ts`,
        find: '      members,\n      tombstones,\n    ] as const;',
        replace: '      members,\n      tombstones.slice(0, 0),\n    ] as const;',
      },
    ],
    checkers: ['run'],
    maxSeeds: 100,
  },
  {
    name: 'late-ack-goes-through',
    why: 'a receipt of an earlier delivery acknowledges the message while another consumer works on it',
    edits: [
      {
        file: `${MACHINES}/partition.ts`,
        find: 'return message.delivery === delivery ? message : null;',
        replace: 'return delivery > 0 ? message : null;',
      },
    ],
    checkers: ['queue accounting'],
    maxSeeds: 20,
  },
  {
    name: 'delivery-count-reset-by-restore',
    why: 'after a restore every message counts its deliveries from 0',
    edits: [
      {
        file: `${MACHINES}/partition.ts`,
        find: '      payload: pool.keep(payload),\n      delivery,',
        replace: '      payload: pool.keep(payload),\n      delivery: delivery - delivery,',
      },
    ],
    checkers: ['equal state at equal index'],
    maxSeeds: 20,
  },
  {
    name: 'token-from-the-clock-alone',
    why: 'two grants stamped in the same millisecond get the same fencing token',
    edits: [
      {
        file: `${MACHINES}/tokens.ts`,
        find: 'Math.max(this.last + 1, Number.isSafeInteger(floor) ? floor : 0)',
        replace: 'Math.max(1, Number.isSafeInteger(floor) ? floor : 0)',
      },
    ],
    checkers: ['exactly once', 'fencing tokens'],
    maxSeeds: 20,
  },
  {
    name: 'tokens-begin-again-after-restore',
    why: 'a restored state takes its next token from the clock, which may have been behind what was given out',
    edits: [
      {
        file: `${MACHINES}/replicatedMachine.ts`,
        find: 'this.tokens.last = lastToken!;',
        replace: 'this.tokens.last = lastToken! - (lastToken! % 1024);',
      },
      {
        file: `${MACHINES}/locks.ts`,
        find: "invariant(claim.id <= this.lastClaimId && claim.token <= this.#tokens.last, 'counters are ahead');",
        replace: "invariant(claim.id <= this.lastClaimId, 'counters are ahead');",
      },
    ],
    checkers: ['equal state at equal index'],
    maxSeeds: 30,
  },
  {
    name: 'returned-message-goes-last',
    why: 'a message that comes back is delivered after those that were enqueued behind it',
    edits: [
      {
        file: `${MACHINES}/readyQueue.ts`,
        find: 'if (returned !== undefined && (fresh === undefined || returned.id < fresh.id)) {',
        replace: 'if (returned !== undefined && fresh === undefined) {',
      },
    ],
    checkers: ['equal state at equal index', 'queue accounting'],
    maxSeeds: 20,
  },
  {
    name: 'ready-again-loses-message',
    why: 'a message whose visibility ran out is ready again only in the count',
    edits: [
      {
        file: `${MACHINES}/partition.ts`,
        find: '    if (edited.state === MessageState.InFlight) this.#inFlight--;\n    else this.#delayed--;\n    this.#makeReady(edited);',
        replace:
          '    if (edited.state === MessageState.InFlight && edited.delivery > 1) {\n      this.acknowledge(edited);\n      return;\n    }\n    if (edited.state === MessageState.InFlight) this.#inFlight--;\n    else this.#delayed--;\n    this.#makeReady(edited);',
      },
    ],
    checkers: ['queue accounting'],
    maxSeeds: 20,
  },
];
