import type { Engine } from './engine.ts';
import type { SyncError } from './errors.ts';
import type { Lock, LockModeName } from './lock.ts';
import type { AcquireOp } from './lockOps.ts';
import { LockRequest } from './lockRequest.ts';
import { NamedLock, type NamedLockOwner } from './namedLock.ts';
import { PushKind, QueryOp, ReadLevel, WAIT_FOREVER } from './protocol/commands.ts';
import type { PushReply } from './protocol/frames.ts';
import { COORDINATION_GROUP, type WaiterId } from './protocol/ids.ts';
import type { Registration } from './registration.ts';

export interface AcquireOptions {
  /** @default 'exclusive' */
  mode?: LockModeName;
  /** How long to queue for it in milliseconds. Default: for ever. */
  waitMs?: number;
  signal?: AbortSignal;
}

export interface LockState {
  readonly holders: readonly { session: number; token: number; mode: LockModeName }[];
  /** In the order in which they will be served. */
  readonly waiters: readonly { session: number; mode: LockModeName }[];
}

/** Pushes that overtook the reply which names their waiter; of more than this the next re-read tells. */
const MAX_EARLY = 4_096;
/** Most waiters of one re-read. */
const REREAD_MAX = 1_024;

/** Locks of group 0, held by the client's session there. */
export class Locks implements NamedLockOwner {
  readonly engine: Engine;
  readonly #names = new Map<string, NamedLock>();
  /** Attempts in the members' queues, by waiter id. */
  readonly #waiters = new Map<number, AcquireOp>();
  /** Token of a grant, or -1, by waiter id. */
  readonly #early = new Map<number, number>();
  #attempts = 0;
  #rereading = false;
  #rereadAgain = false;

  constructor(engine: Engine) {
    this.engine = engine;
    engine.pushListener = (push) => this.#pushed(push);
  }

  /**
   * Queues for the lock. Rejects with `TIMEOUT` after `waitMs` and with `CANCELLED` on abort; a request that lost
   * its session queues again under the next.
   */
  acquire(name: string, options: AcquireOptions = {}): Promise<Lock> {
    return this.#request(name, options, options.waitMs ?? WAIT_FOREVER) as Promise<Lock>;
  }

  /** The lock, or null if it is held or waited for. */
  tryAcquire(name: string, options: Omit<AcquireOptions, 'waitMs'> = {}): Promise<Lock | null> {
    return this.#request(name, options, 0);
  }

  /** Who holds the lock and who waits for it, over all clients. */
  inspect(name: string): Promise<LockState> {
    const mode = (value: number): LockModeName => (value === 0 ? 'shared' : 'exclusive');
    return this.engine.read(
      COORDINATION_GROUP,
      ReadLevel.Linearizable,
      [QueryOp.LockInspect, name],
      ([holders, waiters]) => ({
        holders: holders.map(([session, token, m]) => ({ session, token, mode: mode(m) })),
        waiters: waiters.map(([session, , m]) => ({ session, mode: mode(m) })),
      }),
    );
  }

  attempting(): void {
    this.#attempts++;
  }

  attempted(): void {
    if (--this.#attempts === 0) this.#early.clear();
  }

  queued(attempt: AcquireOp): void {
    const early = this.#early.get(attempt.waiter);
    if (early !== undefined) {
      this.#early.delete(attempt.waiter);
      this.#end(attempt, early);
      return;
    }
    this.#waiters.set(attempt.waiter, attempt);
    // The first reply was lost, and with it perhaps the push.
    if (attempt.sends > 1) void this.#reread();
  }

  unqueued(attempt: AcquireOp): void {
    this.#waiters.delete(attempt.waiter);
  }

  idle(name: string): void {
    this.#names.delete(name);
  }

  sessionLost(registration: Registration, error: SyncError): void {
    this.#early.clear();
    for (const named of [...this.#names.values()]) named.sessionLost(registration, error);
  }

  /** A keepalive went through: what was pushed before may have gone elsewhere. */
  sessionConfirmed(): void {
    if (this.#waiters.size > 0) void this.#reread();
  }

  #request(name: string, options: AcquireOptions, waitMs: number): Promise<Lock | null> {
    return new Promise((resolve, reject) => {
      const { mode = 'exclusive', signal } = options;
      const request = new LockRequest(this.engine.clock, name, mode, waitMs, signal, resolve, reject);
      if (request.settled) return;
      let named = this.#names.get(name);
      if (named === undefined) {
        named = new NamedLock(this, name);
        this.#names.set(name, named);
      }
      named.enter(request);
    });
  }

  #pushed([, , session, push]: PushReply): void {
    if (this.engine.session(COORDINATION_GROUP).registration?.session !== session) return;
    const [kind, waiter, token] = push as readonly unknown[];
    if (typeof waiter !== 'number') return;
    if (kind === PushKind.LockGranted && typeof token === 'number') this.#outcome(waiter, token);
    else if (kind === PushKind.LockWaitEnded) this.#outcome(waiter, -1);
  }

  #outcome(waiter: number, token: number): void {
    const attempt = this.#waiters.get(waiter);
    if (attempt !== undefined) {
      this.#waiters.delete(waiter);
      this.#end(attempt, token);
    } else if (this.#attempts > 0 && this.#early.size < MAX_EARLY) {
      this.#early.set(waiter, token);
    }
  }

  #end(attempt: AcquireOp, token: number): void {
    const named = this.#names.get(attempt.request.name);
    if (token > 0) named?.granted(attempt, token);
    else named?.waitEnded(attempt);
  }

  /** Reads what became of the queued requests; one read at a time, and once more if asked meanwhile. */
  async #reread(): Promise<void> {
    if (this.#rereading) {
      this.#rereadAgain = true;
      return;
    }
    this.#rereading = true;
    try {
      do {
        this.#rereadAgain = false;
        const registration = this.engine.session(COORDINATION_GROUP).registration;
        const waiters = [...this.#waiters.keys()] as WaiterId[];
        for (let at = 0; at < waiters.length && registration !== null; at += REREAD_MAX) {
          const states = await this.engine.read(
            COORDINATION_GROUP,
            // Whatever member answers: a grant from before this moment must be in it.
            ReadLevel.Linearizable,
            [QueryOp.LockWaiters, registration.session, waiters.slice(at, at + REREAD_MAX)],
            ([list]) => list,
          );
          if (registration.ended !== null) break;
          for (const [waiter, token] of states) {
            if (token !== 0 && this.#waiters.has(waiter)) this.#outcome(waiter, token);
          }
        }
      } while (this.#rereadAgain);
    } catch {
      // The next keepalive reads again.
    } finally {
      this.#rereading = false;
    }
  }
}
