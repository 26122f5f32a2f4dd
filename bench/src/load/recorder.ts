import { LatencyHistogram } from '../stats/latencyHistogram.ts';
import { TimeSeries } from '../stats/timeSeries.ts';

/** Everything one client measures in one phase. */
export class Recorder {
  readonly histogram = new LatencyHistogram();
  readonly series = new TimeSeries();
  readonly errors: Record<string, number> = Object.create(null) as Record<string, number>;
  completed = 0;
  failed = 0;
  lastNs = 0;

  /** `times` operations ended at `endNs` after the common start, each `latencyNs` after its (intended) beginning. */
  record(endNs: number, latencyNs: number, times: number): void {
    this.histogram.record(latencyNs, times);
    this.series.record(endNs, latencyNs, times);
    this.completed += times;
    this.lastNs = endNs;
  }

  error(error: unknown): void {
    const code = errorCode(error);
    this.errors[code] = (this.errors[code] ?? 0) + 1;
    this.failed++;
  }
}

function errorCode(error: unknown): string {
  if (typeof error === 'object' && error !== null) {
    if ('code' in error && typeof error.code === 'string') return error.code;
    if (error instanceof Error) return error.name;
  }
  return 'UNKNOWN';
}
