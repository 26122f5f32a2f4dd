/** Maps values to 0…1 and proposes ticks. */
export interface Scale {
  at(value: number): number;
  readonly ticks: readonly number[];
}

const TICKS_WANTED = 6;

/** From zero to a round number at or above `high`, or to `high` itself when `exact`. */
export function linearScale(high: number, exact = false): Scale {
  const top = high > 0 ? high : 1;
  const rough = top / (TICKS_WANTED - 1);
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude).find((size) => size >= rough * 0.999)!;
  const end = exact ? top : Math.ceil((top / step) * 0.9999) * step;
  const ticks: number[] = [];
  for (let index = 0; index * step <= end * 1.0001; index++)
    ticks.push(Number((index * step).toPrecision(12)));
  return { at: (value) => value / end, ticks };
}

/** Logarithmic between two positive values; ticks at 1, 2 and 5 of each decade, thinned where they crowd. */
export function logScale(low: number, high: number): Scale {
  const from = Math.log10(low);
  const span = Math.max(Math.log10(high) - from, 1e-9);
  let ticks: number[] = [];
  for (const factors of [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1]]) {
    ticks = [];
    for (let decade = Math.floor(from); decade <= Math.ceil(from + span); decade++) {
      for (const factor of factors) {
        const value = factor * 10 ** decade;
        if (value >= low * 0.999 && value <= high * 1.001) ticks.push(value);
      }
    }
    if (ticks.length <= TICKS_WANTED) break;
  }
  return { at: (value) => (Math.log10(Math.max(value, 1e-12)) - from) / span, ticks };
}

/** Percentiles by their nines: 90, 99, 99.9 lie equally far apart. `at` takes a percentile in 0…100. */
export function ninesScale(nines: number): Scale {
  const ticks = [0, 50, 90, 99, 99.9, 99.99, 99.999].filter((tick) => ninesOf(tick) <= nines + 1e-9);
  return { at: (percentile) => Math.min(1, ninesOf(percentile) / nines), ticks };
}

function ninesOf(percentile: number): number {
  return percentile >= 100 ? Number.POSITIVE_INFINITY : -Math.log10(1 - percentile / 100);
}
