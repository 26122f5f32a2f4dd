import { backoffMs } from './backoff.ts';
import type { Timer } from './clock.ts';
import type { Connection } from './connection.ts';
import { SyncError } from './errors.ts';
import { type LeaseStart, leaseLeftMs, leaseStart } from './lease.ts';
import type { CompiledOptions } from './options.ts';
import type { Refused } from './pending.ts';
import { Op, SCHEMA_VERSION } from './protocol/commands.ts';
import { ERROR_CODES } from './protocol/errors.ts';
import type { GroupId, Seq, SessionId } from './protocol/ids.ts';
import { Registration, type RegistrationOwner } from './registration.ts';
import type { Parked, Router } from './router.ts';
import { Farewell, OpenAttempt, Renewal, type SessionRequester } from './sessionRequests.ts';
import { packCommand } from './wire/index.ts';
import type { WriteOp } from './writeOp.ts';

/** Writes that wait for the window; more are refused with OVERLOADED. */
const MAX_WAITING = 65_536;
/** The lease is looked at this often, so that a wake-up from sleep is noticed soon. */
const LEASE_CHECKS = 10;

export interface SessionListener {
  /** After it, nothing of that session holds any more. */
  lost(registration: Registration, error: SyncError): void;
  /** The members confirmed the session and push to the connection that asked from here on. */
  confirmed(registration: Registration): void;
}

/** The client's session in one group: opened when first needed, kept alive, opened anew after a loss. */
export class GroupSession implements RegistrationOwner, SessionRequester, Parked {
  readonly group: GroupId;
  readonly #router: Router;
  readonly #options: CompiledOptions;
  readonly #listener: SessionListener;
  #registration: Registration | null = null;
  #lease: LeaseStart = { monotonicMs: 0, wallMs: 0 };
  #opening: OpenAttempt | null = null;
  #openFailures = 0;
  #openRetry: Timer | null = null;
  #waiting: WriteOp[] = [];
  #waitingHead = 0;

  #renewal: Renewal | null = null;
  /** The first one whose connection fell silent: it may still be answered. */
  #doubted: Renewal | null = null;
  #renewFailures = 0;
  #renewTimer: Timer | null = null;
  #leaseTimer: Timer | null = null;
  /** Where the members push to, and the leader that knows it. */
  #pushesTo: Connection | null = null;
  #pushesBy = 0;
  #closed: SyncError | null = null;

  constructor(router: Router, options: CompiledOptions, listener: SessionListener, group: GroupId) {
    this.#router = router;
    this.#options = options;
    this.#listener = listener;
    this.group = group;
  }

  get registration(): Registration | null {
    return this.#registration;
  }

  /** By this client's own clocks, now, the members keep this registration. */
  trusts(registration: Registration | null): boolean {
    if (registration === null || registration !== this.#registration) return false;
    return leaseLeftMs(this.#lease, this.#options.sessionTtlMs, this.#options.clock) > 0;
  }

  /** Writes whose callers wait or whose sequence numbers are not settled. */
  get busy(): boolean {
    return this.#waitingCount > 0 || (this.#registration?.unsettled ?? 0) > 0;
  }

  get #waitingCount(): number {
    return this.#waiting.length - this.#waitingHead;
  }

  submit(op: WriteOp): void {
    if (this.#closed !== null) {
      op.fail(this.#closed);
    } else if (this.#waitingCount === 0 && this.#registration?.hasRoom === true) {
      this.#registration.add(op);
    } else if (this.#waitingCount >= MAX_WAITING) {
      op.fail(new SyncError('OVERLOADED', `more than ${MAX_WAITING} writes wait in this client`));
    } else {
      this.#waiting.push(op);
      this.#open();
    }
  }

  requeue(op: WriteOp): void {
    op.owner = null;
    op.seq = 0;
    op.sends = 0;
    op.done = false;
    op.refusal = null;
    this.submit(op);
  }

  windowMoved(): void {
    const registration = this.#registration;
    if (registration === null) return;
    while (this.#waitingCount > 0 && registration.hasRoom) {
      const op = this.#waiting[this.#waitingHead++]!;
      // Timed out or cancelled before it was ever sent.
      if (op.released) op.fail(new SyncError('CANCELLED', 'nobody waits for it'));
      else registration.add(op);
    }
    if (this.#waitingHead === this.#waiting.length || this.#waitingHead > 1_024) {
      this.#waiting = this.#waiting.slice(this.#waitingHead);
      this.#waitingHead = 0;
    }
  }

  sweep(nowMs: number): void {
    for (let i = this.#waitingHead; i < this.#waiting.length; i++) this.#waiting[i]!.expire(nowMs);
    this.#registration?.sweep(nowMs);
  }

  routesChanged(): void {
    this.#registration?.routesChanged();
    // A new leader does not know yet where to push.
    if (this.#registration !== null && this.#router.directory.leaderOf(this.group) !== this.#pushesBy)
      this.#renew();
  }

  attached(connection: Connection): void {
    if (connection !== this.#pushesTo) this.#renew();
  }

  routeReady(): void {
    if (this.#registration === null) this.#open();
    else this.#renew();
  }

  expired(registration: Registration, error: SyncError): void {
    if (registration === this.#registration) this.#lose(error, true);
    else registration.end(error, true);
  }

  /** The members pushed that this session is over. */
  pushedExpiry(session: SessionId): void {
    if (this.#registration?.session === session)
      this.#lose(new SyncError('SESSION_EXPIRED', 'the members expired the session'), true);
  }

  /** Another cluster answers now. */
  clusterChanged(): void {
    this.#opening = null;
    this.#renewal = null;
    this.#doubted = null;
    if (this.#registration !== null)
      this.#lose(new SyncError('SESSION_EXPIRED', 'another cluster answers at these endpoints'), false);
  }

  /** Rejects what is pending; `closed` is called once the members know, as far as they can be told. */
  close(error: SyncError, closed: () => void): void {
    this.#closed = error;
    this.#openRetry?.cancel();
    this.#opening = null;
    for (const op of this.#waiting.slice(this.#waitingHead)) op.fail(error);
    this.#waiting = [];
    this.#waitingHead = 0;
    const registration = this.#registration;
    if (registration === null) {
      this.#router.unpark(this);
      closed();
      return;
    }
    const connection = registration.connection ?? this.#router.route(this.group);
    this.#drop(registration, error, false);
    if (connection === null) closed();
    else this.#tellClosed(registration.session, connection, closed);
  }

  #open(): void {
    if (this.#registration !== null || this.#opening !== null || this.#openRetry !== null) return;
    if (this.#closed !== null) return;
    const connection = this.#router.route(this.group, null);
    if (connection === null) {
      this.#router.park(this);
      return;
    }
    const { sessionTtlMs, label, requestTimeoutMs, clock } = this.#options;
    const attempt = new OpenAttempt(this, connection, leaseStart(clock), requestTimeoutMs);
    this.#opening = attempt;
    const header = [SCHEMA_VERSION, 0 as SessionId, 0 as Seq, 0 as Seq] as const;
    connection.writeFirst(
      this.group,
      packCommand([Op.SessionOpen, ...header, sessionTtlMs, label]),
      attempt,
      0,
    );
  }

  /** A reply to a SessionOpen; one that is not the current attempt's opened an orphan. */
  opened(attempt: OpenAttempt, session: SessionId): void {
    if (attempt !== this.#opening) {
      if (attempt.connection.ready) this.#tellClosed(session, attempt.connection, () => {});
      return;
    }
    this.#opening = null;
    this.#openFailures = 0;
    const registration = new Registration(this.#router, this, this.group, session);
    this.#registration = registration;
    this.#lease = attempt.start;
    this.#pushesTo = null;
    this.#options.onEvent({ type: 'sessionOpened', group: this.group, session });
    this.#watchLease(registration);
    this.#scheduleRenewal(this.#options.sessionTtlMs / 3);
    this.windowMoved();
  }

  openFailed(attempt: OpenAttempt, refused: Refused | null): void {
    if (attempt !== this.#opening) return;
    this.#opening = null;
    if (refused !== null && ERROR_CODES[refused.code].retry === 'no') {
      const error = new SyncError(refused.code, refused.message);
      const waiting = this.#waiting.slice(this.#waitingHead);
      this.#waiting = [];
      this.#waitingHead = 0;
      for (const op of waiting) op.fail(error);
      return;
    }
    if (refused !== null) this.#router.learn(this.group, refused.leader, attempt.connection);
    const first = this.#openFailures++ === 0 && (refused === null || refused.leader !== 0);
    this.#openRetry = this.#router.clock.after(
      first ? 0 : backoffMs(this.#router.clock, this.#openFailures),
      () => {
        this.#openRetry = null;
        // Nobody may be waiting any more; then the next write opens it.
        if (this.#waitingCount > 0) this.#open();
      },
    );
  }

  #scheduleRenewal(delayMs: number): void {
    this.#renewTimer?.cancel();
    this.#renewTimer = this.#router.clock.after(delayMs, () => {
      this.#renewTimer = null;
      this.#renew();
    });
  }

  #renew(): void {
    const registration = this.#registration;
    if (registration === null) return;
    const start = leaseStart(this.#options.clock);
    this.#dropSilent(start.monotonicMs);
    registration.routesChanged();
    let connection = registration.connection ?? this.#router.route(this.group);
    if (connection === null) {
      this.#router.park(this);
      return;
    }
    const leader = this.#router.directory.leaderOf(this.group);
    const renewal = this.#renewal;
    const everyMs = this.#options.sessionTtlMs / 3;
    if (renewal !== null && renewal.connection === connection) {
      if (start.monotonicMs - renewal.start.monotonicMs < everyMs - 1) {
        // One under way over the same route will do.
        if (renewal.leader === leader) return;
      } else if (renewal.silent) {
        // Half-open, or only late: ask another member, and listen to this one for as long again.
        this.#doubted ??= renewal;
        connection = this.#router.besides(connection) ?? connection;
      }
    }
    // Those before it stay in force: an answer that is late counts from when its own question was sent.
    const next = new Renewal(this, registration, connection, leader, start, this.#options.sessionTtlMs);
    this.#renewal = next;
    this.#scheduleRenewal(everyMs);
    connection.keepAlive(this.group, [registration.session], next);
  }

  /** Closes a connection on which nothing came for two renewals: that brings everything on it back here. */
  #dropSilent(nowMs: number): void {
    const doubted = this.#doubted;
    if (doubted === null || nowMs - doubted.start.monotonicMs < (2 * this.#options.sessionTtlMs) / 3 - 2)
      return;
    this.#doubted = null;
    const { connection } = doubted;
    if (doubted.silent) connection.close(new SyncError('UNAVAILABLE', `${connection.address} is silent`));
  }

  renewed(renewal: Renewal): void {
    const registration = this.#registration;
    if (registration === null || renewal.registration !== registration) return;
    if (renewal.start.monotonicMs > this.#lease.monotonicMs) this.#lease = renewal.start;
    if (renewal !== this.#renewal) return;
    this.#renewal = null;
    this.#renewFailures = 0;
    this.#pushesTo = renewal.connection;
    this.#pushesBy = renewal.leader;
    this.#listener.confirmed(registration);
  }

  renewalFailed(renewal: Renewal, refused: Refused | null): void {
    if (renewal.registration !== this.#registration) return;
    if (refused?.code === 'SESSION_EXPIRED') {
      this.#lose(new SyncError(refused.code, refused.message), true);
      return;
    }
    if (renewal !== this.#renewal) return;
    this.#renewal = null;
    if (refused !== null) this.#router.learn(this.group, refused.leader, renewal.connection);
    const delay = Math.min(
      this.#options.sessionTtlMs / 10,
      backoffMs(this.#router.clock, this.#renewFailures++),
    );
    this.#scheduleRenewal(delay);
  }

  #watchLease(registration: Registration): void {
    const { sessionTtlMs, clock } = this.#options;
    const left = leaseLeftMs(this.#lease, sessionTtlMs, clock);
    if (left <= 0) {
      const text = `no member confirmed the session for ${sessionTtlMs} ms`;
      this.#lose(new SyncError('SESSION_EXPIRED', text), false);
      return;
    }
    this.#leaseTimer = clock.after(Math.min(left, sessionTtlMs / LEASE_CHECKS), () =>
      this.#watchLease(registration),
    );
  }

  #lose(error: SyncError, known: boolean): void {
    const registration = this.#registration!;
    const connection = registration.connection;
    this.#drop(registration, error, known);
    // Its locks are free for others sooner if the members hear of it.
    if (!known && connection !== null) this.#tellClosed(registration.session, connection, () => {});
    if (this.#waitingCount > 0) this.#open();
  }

  #drop(registration: Registration, error: SyncError, known: boolean): void {
    this.#registration = null;
    this.#renewal = null;
    this.#doubted = null;
    this.#renewTimer?.cancel();
    this.#renewTimer = null;
    this.#leaseTimer?.cancel();
    this.#leaseTimer = null;
    this.#router.unpark(this);
    this.#listener.lost(registration, error);
    const { session } = registration;
    if (this.#closed === null)
      this.#options.onEvent({ type: 'sessionLost', group: this.group, session, error });
    registration.end(error, known);
  }

  #tellClosed(session: SessionId, connection: Connection, done: () => void): void {
    const command = packCommand([Op.SessionClose, SCHEMA_VERSION, session, 0 as Seq, 0 as Seq]);
    connection.writeFirst(this.group, command, new Farewell(done), 0);
  }
}
