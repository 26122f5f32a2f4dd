import type { Clock, Timer } from './clock.ts';
import { SyncError } from './errors.ts';
import type { CompiledOptions } from './options.ts';
import {
  type AnswerOf,
  type Opcode,
  PushKind,
  type Query,
  type ReadLevelValue,
  type Replies,
} from './protocol/commands.ts';
import type { PushReply } from './protocol/frames.ts';
import type { GroupId } from './protocol/ids.ts';
import { ReadOp, type Reads } from './readOp.ts';
import { Router } from './router.ts';
import { GroupSession, type SessionListener } from './sessions.ts';
import { Turn } from './turn.ts';
import { WriteOp } from './writeOp.ts';

/** Deadlines are kept to within this, in milliseconds. */
const SWEEP_MS = 50;
/** How long `close` waits for members to confirm that sessions are closed. */
const FAREWELL_MS = 1_000;

/** Where in a group's log an answer belongs. */
export interface AnswerPosition {
  readonly group: number;
  readonly index: number;
  /** The write was sent more than once: it may have taken effect before `index`. */
  readonly resent: boolean;
}

export interface CallOptions {
  /** Default: `requestTimeoutMs` of the client. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
  /** Told of a good answer's place in the log, just before the call resolves. */
  onAnswer?: ((position: AnswerPosition) => void) | undefined;
}

/** Runs reads and writes of any group: what locks, queues and the cache stand on. */
export class Engine implements Reads {
  readonly options: CompiledOptions;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly router: Router;
  readonly idle = new Set<ReadOp>();
  /** Set before the first operation. */
  pushListener: ((push: PushReply) => void) | null = null;
  readonly #sessionListener: SessionListener;
  readonly #sessions: GroupSession[] = [];
  readonly #pauses = new Set<() => void>();
  #sweepTimer: Timer | null = null;
  #closed: SyncError | null = null;

  constructor(options: CompiledOptions, sessionListener: SessionListener) {
    this.options = options;
    this.clock = options.clock;
    this.turn = new Turn(this.clock);
    this.#sessionListener = sessionListener;
    this.router = new Router(options, this.turn, {
      routesChanged: () => {
        for (const session of this.#sessions) session?.routesChanged();
      },
      pushed: (push) => this.#pushed(push),
      clusterChanged: () => {
        for (const session of this.#sessions) session?.clusterChanged();
      },
    });
  }

  get closed(): SyncError | null {
    return this.#closed;
  }

  deadlineMs(timeoutMs: number = this.options.requestTimeoutMs): number {
    return this.clock.monotonicMs() + timeoutMs;
  }

  session(group: GroupId): GroupSession {
    let session = this.#sessions[group];
    if (session === undefined) {
      // No holes: group ids are small and iterated over.
      while (this.#sessions.length <= group) {
        const next = this.#sessions.length as GroupId;
        this.#sessions.push(new GroupSession(this.router, this.options, this.#sessionListener, next));
      }
      session = this.#sessions[group]!;
    }
    return session;
  }

  /** Sends a write exactly once, under the group's session. */
  submit(group: GroupId, op: WriteOp, signal?: AbortSignal): void {
    const problem = this.#closed ?? op.check();
    if (problem !== null) {
      op.fail(problem);
      return;
    }
    if (!op.watch(signal)) return;
    this.session(group).submit(op);
    if (this.#sweepTimer === null) this.#sweepLater();
  }

  startRead(op: ReadOp, signal?: AbortSignal): void {
    if (this.#closed !== null) {
      op.fail(this.#closed);
      return;
    }
    op.start(signal);
    if (this.#sweepTimer === null) this.#sweepLater();
  }

  /** A write whose reply is turned into the result by `convert`. */
  write<O extends Opcode, T>(
    group: GroupId,
    op: O,
    fields: readonly unknown[],
    convert: (reply: Replies[O]) => T,
    options: CallOptions = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = this.deadlineMs(options.timeoutMs);
      const answered = (value: T, index: number, sends: number): void => {
        options.onAnswer?.({ group, index, resent: sends > 1 });
        resolve(value);
      };
      this.submit(group, new PromisedWrite(deadline, op, fields, convert, answered, reject), options.signal);
    });
  }

  read<Q extends Query, T>(
    group: GroupId,
    level: ReadLevelValue,
    query: Q,
    convert: (answer: AnswerOf<Q>) => T,
    options: CallOptions = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = this.deadlineMs(options.timeoutMs);
      const op = new PromisedRead(this, group, level, query, deadline, convert, resolve, reject);
      this.startRead(op, options.signal);
    });
  }

  /** Resolves after the delay, or as soon as the client is closed. */
  pause(delayMs: number): Promise<void> {
    if (this.#closed !== null) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#pauses.delete(end);
        resolve();
      };
      const timer = this.clock.after(delayMs, end);
      this.#pauses.add(end);
    });
  }

  async close(): Promise<void> {
    if (this.#closed !== null) return;
    const error = new SyncError('CANCELLED', 'the client was closed');
    this.#closed = error;
    this.#sweepTimer?.cancel();
    for (const op of [...this.idle]) op.fail(error);
    for (const end of [...this.#pauses]) end();
    for (const connection of this.router.connections) connection.cancelReads(error);
    await new Promise<void>((done) => {
      const timer = this.clock.after(FAREWELL_MS, done);
      let open = this.#sessions.length + 1;
      const closed = (): void => {
        open--;
        if (open > 0) return;
        timer.cancel();
        done();
      };
      for (const session of this.#sessions) session.close(error, closed);
      closed();
    });
    this.router.close(error);
  }

  #pushed(push: PushReply): void {
    const [, group, session, [kind]] = push;
    if (kind === PushKind.SessionExpired) this.#sessions[group]?.pushedExpiry(session);
    else this.pushListener?.(push);
  }

  #sweepLater(): void {
    this.#sweepTimer = this.clock.after(SWEEP_MS, () => {
      this.#sweepTimer = null;
      const now = this.clock.monotonicMs();
      let busy = this.idle.size > 0;
      for (const op of this.idle) op.overdue(now);
      for (const session of this.#sessions) {
        session.sweep(now);
        busy ||= session.busy;
      }
      for (const connection of this.router.connections) {
        busy ||= connection.inFlight > 0;
        connection.sweep(now, this.options.requestTimeoutMs / 2);
      }
      if (busy && this.#closed === null && this.#sweepTimer === null) this.#sweepLater();
    });
  }
}

class PromisedWrite<O extends Opcode, T> extends WriteOp {
  readonly #convert: (reply: Replies[O]) => T;
  readonly #resolve: (value: T, index: number, sends: number) => void;
  readonly #reject: (error: SyncError) => void;
  constructor(
    deadlineMs: number,
    op: O,
    fields: readonly unknown[],
    convert: (reply: Replies[O]) => T,
    resolve: (value: T, index: number, sends: number) => void,
    reject: (error: SyncError) => void,
  ) {
    super(deadlineMs, op, ...fields);
    this.#convert = convert;
    this.#resolve = resolve;
    this.#reject = reject;
  }
  protected override applied(value: readonly unknown[]): void {
    this.#resolve(this.#convert(value as Replies[O]), this.index, this.sends);
  }
  protected override failed(error: SyncError): void {
    this.#reject(error);
  }
}

class PromisedRead<Q extends Query, T> extends ReadOp {
  readonly #convert: (answer: AnswerOf<Q>) => T;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: SyncError) => void;
  constructor(
    reads: Reads,
    group: GroupId,
    level: ReadLevelValue,
    query: Q,
    deadlineMs: number,
    convert: (answer: AnswerOf<Q>) => T,
    resolve: (value: T) => void,
    reject: (error: SyncError) => void,
  ) {
    super(reads, group, level, query, deadlineMs);
    this.#convert = convert;
    this.#resolve = resolve;
    this.#reject = reject;
  }
  protected override answered(value: readonly unknown[]): void {
    this.#resolve(this.#convert(value as AnswerOf<Q>));
  }
  protected override failed(error: SyncError): void {
    this.#reject(error);
  }
}
