import { setTimeout as sleep } from 'node:timers/promises';
import type { LinkHandlers } from '@synccluster/client';
import { systemClock } from '@synccluster/client/clock';
import { tcpTransport } from '../client/src/tcpTransport.ts';
import { checkHistory, describe } from '../sim/checkers/index.ts';
import { Recorder } from '../sim/history/index.ts';
import { DEFAULT_SETTINGS, Workload, type WorkloadSettings } from '../sim/workload/index.ts';
import { HOUSES } from './rig/addresses.ts';
import type { Cluster } from './rig/cluster.ts';

/** Shorter than most pauses and partitions are long, so that sessions do expire. */
const SESSION_TTL_MS = 3_000;
const REQUEST_TIMEOUT_MS = 6_000;
/** For the search for linearizability, over all keys: seconds of work at most. */
const MAX_SEARCH_STEPS = 20_000_000;
/** Far beyond the deadline of anything that clients do. */
const STOP_TIMEOUT_MS = 60_000;
const SHOWN_VIOLATIONS = 20;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Clients of the real library at work, and the record of what they did and saw. */
export class Load {
  readonly recorder: Recorder;
  readonly #workload: Workload;
  readonly #settings: Mutable<WorkloadSettings> = { ...DEFAULT_SETTINGS };
  #healing: { readonly healedMs: number; readonly withinMs: number } | null = null;

  /** `nowMs`: the time that goes into the record. */
  constructor(cluster: Cluster, seed: number, nowMs: () => number) {
    this.recorder = new Recorder(nowMs);
    const endpoints = cluster.active.map((ordinal) => cluster.endpoint(ordinal));
    const clientOptions = (slot: number) => ({
      // Each begins with another member.
      endpoints: endpoints.map((_, at) => endpoints[(at + slot) % endpoints.length] as string),
      transport: {
        dial: (address: string, handlers: LinkHandlers) =>
          tcpTransport.dial(cluster.doorIn(slot % HOUSES, address), handlers),
      },
      label: `chaos-${slot}`,
      sessionTtlMs: SESSION_TTL_MS,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      clock: systemClock,
    });
    this.#workload = new Workload({ recorder: this.recorder, clientOptions }, seed, this.#settings);
  }

  async start(): Promise<void> {
    if (!(await this.#workload.prepare())) throw new Error('the queues could not be declared');
    this.#workload.start();
  }

  /** From `healedMs` nothing is broken any more: all must be served again `withinMs` later, and from then on. */
  healed(healedMs: number, withinMs: number): void {
    this.#healing = { healedMs, withinMs };
    // A client that is closed leaves what is under way unanswered, and that must not look like the cluster's doing.
    this.#settings.reconnect = 0;
    this.#settings.deletion = 0;
  }

  /**
   * Ends the work, then looks at everything that is left, if it is of any use. What did not come back or could not be
   * looked at is answered.
   */
  async stop(withAudit: boolean): Promise<readonly string[]> {
    const stopped = await Promise.race([
      this.#workload.stop().then(() => true),
      sleep(STOP_TIMEOUT_MS, false, { ref: false }),
    ]);
    if (!stopped) return this.#neverCameBack();
    if (!withAudit) return [];
    const { missing } = await this.#workload.audit();
    return missing.map((what) => `the audit did not manage to ${what}`);
  }

  #neverCameBack(): string[] {
    return this.recorder
      .operations()
      .filter(({ completed }) => completed === null)
      .map(({ id, client, kind, call }) => {
        const asked = `${kind} ${JSON.stringify(call)}`;
        return `#${id} of client ${client} never came back, all deadlines passed: ${asked}`;
      });
  }

  /** What the history shows that must not be, each in a few lines. */
  check(): string[] {
    const violations = checkHistory(this.recorder.operations(), {
      healing: this.#healing,
      maxSearchSteps: MAX_SEARCH_STEPS,
    });
    const shown = violations.slice(0, SHOWN_VIOLATIONS).map(describe);
    const more = violations.length - shown.length;
    return more > 0 ? [...shown, `and ${more} more`] : shown;
  }
}
