/** A statistic over repeated runs. */
export interface Spread {
  mean: number;
  /** Sample standard deviation (divisor n − 1); 0 for a single run. */
  stdev: number;
}

export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('mean of no values');
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Two passes: a sum of squares would lose every digit when the spread is small beside the mean. */
export function sampleStdev(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  let squares = 0;
  for (const value of values) squares += (value - centre) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

export function spread(values: readonly number[]): Spread {
  return { mean: mean(values), stdev: sampleStdev(values) };
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('median of no values');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle]!;
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2;
}
