import {
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  Int32Histogram,
  type JsHistogram,
} from 'hdr-histogram-js';

/** Ten minutes: longer than any deadline of an operation, so clamping to it hides nothing. */
const HIGHEST_NS = 600_000_000_000;
const SIGNIFICANT_DIGITS = 3;

/** Nanoseconds. */
export interface LatencySummary {
  min: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  p999: number;
  max: number;
  mean: number;
}

export interface LatencyBucket {
  fromNs: number;
  /** Inclusive. */
  toNs: number;
  count: number;
}

/** Latencies in nanoseconds with three significant digits; mergeable over processes and runs. */
export class LatencyHistogram {
  readonly #counts: JsHistogram;

  constructor(counts: JsHistogram = new Int32Histogram(1, HIGHEST_NS, SIGNIFICANT_DIGITS)) {
    this.#counts = counts;
  }

  /** Throws when `encoded` is not a compressed HDR histogram. */
  static decode(encoded: string): LatencyHistogram {
    const decoded = decodeFromCompressedBase64(encoded, 32) as JsHistogram;
    const own = new LatencyHistogram();
    own.#counts.add(decoded);
    return own;
  }

  static merged(parts: Iterable<LatencyHistogram>): LatencyHistogram {
    const all = new LatencyHistogram();
    for (const part of parts) all.add(part);
    return all;
  }

  get count(): number {
    return this.#counts.totalCount;
  }

  /** At least 1 ns is recorded: no operation takes no time, and a zero would vanish on a logarithmic axis. */
  record(ns: number, times = 1): void {
    const clamped = ns < 1 ? 1 : ns > HIGHEST_NS ? HIGHEST_NS : Math.round(ns);
    if (times === 1) this.#counts.recordValue(clamped);
    else this.#counts.recordValueWithCount(clamped, times);
  }

  add(other: LatencyHistogram): void {
    this.#counts.add(other.#counts);
  }

  /** `percentile` in 0…100. */
  percentile(percentile: number): number {
    return this.#counts.getValueAtPercentile(percentile);
  }

  summary(): LatencySummary {
    if (this.count === 0) throw new RangeError('summary of a histogram without values');
    const counts = this.#counts;
    return {
      min: counts.getValueAtPercentile(0),
      p50: counts.getValueAtPercentile(50),
      p90: counts.getValueAtPercentile(90),
      p95: counts.getValueAtPercentile(95),
      p99: counts.getValueAtPercentile(99),
      p999: counts.getValueAtPercentile(99.9),
      max: counts.getValueAtPercentile(100),
      mean: counts.mean,
    };
  }

  *buckets(): Generator<LatencyBucket> {
    const counts = this.#counts;
    let left = counts.totalCount;
    for (let index = 0; left > 0 && index < counts.countsArrayLength; index++) {
      const count = counts.getCountAtIndex(index);
      if (count === 0) continue;
      left -= count;
      const fromNs = counts.valueFromIndex(index);
      yield { fromNs, toNs: counts.highestEquivalentValue(fromNs), count };
    }
  }

  /** Shares (0…1) of the values in `cells` cells of equal width on a logarithmic axis between two bounds. */
  logShares(lowNs: number, highNs: number, cells: number): number[] {
    const shares = new Array<number>(cells).fill(0);
    const base = Math.log(lowNs);
    const width = (Math.log(highNs) - base) / cells;
    const total = this.count;
    for (const bucket of this.buckets()) {
      const cell = Math.floor((Math.log((bucket.fromNs + bucket.toNs) / 2) - base) / width);
      const within = Math.min(cells - 1, Math.max(0, cell));
      shares[within] = shares[within]! + bucket.count / total;
    }
    return shares;
  }

  encode(): string {
    return encodeIntoCompressedBase64(this.#counts);
  }
}
