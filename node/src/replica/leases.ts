import type { SessionId } from '@synccluster/client/protocol';

/**
 * When each registration of a group runs out, in the leader's monotonic milliseconds. Kept in memory only: a new
 * leader starts with an empty table, so every registration gets a full TTL from then on. That is safe: it only
 * ever lets one live longer than its owner believes.
 */
export class Leases {
  #deadlines = new Map<SessionId, number>();

  clear(): void {
    this.#deadlines.clear();
  }

  /** `atMs`: when the keepalive arrived, not when its quorum round ended. */
  renew(session: SessionId, ttlMs: number, atMs: number): void {
    this.#deadlines.set(session, atMs + ttlMs);
  }

  isOver(session: SessionId, nowMs: number): boolean {
    const deadline = this.#deadlines.get(session);
    return deadline !== undefined && deadline <= nowMs;
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
    return over;
  }
}
