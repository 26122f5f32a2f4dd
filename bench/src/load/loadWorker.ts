import type { Target } from '../targets/target.ts';
import { createWorkload } from '../workloads/index.ts';
import type { Workload } from '../workloads/workload.ts';
import { drive, until } from './drive.ts';
import type { PhaseSpec, WorkerCommand, WorkerEvent } from './phase.ts';
import { Recorder } from './recorder.ts';

const PROGRESS_MS = 50;
const VIOLATIONS_KEPT = 20;

interface Prepared {
  spec: PhaseSpec;
  workload: Workload;
  recorder: Recorder;
  violations: string[];
  received: number[];
}

/** One load-generating client: follows the coordinator's commands, over whatever carries them. */
export class LoadWorker {
  readonly #connect: () => Promise<Target>;
  readonly #emit: (event: WorkerEvent) => void;
  #target: Target | null = null;
  #prepared: Prepared | null = null;
  #startNs = 0n;
  #stopped = false;

  constructor(connect: () => Promise<Target>, emit: (event: WorkerEvent) => void) {
    this.#connect = connect;
    this.#emit = emit;
  }

  async handle(command: WorkerCommand): Promise<void> {
    try {
      switch (command.type) {
        case 'prepare':
          await this.#prepare(command.spec);
          return;
        case 'go':
          await this.#run(BigInt(command.startNs));
          return;
        case 'stop':
          this.#stopped = true;
          return;
        case 'close':
          this.#stopped = true;
          await this.#target?.close();
          this.#target = null;
          return;
      }
    } catch (error) {
      this.#emit({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
    }
  }

  async #prepare(spec: PhaseSpec): Promise<void> {
    this.#target ??= await this.#connect();
    this.#stopped = false;
    const recorder = new Recorder();
    const violations: string[] = [];
    const received: number[] = [];
    const workload = createWorkload({
      target: this.#target,
      spec,
      now: () => this.#now(),
      violation: (text) => {
        if (violations.length < VIOLATIONS_KEPT) violations.push(text);
      },
      error: (error) => recorder.error(error),
      received: (id) => received.push(id),
    });
    await workload.prepare();
    this.#prepared = { spec, workload, recorder, violations, received };
    this.#emit({ type: 'prepared' });
  }

  async #run(startNs: bigint): Promise<void> {
    const prepared = this.#prepared;
    if (prepared === null) throw new Error('go before prepare');
    this.#prepared = null;
    const { spec, workload, recorder, violations } = prepared;
    this.#startNs = startNs;
    // Not a moment early: an operation that ended before the common start would have taken no time.
    await until(0, { now: () => this.#now(), stopped: () => this.#stopped });

    const takeReceived = (): Float64Array => Float64Array.from(prepared.received.splice(0));
    const report = setInterval(() => {
      this.#emit({
        type: 'progress',
        completed: recorder.completed + recorder.failed,
        received: takeReceived(),
      });
    }, PROGRESS_MS);
    try {
      await drive(
        workload.step,
        {
          lanes: workload.lanes,
          operations: spec.operations,
          durationMs: spec.durationMs,
          ratePerS: spec.ratePerS,
          now: () => this.#now(),
          stopped: () => this.#stopped,
        },
        recorder,
      );
    } finally {
      clearInterval(report);
    }
    this.#emit({
      type: 'done',
      received: takeReceived(),
      report: {
        completed: recorder.completed,
        lastNs: recorder.lastNs,
        errors: { ...recorder.errors },
        histogram: recorder.histogram.encode(),
        series: recorder.series.wire(),
        evidence: workload.evidence(),
        violations,
      },
    });
  }

  #now(): number {
    return Number(process.hrtime.bigint() - this.#startNs);
  }
}
