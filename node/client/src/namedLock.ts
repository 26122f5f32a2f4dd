import type { Engine } from './engine.ts';
import { SyncError } from './errors.ts';
import { Lock } from './lock.ts';
import { AcquireOp, type AttemptOwner, CancelOp, ReleaseOp } from './lockOps.ts';
import type { LockRequest } from './lockRequest.ts';
import { COORDINATION_GROUP } from './protocol/ids.ts';
import type { Registration } from './registration.ts';

export interface NamedLockOwner {
  readonly engine: Engine;
  attempting(): void;
  /** Counterpart of `attempting`. */
  attempted(): void;
  /** `attempt` waits for a push now. */
  queued(attempt: AcquireOp): void;
  unqueued(attempt: AcquireOp): void;
  /** Nobody in this client wants it any more. */
  idle(name: string): void;
}

/**
 * One lock name in this client. To the members the whole client is one owner, and an owner that asks again for what
 * it holds is granted at once; so callers of one client exclude each other here: at most one attempt or grant at a
 * time is known to the members, shared callers join a shared grant, all others queue in order.
 *
 * The next attempt follows only when the last one is known to be over or its release has been submitted: writes of
 * one session are applied in order.
 */
export class NamedLock implements AttemptOwner {
  readonly name: string;
  readonly #owner: NamedLockOwner;
  #queue: LockRequest[] = [];
  #attempt: AcquireOp | null = null;
  readonly #holders = new Set<Lock>();
  #token = 0;
  #advancing = false;
  #heldBy: Registration | null = null;

  constructor(owner: NamedLockOwner, name: string) {
    this.#owner = owner;
    this.name = name;
  }

  enter(request: LockRequest): void {
    if (request.settled) {
      this.#next();
    } else if (this.#attempt === null && this.#holders.size === 0) {
      this.#start(request);
    } else if (this.#queue.length === 0 && this.#canJoin(request)) {
      this.#hold(request);
    } else if (request.isTry) {
      request.refuse(new SyncError('LOCK_HELD', `lock "${this.name}" is wanted by this client already`));
    } else {
      this.#queue.push(request);
      request.onGone = this.#leave;
      request.startTimer(this.#owner.engine.clock);
    }
  }

  acquired(attempt: AcquireOp, token: number, waiter: number): void {
    this.#owner.attempted();
    if (attempt !== this.#attempt) return;
    if (token > 0) {
      this.granted(attempt, token);
    } else {
      attempt.waiter = waiter;
      if (attempt.request.settled) this.#cancel(attempt);
      else this.#owner.queued(attempt);
    }
  }

  /** Granted, at once or after a wait; nobody may want it any more. */
  granted(attempt: AcquireOp, token: number): void {
    if (attempt !== this.#attempt) return;
    this.#attempt = null;
    this.#token = token;
    this.#heldBy = attempt.registration;
    if (attempt.request.settled) {
      this.#giveBack(token);
    } else {
      this.#hold(attempt.request);
      while (this.#queue.length > 0 && this.#canJoin(this.#queue[0]!)) {
        const request = this.#queue.shift()!;
        request.stopTimer();
        this.#hold(request);
      }
    }
    this.#next();
  }

  /** The members dropped it from their queue. */
  waitEnded(attempt: AcquireOp): void {
    if (attempt !== this.#attempt) return;
    this.#attempt = null;
    attempt.request.refuse(attempt.request.timeout());
    this.#next();
  }

  refused(attempt: AcquireOp, error: SyncError): void {
    if (attempt === this.#attempt) attempt.request.refuse(error);
  }

  over(attempt: AcquireOp): void {
    this.#owner.attempted();
    if (attempt !== this.#attempt) return;
    this.#attempt = null;
    this.#next();
  }

  /** What that session held is lost; what it queued for starts over under the next one. */
  sessionLost(registration: Registration, error: SyncError): void {
    if (this.#heldBy === registration) {
      for (const lock of this.#holders) lock.lose(error);
      this.#holders.clear();
      this.#heldBy = null;
    }
    const attempt = this.#attempt;
    if (attempt !== null && attempt.registration === registration) {
      this.#attempt = null;
      if (attempt.waiter !== 0) this.#owner.unqueued(attempt);
      attempt.request.onGone = this.#leave;
      if (!attempt.request.settled) this.#queue.unshift(attempt.request);
    }
    this.#next();
  }

  #canJoin(request: LockRequest): boolean {
    if (request.mode !== 'shared' || this.#attempt !== null) return false;
    for (const lock of this.#holders) return lock.mode === 'shared';
    return false;
  }

  #hold(request: LockRequest): void {
    const { engine } = this.#owner;
    const registration = this.#heldBy;
    const trusted = (): boolean => engine.session(COORDINATION_GROUP).trusts(registration);
    const lock = new Lock(this.name, request.mode, this.#token, this.#release, trusted);
    this.#holders.add(lock);
    request.onGone = null;
    request.grant(lock);
  }

  readonly #release = (lock: Lock): Promise<void> => {
    this.#holders.delete(lock);
    // Others of this client share the grant.
    if (this.#holders.size > 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const { engine } = this.#owner;
      engine.submit(COORDINATION_GROUP, new ReleaseOp(engine, this.name, lock.token, resolve, reject));
      this.#heldBy = null;
      this.#next();
    });
  };

  #start(request: LockRequest): void {
    const { engine } = this.#owner;
    const attempt = new AcquireOp(this, engine, request);
    this.#attempt = attempt;
    request.onGone = this.#gone;
    this.#owner.attempting();
    engine.submit(COORDINATION_GROUP, attempt);
  }

  /** Starts the next attempt. A loop: an attempt that is refused at once comes back here from within. */
  #next(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    while (this.#attempt === null && this.#holders.size === 0) {
      const request = this.#queue.shift();
      if (request === undefined) {
        this.#owner.idle(this.name);
        break;
      }
      request.stopTimer();
      this.#start(request);
    }
    this.#advancing = false;
  }

  /** A caller left the queue in this client. */
  readonly #leave = (request: LockRequest): void => {
    this.#queue = this.#queue.filter((other) => other !== request);
    this.#next();
  };

  /** The caller of the attempt left. If the reply is still to come, it will clean up. */
  readonly #gone = (request: LockRequest): void => {
    const attempt = this.#attempt;
    if (attempt?.request === request && attempt.waiter !== 0) this.#cancel(attempt);
  };

  #cancel(attempt: AcquireOp): void {
    this.#owner.unqueued(attempt);
    const cancel = new CancelOp(attempt.waiter, (token) => {
      if (attempt !== this.#attempt) return;
      this.#attempt = null;
      if (token > 0) this.#giveBack(token);
      this.#next();
    });
    this.#owner.engine.submit(COORDINATION_GROUP, cancel);
  }

  #giveBack(token: number): void {
    const { engine } = this.#owner;
    const ignore = (): void => {};
    this.#heldBy = null;
    // If it fails the session is over, and the grant with it.
    engine.submit(COORDINATION_GROUP, new ReleaseOp(engine, this.name, token, ignore, ignore));
  }
}
