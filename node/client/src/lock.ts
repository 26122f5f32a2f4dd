import { SyncError } from './errors.ts';

export type LockModeName = 'exclusive' | 'shared';

/** Gives a lock back; resolves when the members have done it. */
export type ReleaseLock = (lock: Lock) => Promise<void>;

/**
 * A lock that is held. Whatever it protects should be told `token`, and refuse a lower one: between the loss of a
 * lock and this process noticing it, somebody else may hold it already.
 */
export class Lock {
  readonly name: string;
  readonly mode: LockModeName;
  /** Fencing token: rises with every grant. */
  readonly token: number;
  readonly #give: ReleaseLock;
  readonly #trusted: () => boolean;
  #released: Promise<void> | null = null;
  #loss: SyncError | null = null;
  #controller: AbortController | null = null;
  #lost: PromiseWithResolvers<SyncError> | null = null;

  /** `trusted`: by this client's clocks, now, the members still keep the session that holds it. */
  constructor(name: string, mode: LockModeName, token: number, give: ReleaseLock, trusted: () => boolean) {
    this.name = name;
    this.mode = mode;
    this.token = token;
    this.#give = give;
    this.#trusted = trusted;
  }

  /**
   * Not released, not known to be lost, and the lease has not run out. Looked up at the moment of asking: after the
   * process or the machine stood still, no timer may have noticed the loss yet.
   *
   * False may turn true again: the members kept the session, and their answer came after the lease had seemed to be
   * over. Nobody else held the lock meanwhile; but what was begun under it and given up on a false is better begun
   * anew. Only `lost` and `signal` are final: after them it is never true.
   */
  get held(): boolean {
    return this.#released === null && this.#loss === null && this.#trusted();
  }

  /** Aborted, for good, when the lock is lost before it was released; the reason says how. Made when first asked for. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#loss !== null) this.#controller.abort(this.#loss);
    }
    return this.#controller.signal;
  }

  /** Resolves, for good, with the reason when the lock is lost before it was released; else never. */
  get lost(): Promise<SyncError> {
    if (this.#lost === null) {
      this.#lost = Promise.withResolvers();
      if (this.#loss !== null) this.#lost.resolve(this.#loss);
    }
    return this.#lost.promise;
  }

  /** Gives the lock back, once. Rejects with `LOCK_NOT_HELD` if it had been lost: then others may have held it. */
  release(): Promise<void> {
    if (this.#released === null) {
      this.#released =
        this.#loss === null
          ? this.#give(this)
          : Promise.reject(
              new SyncError('LOCK_NOT_HELD', `lock "${this.name}" had been lost`, { cause: this.#loss }),
            );
    }
    return this.#released;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#loss === null) await this.release();
  }

  /** For the library: its session is gone. */
  lose(error: SyncError): void {
    if (this.#loss !== null || this.#released !== null) return;
    this.#loss = error;
    this.#controller?.abort(error);
    this.#lost?.resolve(error);
  }
}
