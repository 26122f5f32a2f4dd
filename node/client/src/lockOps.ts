import type { Engine } from './engine.ts';
import type { SyncError } from './errors.ts';
import type { LockModeName } from './lock.ts';
import type { LockRequest } from './lockRequest.ts';
import { LockMode, type LockModeValue, Op } from './protocol/commands.ts';
import { COORDINATION_GROUP } from './protocol/ids.ts';
import type { Registration } from './registration.ts';
import { WriteOp } from './writeOp.ts';

const WIRE_MODE: Readonly<Record<LockModeName, LockModeValue>> = {
  exclusive: LockMode.Exclusive,
  shared: LockMode.Shared,
};

export interface AttemptOwner {
  /** Granted with `token`, or queued as `waiter`. */
  acquired(attempt: AcquireOp, token: number, waiter: number): void;
  /** The caller's deadline passed, or the attempt is over. */
  refused(attempt: AcquireOp, error: SyncError): void;
  over(attempt: AcquireOp): void;
}

/** One LockAcquire, for one request, under one session. */
export class AcquireOp extends WriteOp {
  /** Under a new session the request makes a new attempt: this one's grant died with the old. */
  override readonly sessionBound = true;
  readonly request: LockRequest;
  /** The session that it was sent under; null: not sent. */
  registration: Registration | null = null;
  /** Id in the members' queue; 0: not queued. */
  waiter = 0;
  readonly #owner: AttemptOwner;
  readonly #engine: Engine;

  constructor(owner: AttemptOwner, engine: Engine, request: LockRequest) {
    const { name, mode } = request;
    super(
      engine.deadlineMs(),
      Op.LockAcquire,
      name,
      WIRE_MODE[mode] ?? mode,
      request.remainingMs(engine.clock),
    );
    this.#owner = owner;
    this.#engine = engine;
    this.request = request;
  }

  override pack(session: number, seq: number, floor: number): Uint8Array {
    this.registration = this.#engine.session(COORDINATION_GROUP).registration;
    return super.pack(session, seq, floor);
  }

  protected override applied([token, waiter]: readonly unknown[]): void {
    if (typeof token !== 'number' || typeof waiter !== 'number') throw new TypeError('token and waiter');
    this.#owner.acquired(this, token, waiter);
  }

  protected override late(reply: readonly unknown[]): void {
    this.applied(reply);
  }

  protected override failed(error: SyncError): void {
    this.#owner.refused(this, error);
  }

  protected override over(): void {
    this.#owner.over(this);
  }
}

export class ReleaseOp extends WriteOp {
  override readonly sessionBound = true;
  readonly #resolve: () => void;
  readonly #reject: (error: SyncError) => void;
  constructor(
    engine: Engine,
    name: string,
    token: number,
    resolve: () => void,
    reject: (error: SyncError) => void,
  ) {
    super(engine.deadlineMs(), Op.LockRelease, name, token);
    this.#resolve = resolve;
    this.#reject = reject;
  }
  protected override applied(): void {
    this.#resolve();
  }
  protected override failed(error: SyncError): void {
    this.#reject(error);
  }
}

/** Takes a request out of the members' queue; `then` gets the token if it had been granted meanwhile, else 0. */
export class CancelOp extends WriteOp {
  override readonly sessionBound = true;
  readonly #then: (token: number) => void;
  constructor(waiter: number, then: (token: number) => void) {
    super(Number.POSITIVE_INFINITY, Op.LockCancel, waiter);
    this.#then = then;
  }
  protected override applied([token]: readonly unknown[]): void {
    this.#then(typeof token === 'number' ? token : 0);
  }
  protected override failed(): void {
    this.#then(0);
  }
}
