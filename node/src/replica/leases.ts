import type { SessionId } from '@synccluster/client/protocol';

/**
 * When each registration of a group runs out, in the leader's monotonic milliseconds. Kept in memory only: a new
 * leader starts with an empty table, so every registration gets a full TTL from then on. That is safe: it only
 * ever lets one live longer than its owner believes.
 */
export class Leases {
  #deadlines = new Map<SessionId, number>();
  /** Their expiry is on its way into the log. */
  readonly #condemned = new Set<SessionId>();

  clear(): void {
    this.#deadlines.clear();
    this.#condemned.clear();
  }

  /**
   * `atMs`: when the keepalive arrived, not when its quorum round ended. False: too late, for what was proposed
   * cannot be called back, and an owner told that its lease is renewed would hold its locks beside the next holder.
   */
  renew(session: SessionId, ttlMs: number, atMs: number): boolean {
    if (this.#condemned.has(session)) return false;
    this.#deadlines.set(session, atMs + ttlMs);
    return true;
  }

  /** Of these, the ones whose TTL had passed by `nowMs` and that nothing has renewed: none of them can be again. */
  condemn(sessions: readonly SessionId[], nowMs: number): SessionId[] {
    const over = sessions.filter((session) => (this.#deadlines.get(session) ?? Infinity) <= nowMs);
    for (const session of over) this.#condemned.add(session);
    return over;
  }

  /** Met, and not ended since. */
  knows(session: SessionId): boolean {
    return this.#deadlines.has(session);
  }

  /** Registrations whose TTL passed in silence; starts the clock of those it has not met yet. */
  expired(sessions: Iterable<readonly [SessionId, number]>, nowMs: number): SessionId[] {
    const over: SessionId[] = [];
    const next = new Map<SessionId, number>();
    for (const [session, ttlMs] of sessions) {
      const deadline = this.#deadlines.get(session) ?? nowMs + ttlMs;
      next.set(session, deadline);
      if (deadline <= nowMs) over.push(session);
    }
    this.#deadlines = next;
    for (const session of this.#condemned) if (!next.has(session)) this.#condemned.delete(session);
    return over;
  }
}
