/** Latency classes of one time cell: eighths of an octave from 256 ns on, enough for p50 and p99 within 9 %. */
const CLASSES_PER_OCTAVE = 8;
const LOWEST_EXPONENT = 8;
const CLASSES = CLASSES_PER_OCTAVE * 32;
const CELLS = 128;
/** A cell says something about throughput when about this many operations ended in it. */
const OPERATIONS_PER_CELL = 25;
const CELLS_MIN = 16;

export interface SeriesWire {
  widthNs: number;
  /** Used cells only, one after the other, `CLASSES` counts each. */
  counts: Uint32Array;
}

/** One run over time: arrays of equal length. */
export interface Series {
  widthMs: number;
  throughputPerS: number[];
  /** Null where nothing completed. */
  p50Ns: (number | null)[];
  p99Ns: (number | null)[];
}

/**
 * Counts per time cell and latency class in constant memory: when a run outgrows its cells, neighbours are merged
 * and the width doubles. Widths are the first width times powers of two, so series of several processes that
 * share their time zero can be merged.
 */
export class TimeSeries {
  #widthNs: number;
  readonly #counts = new Uint32Array(CELLS * CLASSES);
  #used = 0;

  constructor(firstWidthNs = 1_000_000) {
    this.#widthNs = firstWidthNs;
  }

  static from(wire: SeriesWire): TimeSeries {
    const series = new TimeSeries(wire.widthNs);
    series.#counts.set(wire.counts);
    series.#used = wire.counts.length / CLASSES;
    return series;
  }

  /** `atNs` since the run's time zero. */
  record(atNs: number, latencyNs: number, times = 1): void {
    const at = Math.max(atNs, 0);
    while (at >= this.#widthNs * CELLS) this.#widen();
    const cell = Math.floor(at / this.#widthNs);
    if (cell >= this.#used) this.#used = cell + 1;
    const index = cell * CLASSES + classOf(latencyNs);
    this.#counts[index] = this.#counts[index]! + times;
  }

  add(other: TimeSeries): void {
    while (this.#widthNs < other.#widthNs) this.#widen();
    while (other.#widthNs < this.#widthNs) other.#widen();
    for (let index = 0; index < other.#used * CLASSES; index++) {
      this.#counts[index] = this.#counts[index]! + other.#counts[index]!;
    }
    if (other.#used > this.#used) this.#used = other.#used;
  }

  wire(): SeriesWire {
    return { widthNs: this.#widthNs, counts: this.#counts.slice(0, this.#used * CLASSES) };
  }

  /** `durationNs`: the end of the run, so that the last, partly used cell gives a true rate. */
  series(durationNs: number): Series {
    const operations = this.#counts.reduce((sum, count) => sum + count, 0);
    // Short runs: in cells of a millisecond the chart would show the batches, not the throughput.
    while (this.#used > CELLS_MIN && operations / this.#used < OPERATIONS_PER_CELL) this.#widen();
    const out: Series = { widthMs: this.#widthNs / 1e6, throughputPerS: [], p50Ns: [], p99Ns: [] };
    for (let cell = 0; cell < this.#used; cell++) {
      const counts = this.#counts.subarray(cell * CLASSES, (cell + 1) * CLASSES);
      let total = 0;
      for (const count of counts) total += count;
      const covered = Math.min(this.#widthNs, durationNs - cell * this.#widthNs);
      // A sliver at the end would turn a handful of completions into an absurd rate.
      if (covered < this.#widthNs / 4 && cell > 0) break;
      out.throughputPerS.push(rounded((total * 1e9) / Math.max(covered, 1)));
      out.p50Ns.push(total === 0 ? null : rounded(quantile(counts, total, 0.5)));
      out.p99Ns.push(total === 0 ? null : rounded(quantile(counts, total, 0.99)));
    }
    return out;
  }

  #widen(): void {
    const counts = this.#counts;
    const cells = (this.#used + 1) >> 1;
    for (let cell = 0; cell < cells; cell++) {
      for (let klass = 0; klass < CLASSES; klass++) {
        const first = counts[2 * cell * CLASSES + klass]!;
        const second = 2 * cell + 1 < CELLS ? counts[(2 * cell + 1) * CLASSES + klass]! : 0;
        counts[cell * CLASSES + klass] = first + second;
      }
    }
    counts.fill(0, cells * CLASSES);
    this.#used = cells;
    this.#widthNs *= 2;
  }
}

function classOf(latencyNs: number): number {
  const klass = Math.floor((Math.log2(Math.max(latencyNs, 1)) - LOWEST_EXPONENT) * CLASSES_PER_OCTAVE);
  return klass < 0 ? 0 : klass >= CLASSES ? CLASSES - 1 : klass;
}

function quantile(counts: Uint32Array, total: number, share: number): number {
  const wanted = share * total;
  let seen = 0;
  for (let klass = 0; klass < counts.length; klass++) {
    const count = counts[klass]!;
    if (count > 0 && seen + count >= wanted) {
      return 2 ** (LOWEST_EXPONENT + (klass + (wanted - seen) / count) / CLASSES_PER_OCTAVE);
    }
    seen += count;
  }
  throw new RangeError('quantile beyond the counts');
}

/** Three significant digits: more would only make the results longer. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
