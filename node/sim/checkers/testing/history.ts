import type { AnswerOf, CallOf, LogPosition, Operation, OperationKind } from '../../history/operations.ts';
import { type OpenOperation, Recorder } from '../../history/recorder.ts';
import type { Violation } from '../violation.ts';

/** Writes a history by hand: every call is a moment of its own, a millisecond after the last. */
export class History {
  nowMs = 0;
  readonly #recorder = new Recorder(() => this.nowMs);
  readonly #clock = { monotonicMs: () => this.nowMs, wallMs: () => this.nowMs };

  begin<K extends OperationKind>(client: number, kind: K, call: CallOf<K>): OpenOperation<K> {
    this.nowMs++;
    const open = this.#recorder.invoke(client, this.#clock, kind, call);
    const later =
      <A extends unknown[]>(run: (...given: A) => void) =>
      (...given: A): void => {
        this.nowMs++;
        run(...given);
      };
    return { id: open.id, ok: later(open.ok), fail: later(open.fail), unknown: later(open.unknown) };
  }

  did<K extends OperationKind>(
    client: number,
    kind: K,
    call: CallOf<K>,
    answer: AnswerOf<K>,
    at: LogPosition | null = null,
  ): void {
    this.begin(client, kind, call).ok(answer, at);
  }

  /** Something else happens. */
  nextOrder(): number {
    this.nowMs++;
    return this.#recorder.nextOrder();
  }

  get operations(): readonly Operation[] {
    return this.#recorder.operations();
  }
}

export function verdicts(violations: readonly Violation[]): string[] {
  return violations.map(({ checker, verdict }) => `${checker}: ${verdict}`);
}
