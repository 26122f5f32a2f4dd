import {
  LockMode,
  type LockModeValue,
  type SessionId,
  type Token,
  type WaiterId,
} from '@synccluster/client/protocol';
import type { CowRecord } from './cowMap.ts';
import type { Due } from './expiry.ts';
import { Section } from './section.ts';

/** One session's claim on one lock: it waits (token 0) or holds. Claims are all the state that locks have. */
export interface Claim extends CowRecord, Due {
  /** Rises over all claims, so it is the FIFO order too. Told to the client only if the claim had to wait. */
  readonly id: WaiterId;
  readonly session: SessionId;
  readonly name: string;
  readonly mode: LockModeValue;
  token: Token;
  /** Neighbours in the lock's line of waiters, or among the same session's shared holds. Derived. */
  prev: Claim | null;
  next: Claim | null;
}

export function newClaim(id: WaiterId, session: SessionId, name: string, mode: LockModeValue): Claim {
  return {
    epoch: 0,
    heapIndex: -1,
    dueStampMs: Infinity,
    id,
    session,
    name,
    mode,
    token: 0 as Token,
    prev: null,
    next: null,
  };
}

export function encodeClaim(claim: Readonly<Claim>) {
  const due = claim.dueStampMs === Infinity ? 0 : claim.dueStampMs;
  return [Section.Claim, claim.id, claim.session, claim.name, claim.mode, claim.token, due] as const;
}

/** Doubly linked through the claims themselves: a claim is in one list at most and leaves in O(1). */
export class ClaimList {
  head: Claim | null = null;
  #tail: Claim | null = null;

  append(claim: Claim): void {
    claim.prev = this.#tail;
    claim.next = null;
    if (this.#tail === null) this.head = claim;
    else this.#tail.next = claim;
    this.#tail = claim;
  }

  remove(claim: Claim): void {
    if (claim.prev === null) this.head = claim.next;
    else claim.prev.next = claim.next;
    if (claim.next === null) this.#tail = claim.prev;
    else claim.next.prev = claim.prev;
    claim.prev = null;
    claim.next = null;
  }
}

/** Who holds a lock and who waits for it: derived from the claims, gone when there are none. */
export class Lock {
  readonly name: string;
  readonly waiters = new ClaimList();
  exclusive: Claim | null = null;
  /** Shared holds by session; no session has an empty list. */
  shared: Map<SessionId, ClaimList> | null = null;

  constructor(name: string) {
    this.name = name;
  }

  get held(): boolean {
    return this.exclusive !== null || this.shared !== null;
  }

  admits(mode: LockModeValue): boolean {
    return this.exclusive === null && (this.shared === null || mode === LockMode.Shared);
  }

  /** The session's oldest hold. */
  heldBy(session: SessionId): Claim | null {
    if (this.exclusive !== null) return this.exclusive.session === session ? this.exclusive : null;
    return this.shared?.get(session)?.head ?? null;
  }

  hold(claim: Claim): void {
    if (claim.mode === LockMode.Exclusive) {
      this.exclusive = claim;
      return;
    }
    this.shared ??= new Map();
    let holds = this.shared.get(claim.session);
    if (holds === undefined) {
      holds = new ClaimList();
      this.shared.set(claim.session, holds);
    }
    holds.append(claim);
  }

  unhold(claim: Claim): void {
    if (claim.mode === LockMode.Exclusive) {
      this.exclusive = null;
      return;
    }
    const holds = this.shared!.get(claim.session)!;
    holds.remove(claim);
    if (holds.head !== null) return;
    this.shared!.delete(claim.session);
    if (this.shared!.size === 0) this.shared = null;
  }

  /** By token: the order in which they were granted. */
  holders(): Claim[] {
    if (this.exclusive !== null) return [this.exclusive];
    const holders: Claim[] = [];
    for (const holds of this.shared?.values() ?? []) {
      for (let claim = holds.head; claim !== null; claim = claim.next) holders.push(claim);
    }
    return holders.sort((a, b) => a.token - b.token);
  }
}
