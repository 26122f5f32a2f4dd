import {
  type LockHolder,
  LockMode,
  type LockModeValue,
  type LockWaiter,
  PushKind,
  type SessionId,
  type StampMs,
  type Token,
  WAIT_FOREVER,
  type WaiterId,
  type WaiterState,
} from '@synccluster/client/protocol';
import { type Claim, encodeClaim, Lock, newClaim } from './claim.ts';
import { CowMap, type Freezer } from './cowMap.ts';
import { DueHeap } from './expiry.ts';
import { invariant } from './invariant.ts';
import type { Outcome, PushEvent, SnapshotRecord } from './machine.ts';
import { answer, fail, NOTHING, reply } from './outcome.ts';
import type { Tokens } from './tokens.ts';

/** Locks of group 0: FIFO, shared and exclusive, owned by sessions, fenced by tokens. */
export class Locks {
  lastClaimId = 0;
  readonly claims: CowMap<WaiterId, Claim>;
  readonly #locks = new Map<string, Lock>();
  readonly #bySession = new Map<SessionId, Set<Claim>>();
  readonly #deadlines = new DueHeap<Claim>((claim) => claim.id);
  readonly #tokens: Tokens;
  readonly #push: (event: PushEvent) => void;

  constructor(freezer: Freezer, tokens: Tokens, push: (event: PushEvent) => void) {
    this.claims = new CowMap<WaiterId, Claim>(freezer, encodeClaim);
    this.#tokens = tokens;
    this.#push = push;
  }

  nextDueStampMs(): number {
    return this.#deadlines.nextDueStampMs();
  }

  acquire(session: SessionId, name: string, mode: LockModeValue, waitMs: number, stampMs: StampMs): Outcome {
    const known = this.#locks.get(name);
    const held = known?.heldBy(session) ?? null;
    if (held !== null) {
      if (held.mode === mode) return reply<'LockAcquire'>([held.token, 0 as WaiterId]);
      const [has, wants] = mode === LockMode.Shared ? ['exclusive', 'shared'] : ['shared', 'exclusive'];
      return fail(
        'INVALID_ARGUMENT',
        `the session holds lock "${name}" in ${has} mode: release it before acquiring it in ${wants} mode`,
      );
    }
    // Whoever waits goes first, compatible or not: a stream of readers must not starve a writer.
    const free = known === undefined || (known.waiters.head === null && known.admits(mode));
    if (!free && waitMs === 0) return fail('LOCK_HELD', `lock "${name}" is held or waited for by others`);

    const lock = known ?? this.#newLock(name);
    const claim = newClaim(++this.lastClaimId as WaiterId, session, name, mode);
    this.#add(claim);
    if (free) {
      this.#grant(lock, claim, stampMs);
      return reply<'LockAcquire'>([claim.token, 0 as WaiterId]);
    }
    lock.waiters.append(claim);
    if (waitMs !== WAIT_FOREVER) {
      claim.dueStampMs = stampMs + waitMs;
      this.#deadlines.schedule(claim);
    }
    return reply<'LockAcquire'>([0 as Token, claim.id]);
  }

  release(session: SessionId, name: string, token: Token, stampMs: StampMs): Outcome {
    const lock = this.#locks.get(name);
    let claim = lock?.heldBy(session) ?? null;
    while (claim !== null && claim.token !== token) claim = claim.next;
    if (lock === undefined || claim === null) {
      return fail('LOCK_NOT_HELD', `the session does not hold lock "${name}" with token ${token}`);
    }
    this.#drop(lock, claim);
    this.#admit(lock, stampMs);
    return NOTHING;
  }

  cancel(session: SessionId, waiter: WaiterId, stampMs: StampMs): Outcome {
    const claim = this.claims.get(waiter);
    if (claim === undefined || claim.session !== session) {
      return fail(
        'NOT_FOUND',
        `the session has no waiter ${waiter}: it timed out, was cancelled or released`,
      );
    }
    if (claim.token > 0) return reply<'LockCancel'>([claim.token]);
    const lock = this.#locks.get(claim.name)!;
    this.#drop(lock, claim as Claim);
    this.#admit(lock, stampMs);
    return reply<'LockCancel'>([0 as Token]);
  }

  /** Releases all that the session holds and waits for, then grants what that lets through. */
  sessionEnded(session: SessionId, stampMs: StampMs): void {
    const claims = this.#bySession.get(session);
    if (claims === undefined) return;
    // By id: the set's order would differ on a member that restored a snapshot, and with it the tokens granted.
    const sorted = [...claims].sort((a, b) => a.id - b.id);
    const affected = new Set<Lock>();
    for (const claim of sorted) {
      const lock = this.#locks.get(claim.name)!;
      affected.add(lock);
      this.#drop(lock, claim);
    }
    this.#bySession.delete(session);
    for (const lock of affected) this.#admit(lock, stampMs);
  }

  expireDue(stampMs: StampMs): void {
    for (;;) {
      const claim = this.#deadlines.popDue(stampMs);
      if (claim === null) return;
      const lock = this.#locks.get(claim.name)!;
      this.#drop(lock, claim);
      this.#push({ session: claim.session, push: [PushKind.LockWaitEnded, claim.id] });
      // A writer that gave up may have stood before readers that can go on now.
      this.#admit(lock, stampMs);
    }
  }

  inspect(name: string): Outcome {
    const lock = this.#locks.get(name);
    const holders: LockHolder[] = [];
    const waiters: LockWaiter[] = [];
    for (const { session, token, mode } of lock?.holders() ?? []) holders.push([session, token, mode]);
    for (let claim = lock?.waiters.head ?? null; claim !== null; claim = claim.next) {
      const due = claim.dueStampMs === Infinity ? 0 : claim.dueStampMs;
      waiters.push([claim.session, claim.id, claim.mode, due]);
    }
    return answer<'LockInspect'>([holders, waiters]);
  }

  waiterStates(session: SessionId, waiters: readonly WaiterId[]): Outcome {
    const states: WaiterState[] = waiters.map((waiter) => {
      const claim = this.claims.get(waiter);
      return [waiter, claim !== undefined && claim.session === session ? claim.token : -1];
    });
    return answer<'LockWaiters'>([states]);
  }

  restore(record: SnapshotRecord): void {
    const [, id, session, name, mode, token, due] = record as ReturnType<typeof encodeClaim>;
    const claim = newClaim(id, session, name, mode);
    claim.token = token;
    if (due !== 0) claim.dueStampMs = due;
    this.#add(claim);
  }

  /** After all claims have come, in whatever order. */
  restored(sessionExists: (session: SessionId) => boolean): void {
    for (const claim of [...this.claims.values()].sort((a, b) => a.id - b.id) as Claim[]) {
      invariant(claim.id <= this.lastClaimId && claim.token <= this.#tokens.last, 'counters are ahead');
      invariant(sessionExists(claim.session), 'a claim belongs to a session');
      const lock = this.#locks.get(claim.name) ?? this.#newLock(claim.name);
      if (claim.token === 0) {
        lock.waiters.append(claim);
        this.#deadlines.schedule(claim);
      } else {
        invariant(lock.admits(claim.mode), 'holders of a lock are compatible');
        lock.hold(claim);
      }
    }
  }

  #newLock(name: string): Lock {
    const lock = new Lock(name);
    this.#locks.set(name, lock);
    return lock;
  }

  #add(claim: Claim): void {
    this.claims.add(claim.id, claim);
    let claims = this.#bySession.get(claim.session);
    if (claims === undefined) {
      claims = new Set();
      this.#bySession.set(claim.session, claims);
    }
    claims.add(claim);
  }

  #grant(lock: Lock, claim: Claim, stampMs: StampMs): void {
    invariant(claim.token === 0 && lock.admits(claim.mode), 'a lock is granted once, to compatible holders');
    const edited = this.claims.edit(claim);
    edited.token = this.#tokens.next(stampMs);
    edited.dueStampMs = Infinity;
    lock.hold(edited);
  }

  #drop(lock: Lock, claim: Claim): void {
    if (claim.token > 0) {
      lock.unhold(claim);
    } else {
      lock.waiters.remove(claim);
      this.#deadlines.cancel(claim);
    }
    this.claims.delete(claim.id, claim);
    this.#bySession.get(claim.session)!.delete(claim);
  }

  /** Grants to the head of the line as long as it fits; a lock without claims goes. */
  #admit(lock: Lock, stampMs: StampMs): void {
    for (;;) {
      const claim = lock.waiters.head;
      if (claim === null) {
        if (!lock.held) this.#locks.delete(lock.name);
        return;
      }
      if (!lock.admits(claim.mode)) return;
      lock.waiters.remove(claim);
      this.#deadlines.cancel(claim);
      this.#grant(lock, claim, stampMs);
      this.#push({ session: claim.session, push: [PushKind.LockGranted, claim.id, claim.token] });
    }
  }
}
