import { LatencyHistogram } from '../stats/latencyHistogram.ts';
import { TimeSeries } from '../stats/timeSeries.ts';
import { type HeldLockEvidence, verifyLocks } from '../workloads/lock.ts';
import { Deliveries } from '../workloads/queue.ts';
import type { PhaseReport, PhaseSpec, WorkerEvent, WorkerPort } from './phase.ts';

const PREPARE_DEADLINE_MS = 120_000;
/** Nothing at all completed for this long: the target hangs, and so would the benchmark. */
const SILENCE_DEADLINE_MS = 120_000;
const VIOLATIONS_KEPT = 20;

/** A phase for the whole crew; each client gets its share. */
export type CrewPhase = Omit<PhaseSpec, 'client' | 'clients'>;

export interface PhaseOutcome {
  readonly completed: number;
  readonly durationNs: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly histogram: LatencyHistogram;
  readonly series: TimeSeries;
  readonly violations: readonly string[];
  readonly hits: number | null;
  readonly misses: number | null;
  readonly redelivered: number | null;
}

export interface CrewOptions {
  readonly workers: readonly WorkerPort[];
  /** How long consumers may find nothing before the missing messages count as lost, in milliseconds. */
  readonly drainIdleMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (completed: number) => void;
}

/** Runs phases on all clients at once: prepares them, starts them together, merges what they saw. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #completed: number[];
  #listener: (client: number, event: WorkerEvent) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #broken: Error | null = null;
  #closing = false;
  /** What the last enqueue phase left to be consumed. */
  #confirmed: readonly Float64Array[] = [];
  #unknown: readonly Float64Array[] = [];

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#completed = options.workers.map(() => 0);
    options.workers.forEach((worker, client) => {
      worker.onEvent((event) => {
        if (event.type === 'failed') this.#fail(new Error(`client ${client}: ${event.message}`));
        else this.#listener(client, event);
      });
      worker.onExit((reason) => {
        if (!this.#closing) this.#fail(new Error(`load process ${client} ${reason}`));
      });
    });
    options.signal.addEventListener('abort', () => this.#fail(new Error('aborted')), { once: true });
  }

  async run(phase: CrewPhase): Promise<PhaseOutcome> {
    const { workers } = this.#options;
    const specs = workers.map((_, client): PhaseSpec => share(phase, client, workers.length));
    await this.#prepare(specs);
    const deliveries =
      phase.operation === 'queue.consume' ? new Deliveries(this.#confirmed, this.#unknown) : null;
    const reports = await this.#load(deliveries);
    return this.#merge(reports, deliveries);
  }

  /** Lets the clients say goodbye; what does not end by itself is ended. */
  async close(graceMs = 3_000): Promise<void> {
    this.#closing = true;
    const { workers } = this.#options;
    await new Promise<void>((resolve) => {
      let left = workers.length;
      if (left === 0) resolve();
      const timer = setTimeout(resolve, graceMs);
      for (const worker of workers) {
        worker.onExit(() => {
          left--;
          if (left === 0) {
            clearTimeout(timer);
            resolve();
          }
        });
        worker.send({ type: 'close' });
      }
    });
    for (const worker of workers) worker.kill();
  }

  /** At once: for when the benchmark itself is being ended. */
  kill(): void {
    this.#closing = true;
    for (const worker of this.#options.workers) worker.kill();
  }

  async #prepare(specs: readonly PhaseSpec[]): Promise<void> {
    let missing = specs.length;
    await this.#await(
      (resolve) => {
        this.#listener = (_client, event) => {
          if (event.type === 'prepared' && --missing === 0) resolve(undefined);
        };
        specs.forEach((spec, client) => {
          this.#options.workers[client]!.send({ type: 'prepare', spec });
        });
      },
      PREPARE_DEADLINE_MS,
      () => `${missing} clients were not ready within ${PREPARE_DEADLINE_MS / 1000} s`,
      () => 0,
    );
  }

  async #load(deliveries: Deliveries | null): Promise<PhaseReport[]> {
    const { workers, onProgress, drainIdleMs } = this.#options;
    const reports = new Map<number, PhaseReport>();
    this.#completed.fill(0);
    const stop = (): void => {
      for (const worker of workers) worker.send({ type: 'stop' });
    };
    let drainTimer: NodeJS.Timeout | null = null;
    try {
      return await this.#await(
        (resolve) => {
          let arrived = 0;
          const noteDelivered = (ids: Float64Array): void => {
            if (deliveries === null) return;
            deliveries.add(ids);
            if (deliveries.complete) stop();
            else if (deliveries.arrived > arrived) {
              arrived = deliveries.arrived;
              drainTimer?.refresh();
            }
          };
          this.#listener = (client, event) => {
            if (event.type === 'progress') {
              this.#completed[client] = event.completed;
              onProgress(this.#completed.reduce((sum, count) => sum + count, 0));
              noteDelivered(event.received);
            } else if (event.type === 'done') {
              noteDelivered(event.received);
              reports.set(client, event.report);
              if (reports.size === workers.length) resolve(workers.map((_, index) => reports.get(index)!));
            }
          };
          // Far enough ahead that every client has the command before its time comes.
          const startNs = (process.hrtime.bigint() + 20_000_000n).toString();
          for (const worker of workers) worker.send({ type: 'go', startNs });
          if (deliveries !== null) {
            if (deliveries.complete) stop();
            else drainTimer = setTimeout(stop, drainIdleMs);
          }
        },
        SILENCE_DEADLINE_MS,
        () => `nothing completed for ${SILENCE_DEADLINE_MS / 1000} s`,
        () => this.#completed.reduce((sum, count) => sum + count, 0) + reports.size,
      );
    } finally {
      if (drainTimer !== null) clearTimeout(drainTimer);
    }
  }

  #merge(reports: readonly PhaseReport[], deliveries: Deliveries | null): PhaseOutcome {
    const errors: Record<string, number> = {};
    const histogram = new LatencyHistogram();
    const series = new TimeSeries();
    const violations: string[] = [];
    const locks: HeldLockEvidence[] = [];
    const confirmed: Float64Array[] = [];
    const unknown: Float64Array[] = [];
    let completed = 0;
    let durationNs = 0;
    let hits: number | null = null;
    let misses: number | null = null;
    for (const report of reports) {
      completed += report.completed;
      durationNs = Math.max(durationNs, report.lastNs);
      for (const [code, count] of Object.entries(report.errors)) errors[code] = (errors[code] ?? 0) + count;
      histogram.add(LatencyHistogram.decode(report.histogram));
      series.add(TimeSeries.from(report.series));
      violations.push(...report.violations);
      const { evidence } = report;
      if (evidence.kind === 'lock') locks.push(evidence);
      if (evidence.kind === 'enqueue') {
        confirmed.push(evidence.confirmed);
        unknown.push(evidence.unknown);
      }
      if (evidence.kind === 'get') {
        hits = (hits ?? 0) + evidence.hits;
        misses = (misses ?? 0) + evidence.misses;
      }
    }
    violations.push(...verifyLocks(locks));
    if (deliveries !== null) violations.push(...deliveries.violations());
    if (confirmed.length > 0) {
      this.#confirmed = confirmed;
      this.#unknown = unknown;
    } else {
      this.#confirmed = [];
      this.#unknown = [];
    }
    return {
      completed,
      durationNs,
      errors,
      histogram,
      series,
      violations: violations.slice(0, VIOLATIONS_KEPT),
      hits,
      misses,
      redelivered: deliveries === null ? null : deliveries.redelivered,
    };
  }

  /** Waits for `begin` to resolve; gives up when `progress` stands still for `silenceMs`, or anything fails. */
  #await<T>(
    begin: (resolve: (value: T) => void) => void,
    silenceMs: number,
    complaint: () => string,
    progress: () => number,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let seen = progress();
      let sinceMs = performance.now();
      const watch = setInterval(() => {
        const now = progress();
        if (now !== seen) {
          seen = now;
          sinceMs = performance.now();
        } else if (performance.now() - sinceMs > silenceMs) settle(() => reject(new Error(complaint())));
      }, 1_000);
      const settle = (how: () => void): void => {
        clearInterval(watch);
        this.#listener = () => {};
        this.#reject = () => {};
        how();
      };
      this.#reject = (error) => settle(() => reject(error));
      if (this.#broken !== null) this.#reject(this.#broken);
      else begin((value) => settle(() => resolve(value)));
    });
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    this.#reject(error);
  }
}

/** Splits operations and rate so that the shares add up to the whole. */
function share(phase: CrewPhase, client: number, clients: number): PhaseSpec {
  const { operations, ratePerS } = phase;
  return {
    ...phase,
    client,
    clients,
    operations:
      operations === null || phase.operation === 'queue.consume'
        ? null
        : Math.floor(operations / clients) + (client < operations % clients ? 1 : 0),
    durationMs: phase.operation === 'queue.consume' ? null : phase.durationMs,
    ratePerS: ratePerS === null || phase.operation === 'queue.consume' ? null : ratePerS / clients,
  };
}
