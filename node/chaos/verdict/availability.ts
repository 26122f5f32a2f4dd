import type { Operation, OperationKind } from '../../sim/history/index.ts';

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Outage {
  readonly what: string;
  /** Longest time without a success. */
  readonly longest: Span;
  /** The same, only of time in which a majority was up and reached each other. */
  readonly longestWithQuorum: Span;
}

const SERVICES: readonly { readonly what: string; readonly kinds: readonly OperationKind[] }[] = [
  { what: 'locks', kinds: ['lockAcquire', 'lockRelease'] },
  { what: 'queues', kinds: ['enqueue', 'ack'] },
  { what: 'cache', kinds: ['cachePut', 'cacheGet', 'cacheDelete'] },
];

export function outages(operations: readonly Operation[], run: Span, quorum: readonly Span[]): Outage[] {
  const within = quorum.flatMap((span) => {
    const fromMs = Math.max(span.fromMs, run.fromMs);
    const toMs = Math.min(span.toMs, run.toMs);
    return fromMs < toMs ? [{ fromMs, toMs }] : [];
  });
  const services = [...SERVICES, { what: 'anything', kinds: SERVICES.flatMap(({ kinds }) => kinds) }];
  return services.map(({ what, kinds }) => {
    const successes = operations
      .filter((o) => o.outcome === 'ok' && kinds.includes(o.kind))
      .map((o) => o.completed?.worldMs ?? run.fromMs)
      .sort((a, b) => a - b);
    return {
      what,
      longest: longestGap(successes, [run]),
      longestWithQuorum: longestGap(successes, within),
    };
  });
}

/** The longest stretch within one of the spans that holds no success. */
function longestGap(successes: readonly number[], spans: readonly Span[]): Span {
  let longest: Span = { fromMs: 0, toMs: 0 };
  for (const { fromMs, toMs } of spans) {
    let last = fromMs;
    const consider = (nextMs: number): void => {
      if (nextMs - last > longest.toMs - longest.fromMs) longest = { fromMs: last, toMs: nextMs };
      last = nextMs;
    };
    for (const success of successes) if (success > fromMs && success < toMs) consider(success);
    consider(toMs);
  }
  return longest;
}

/** When a condition held, noted as it changes. */
export class Timeline {
  readonly #spans: Span[] = [];
  #sinceMs: number | null = null;

  note(holds: boolean, nowMs: number): void {
    if (holds) this.#sinceMs ??= nowMs;
    else if (this.#sinceMs !== null) {
      this.#spans.push({ fromMs: this.#sinceMs, toMs: nowMs });
      this.#sinceMs = null;
    }
  }

  spans(endMs: number): Span[] {
    return this.#sinceMs === null
      ? [...this.#spans]
      : [...this.#spans, { fromMs: this.#sinceMs, toMs: endMs }];
  }
}
