import { get } from 'node:http';
import { isObject, type Json, listAt, numberAt, objectAt, stringAt } from './json.ts';

export interface Probe {
  readonly path: string;
  readonly port: number;
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly failureThreshold: number;
  readonly successThreshold: number;
}

/** The HTTP probe of a container; null when it has none. */
export function probeOf(container: Json, name: string): Probe | null {
  const probe = objectAt(container, name);
  const httpGet = objectAt(probe, 'httpGet');
  if (probe === undefined || httpGet === undefined) return null;
  const seconds = (field: string, fallback: number): number => (numberAt(probe, field) ?? fallback) * 1000;
  return {
    path: stringAt(httpGet, 'path') ?? '/',
    port: portOf(container, httpGet['port']),
    initialDelayMs: seconds('initialDelaySeconds', 0),
    periodMs: Math.max(10, seconds('periodSeconds', 10)),
    timeoutMs: seconds('timeoutSeconds', 1),
    failureThreshold: numberAt(probe, 'failureThreshold') ?? 3,
    successThreshold: numberAt(probe, 'successThreshold') ?? 1,
  };
}

function portOf(container: Json, port: Json | undefined): number {
  const named = listAt(container, 'ports')
    .filter(isObject)
    .find((item) => item['name'] === port);
  return numberAt(named, 'containerPort') ?? (typeof port === 'number' ? port : 0);
}

/** Null: success; else why not. Never throws. */
function probeOnce(probe: Probe, host: string): Promise<string | null> {
  return new Promise((resolve) => {
    const request = get(
      { host, port: probe.port, path: probe.path, agent: false, timeout: probe.timeoutMs },
      (response) => {
        response.resume();
        const status = response.statusCode ?? 0;
        resolve(status >= 200 && status < 400 ? null : `HTTP probe failed with statuscode: ${status}`);
      },
    );
    // The option alone only tells of a silent socket; a slow answer must not take longer either.
    const timer = setTimeout(() => request.destroy(new Error('timed out')), probe.timeoutMs);
    request.once('timeout', () => request.destroy(new Error('timed out')));
    request.once('error', (error) => resolve(error.message));
    request.once('close', () => clearTimeout(timer));
  });
}

/** Repeats a probe and tells when its verdict changes, by the thresholds. */
export class Prober {
  readonly #probe: Probe;
  readonly #host: string;
  readonly #onVerdict: (healthy: boolean, message: string) => void;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #healthy: boolean | null = null;
  #streak = 0;
  readonly #startedAtMs = Date.now();

  /** `eagerMs`: while nothing has succeeded yet, the probe is repeated at least this often. */
  constructor(
    probe: Probe,
    host: string,
    eagerMs: number,
    onVerdict: (healthy: boolean, message: string) => void,
  ) {
    this.#probe = probe;
    this.#host = host;
    this.#onVerdict = onVerdict;
    this.#schedule(Math.max(probe.initialDelayMs, Math.min(eagerMs, probe.periodMs)), eagerMs);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #schedule(delayMs: number, eagerMs: number): void {
    this.#timer = setTimeout(() => {
      void probeOnce(this.#probe, this.#host).then((problem) => {
        if (this.#stopped) return;
        this.#count(problem);
        this.#schedule(
          this.#healthy === true ? this.#probe.periodMs : Math.min(eagerMs, this.#probe.periodMs),
          eagerMs,
        );
      });
    }, delayMs);
  }

  #count(problem: string | null): void {
    const success = problem === null;
    if (this.#healthy === null && !success) {
      // Asked more often than the period says: so the failures of a start count by time.
      if (Date.now() - this.#startedAtMs >= this.#probe.failureThreshold * this.#probe.periodMs)
        this.#decide(false, problem);
      return;
    }
    if (success === this.#healthy) {
      this.#streak = 0;
      return;
    }
    this.#streak += 1;
    const threshold = success ? this.#probe.successThreshold : this.#probe.failureThreshold;
    if (this.#streak >= threshold) this.#decide(success, problem ?? '');
  }

  #decide(healthy: boolean, message: string): void {
    this.#streak = 0;
    this.#healthy = healthy;
    this.#onVerdict(healthy, message);
  }
}
