import { BRIEF, SMALL_LOG } from './choices.ts';
import type { Edit, Mutant } from './mutant.ts';

const MACHINES = 'node/src/machines';

/** Comparing states would be the first to notice; what is to be seen is whether the history's own checker does. */
const BLIND_TO_STATE: Edit = {
  file: `${MACHINES}/replicatedMachine.ts`,
  find: '    return sum >>> 0;',
  replace: '    return sum - sum;',
};

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
      {
        // So would one that has been driven out of its place.
        file: `${MACHINES}/claim.ts`,
        find: 'unhold(claim: Claim): void {\n',
        replace:
          'unhold(claim: Claim): void {\n    if (claim.mode === LockMode.Exclusive ? this.exclusive !== claim : this.shared?.has(claim.session) !== true) return;\n',
      },
      {
        file: `${MACHINES}/locks.ts`,
        find: 'if (!lock.held) this.#locks.delete(lock.name);',
        replace: "if (lock.name === '') this.#locks.delete(lock.name);",
      },
    ],
    checkers: ['lock exclusion'],
    faults: ['kill'],
    choices: BRIEF,
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
    faults: ['kill'],
    choices: BRIEF,
    maxSeeds: 10,
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
      BLIND_TO_STATE,
    ],
    checkers: ['exactly once', 'queue accounting'],
    faults: ['kill', 'clientCut', 'oneWay'],
    choices: { ...BRIEF, tuning: SMALL_LOG },
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
    faults: ['transfer'],
    choices: {
      ...BRIEF,
      shards: 1,
      clients: 8,
      attackMs: 30_000,
      blowEveryMs: 400,
      pauseMs: 20,
      // What was sent one after the other arrives so, and a leadership may change in between.
      burstShare: 1,
      burstGapMs: 60,
      link: { minMs: 1, maxMs: 100, retransmitChance: 0, splitChance: 1 },
    },
    maxSeeds: 20,
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
    faults: ['lostVolume', 'scale', 'kill'],
    choices: { ...BRIEF, attackMs: 20_000, tuning: SMALL_LOG },
    maxSeeds: 20,
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
    faults: ['kill', 'clientPause'],
    choices: BRIEF,
    maxSeeds: 10,
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
      BLIND_TO_STATE,
    ],
    checkers: ['delivery counts'],
    faults: ['kill', 'transfer'],
    choices: { ...BRIEF, tuning: SMALL_LOG },
    maxSeeds: 10,
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
    checkers: ['exactly once'],
    faults: ['kill'],
    choices: BRIEF,
    maxSeeds: 10,
  },
  {
    name: 'tokens-begin-again-after-restore',
    why: 'a restored state takes its next token from the clock alone, which is behind what was given out after a recovery',
    edits: [
      {
        file: `${MACHINES}/replicatedMachine.ts`,
        find: 'this.tokens.last = lastToken!;',
        replace: 'this.tokens.last = lastToken! - lastToken!;',
      },
      {
        file: `${MACHINES}/replicatedMachine.ts`,
        find: 'this.tokens.ahead = ahead!;',
        replace: 'this.tokens.ahead = ahead! - ahead!;',
      },
      {
        file: `${MACHINES}/locks.ts`,
        find: "invariant(claim.id <= this.lastClaimId && claim.token <= this.#tokens.last, 'counters are ahead');",
        replace: "invariant(claim.id <= this.lastClaimId, 'counters are ahead');",
      },
      BLIND_TO_STATE,
    ],
    checkers: ['fencing tokens'],
    faults: ['forcedRecovery', 'restart', 'kill'],
    choices: { ...BRIEF, attackMs: 30_000, tuning: SMALL_LOG },
    maxSeeds: 20,
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
      BLIND_TO_STATE,
    ],
    checkers: ['queue order'],
    faults: ['kill'],
    choices: BRIEF,
    maxSeeds: 10,
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
    faults: ['clientPause', 'kill'],
    choices: BRIEF,
    maxSeeds: 10,
  },
  {
    name: 'apply-resent-again',
    why: 'a write that comes a second time has its effect a second time',
    edits: [
      {
        file: `${MACHINES}/sessions.ts`,
        find: 'if (seq === expected) return null;',
        replace: 'if (seq <= expected) return null;',
      },
      {
        file: `${MACHINES}/sessions.ts`,
        find: "invariant(seq === session.last + 1, 'replies are stored in order');",
        replace: 'if (seq <= session.last) return;',
      },
    ],
    checkers: ['exactly once'],
    faults: ['clientCut', 'oneWay', 'kill'],
    choices: BRIEF,
    maxSeeds: 20,
  },
  {
    name: 'token-from-a-coarse-clock',
    why: 'fencing tokens go by the second: two grants within one cannot be told apart',
    edits: [
      {
        file: `${MACHINES}/tokens.ts`,
        find: 'const floor = stampMs * PER_MILLISECOND + this.ahead;',
        replace: 'const floor = Math.floor(stampMs / 1_000) * 1_000 * PER_MILLISECOND + this.ahead;',
      },
      {
        file: `${MACHINES}/tokens.ts`,
        find: 'Math.max(this.last + 1, Number.isSafeInteger(floor) ? floor : 0)',
        replace: 'Math.max(1, Number.isSafeInteger(floor) ? floor : 0)',
      },
    ],
    checkers: ['fencing tokens'],
    faults: ['kill'],
    choices: BRIEF,
    maxSeeds: 10,
  },
  {
    name: 'readers-not-listed',
    why: 'who asks for the holders of a lock is told of the first alone',
    edits: [
      {
        file: `${MACHINES}/locks.ts`,
        find: 'holders.push([session, token, mode]);',
        replace: 'if (holders.length === 0) holders.push([session, token, mode]);',
      },
    ],
    checkers: ['lock state'],
    faults: ['kill'],
    choices: { ...BRIEF, clients: 4, holdMs: 3_000 },
    maxSeeds: 20,
  },
  {
    name: 'redelivery-not-counted',
    why: 'a message that is delivered again says that it never was before',
    edits: [
      {
        file: `${MACHINES}/partition.ts`,
        find: 'message.delivery++;',
        replace: 'message.delivery = Math.max(1, message.delivery);',
      },
    ],
    checkers: ['delivery counts'],
    faults: ['clientPause', 'kill'],
    choices: BRIEF,
    maxSeeds: 10,
  },
  {
    name: 'dead-session-keeps-its-locks',
    why: 'the locks of a client that is gone are never free again',
    edits: [
      {
        file: `${MACHINES}/replicatedMachine.ts`,
        find: `          this.push({ session: id, push: [PushKind.SessionExpired] });
          this.sessionEnded(id, stampMs);`,
        replace: '          this.push({ session: id, push: [PushKind.SessionExpired] });',
      },
      {
        file: `${MACHINES}/locks.ts`,
        find: "      invariant(sessionExists(claim.session), 'a claim belongs to a session');\n",
        replace: '',
      },
    ],
    checkers: ['locks freed'],
    faults: ['clientCut', 'clientPause'],
    choices: { ...BRIEF, clients: 4, attackMs: 20_000, sessionTtlMs: 1_000, holdMs: 8_000 },
    maxSeeds: 20,
  },
  {
    name: 'empty-queue-not-found',
    why: 'who waits at a queue that is empty is told that there is none',
    edits: [
      {
        file: `${MACHINES}/queues.ts`,
        find: "return queue === null ? notFound(name) : answer<'QueueWait'>([queue.hasReady()]);",
        replace: "return queue?.hasReady() !== true ? notFound(name) : answer<'QueueWait'>([true]);",
      },
    ],
    checkers: ['declared queues'],
    faults: ['kill'],
    choices: { ...BRIEF, attackMs: 20_000 },
    maxSeeds: 10,
  },
];
