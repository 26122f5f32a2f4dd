import type { ErrorCode } from '@synccluster/client';
import type {
  AnswerOf,
  CallOf,
  Instant,
  LogPosition,
  Operation,
  OperationKind,
  OutcomeKind,
} from './operations.ts';

/** The clocks that a client goes by. */
export interface OwnClock {
  monotonicMs(): number;
  wallMs(): number;
}

/** An operation under way. Completed once, or never. */
export interface OpenOperation<K extends OperationKind> {
  readonly id: number;
  ok(answer: AnswerOf<K>, at?: LogPosition | null): void;
  fail(error: ErrorCode | null): void;
  unknown(error: ErrorCode | null): void;
}

interface Draft {
  readonly id: number;
  readonly client: number;
  readonly kind: OperationKind;
  readonly call: unknown;
  readonly invoked: Instant;
  completed: Instant | null;
  outcome: OutcomeKind;
  error: ErrorCode | null;
  answer: unknown;
  at: LogPosition | null;
}

/** Notes what clients do, in the order of real time. All clients of a history share one. */
export class Recorder {
  readonly #worldMs: () => number;
  readonly #drafts: Draft[] = [];
  #order = 0;

  /** `worldMs`: the one time that all clients live in, whatever their own clocks show. */
  constructor(worldMs: () => number) {
    this.#worldMs = worldMs;
  }

  /** The next moment; observations of members take their orders here too. */
  nextOrder(): number {
    return ++this.#order;
  }

  invoke<K extends OperationKind>(
    client: number,
    clock: OwnClock,
    kind: K,
    call: CallOf<K>,
  ): OpenOperation<K> {
    const draft: Draft = {
      id: this.#drafts.length + 1,
      client,
      kind,
      call,
      invoked: this.#instant(clock),
      completed: null,
      outcome: 'unknown',
      error: null,
      answer: null,
      at: null,
    };
    this.#drafts.push(draft);
    const complete = (outcome: OutcomeKind, error: ErrorCode | null): void => {
      if (draft.completed !== null) throw new Error(`operation ${draft.id} was completed twice`);
      draft.completed = this.#instant(clock);
      draft.outcome = outcome;
      draft.error = error;
    };
    return {
      id: draft.id,
      ok: (answer, at = null) => {
        complete('ok', null);
        draft.answer = answer;
        draft.at = at;
      },
      fail: (error) => complete('fail', error),
      unknown: (error) => complete('unknown', error),
    };
  }

  /** Something that has no duration. */
  note<K extends OperationKind>(
    client: number,
    clock: OwnClock,
    kind: K,
    call: CallOf<K>,
    answer: AnswerOf<K>,
  ): void {
    this.invoke(client, clock, kind, call).ok(answer);
  }

  get size(): number {
    return this.#drafts.length;
  }

  /** By order of invocation. What is still under way is `unknown`. */
  operations(): readonly Operation[] {
    return this.#drafts as readonly unknown[] as readonly Operation[];
  }

  #instant(clock: OwnClock): Instant {
    return {
      order: this.nextOrder(),
      worldMs: this.#worldMs(),
      monotonicMs: clock.monotonicMs(),
      wallMs: clock.wallMs(),
    };
  }
}
