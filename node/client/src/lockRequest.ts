import type { Clock, Timer } from './clock.ts';
import { cancelled, SyncError } from './errors.ts';
import type { Lock, LockModeName } from './lock.ts';
import { WAIT_FOREVER } from './protocol/commands.ts';

/** What one caller wants of a lock, from the call to the grant, however many attempts that takes. */
export class LockRequest {
  readonly name: string;
  readonly mode: LockModeName;
  readonly isTry: boolean;
  /** Whoever waits on the caller's behalf; told when the caller gives up. */
  onGone: ((request: LockRequest) => void) | null = null;
  readonly #waitMs: number;
  /** Monotonic. */
  readonly #dueMs: number;
  readonly #resolve: (lock: Lock | null) => void;
  readonly #reject: (error: SyncError) => void;
  readonly #signal: AbortSignal | undefined;
  #timer: Timer | null = null;
  #settled = false;

  constructor(
    clock: Clock,
    name: string,
    mode: LockModeName,
    waitMs: number,
    signal: AbortSignal | undefined,
    resolve: (lock: Lock | null) => void,
    reject: (error: SyncError) => void,
  ) {
    this.name = name;
    this.mode = mode;
    this.isTry = waitMs === 0;
    this.#waitMs = waitMs;
    this.#dueMs = waitMs > 0 ? clock.monotonicMs() + waitMs : Number.POSITIVE_INFINITY;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    if (signal?.aborted === true) this.#aborted();
    else signal?.addEventListener('abort', this.#aborted);
  }

  /** The caller has its answer. */
  get settled(): boolean {
    return this.#settled;
  }

  /** The wait to ask the members for. */
  remainingMs(clock: Clock): number {
    // What is out of range goes out as it is: the check of the command names the field.
    if (!Number.isSafeInteger(this.#waitMs) || this.#waitMs <= 0) return this.#waitMs;
    return Math.max(1, Math.ceil(this.#dueMs - clock.monotonicMs()));
  }

  /** While it waits in this client, the client keeps its time. */
  startTimer(clock: Clock): void {
    if (this.#waitMs === WAIT_FOREVER || this.#settled) return;
    this.#timer = clock.after(this.#dueMs - clock.monotonicMs(), () => this.#giveUp(this.timeout()));
  }

  stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  timeout(): SyncError {
    const why = this.#waitMs >= 0 ? `within ${this.#waitMs} ms` : 'and its place in the queue is gone';
    return new SyncError('TIMEOUT', `lock "${this.name}" was not granted ${why}`);
  }

  grant(lock: Lock): void {
    if (this.#settle()) this.#resolve(lock);
  }

  refuse(error: SyncError): void {
    if (!this.#settle()) return;
    if (this.isTry && error.code === 'LOCK_HELD') this.#resolve(null);
    else this.#reject(error);
  }

  #giveUp(error: SyncError): void {
    if (this.#settled) return;
    this.refuse(error);
    this.onGone?.(this);
  }

  readonly #aborted = (): void => {
    this.#giveUp(cancelled(this.#signal!));
  };

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.stopTimer();
    this.#signal?.removeEventListener('abort', this.#aborted);
    return true;
  }
}
