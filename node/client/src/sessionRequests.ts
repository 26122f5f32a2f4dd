import type { Connection } from './connection.ts';
import type { LeaseStart } from './lease.ts';
import type { Pending, Refused } from './pending.ts';
import type { SessionId } from './protocol/ids.ts';
import type { Registration } from './registration.ts';

/** Who sends these requests: a group's session. */
export interface SessionRequester {
  opened(attempt: OpenAttempt, session: SessionId): void;
  /** `refused` null: no answer. */
  openFailed(attempt: OpenAttempt, refused: Refused | null): void;
  renewed(renewal: Renewal): void;
  renewalFailed(renewal: Renewal, refused: Refused | null): void;
}

/** One try to open a session. */
export class OpenAttempt implements Pending {
  readonly connection: Connection;
  readonly start: LeaseStart;
  readonly #owner: SessionRequester;
  readonly #timeoutMs: number;
  constructor(owner: SessionRequester, connection: Connection, start: LeaseStart, timeoutMs: number) {
    this.#owner = owner;
    this.connection = connection;
    this.start = start;
    this.#timeoutMs = timeoutMs;
  }
  replied(_index: number, value: readonly unknown[]): void {
    this.#owner.opened(this, value[0] as SessionId);
  }
  refused(refused: Refused): void {
    this.#owner.openFailed(this, refused);
  }
  disconnected(): void {
    this.#owner.openFailed(this, null);
  }
  /** Its late reply must still be heard: it names an orphan to close. */
  overdue(nowMs: number): boolean {
    if (nowMs - this.start.monotonicMs > this.#timeoutMs) this.#owner.openFailed(this, null);
    return false;
  }
}

/** One keepalive. */
export class Renewal implements Pending {
  readonly registration: Registration;
  readonly connection: Connection;
  readonly leader: number;
  readonly start: LeaseStart;
  readonly #owner: SessionRequester;
  readonly #ttlMs: number;
  constructor(
    owner: SessionRequester,
    registration: Registration,
    connection: Connection,
    leader: number,
    start: LeaseStart,
    ttlMs: number,
  ) {
    this.#owner = owner;
    this.registration = registration;
    this.connection = connection;
    this.leader = leader;
    this.start = start;
    this.#ttlMs = ttlMs;
  }
  /** Nothing at all has come over its connection since it was sent. */
  get silent(): boolean {
    return this.connection.lastReceivedMs < this.start.monotonicMs;
  }
  /** The members name the sessions that they do not know any more, or have begun to expire. */
  replied(_index: number, value: readonly unknown[]): void {
    const [unknown] = value;
    const { session } = this.registration;
    if (!Array.isArray(unknown) || !unknown.includes(session)) {
      this.#owner.renewed(this);
      return;
    }
    const message = `the members know session ${session} no longer`;
    this.#owner.renewalFailed(this, { code: 'SESSION_EXPIRED', message, leader: 0, detail: 0 });
  }
  refused(refused: Refused): void {
    this.#owner.renewalFailed(this, refused);
  }
  disconnected(): void {
    this.#owner.renewalFailed(this, null);
  }
  /** What it could confirm is over; until then even a late answer is worth having. */
  overdue(nowMs: number): boolean {
    return nowMs - this.start.monotonicMs > this.#ttlMs;
  }
}

/** A SessionClose: whatever the answer, there is nothing more to do. */
export class Farewell implements Pending {
  readonly #done: () => void;
  constructor(done: () => void) {
    this.#done = done;
  }
  replied(): void {
    this.#done();
  }
  refused(): void {
    this.#done();
  }
  disconnected(): void {
    this.#done();
  }
  overdue(): boolean {
    return false;
  }
}
