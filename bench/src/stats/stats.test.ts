import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from './latencyHistogram.ts';
import { mean, median, sampleStdev, spread } from './summary.ts';
import { TimeSeries } from './timeSeries.ts';

describe('spread over runs', () => {
  it('has the mean and the sample standard deviation', () => {
    expect(spread([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ mean: 5, stdev: Math.sqrt(32 / 7) });
  });
  it('is zero for one run and exact beside a large mean', () => {
    expect(sampleStdev([42])).toBe(0);
    expect(sampleStdev([1e12 + 4, 1e12 + 7, 1e12 + 13, 1e12 + 16])).toBeCloseTo(Math.sqrt(30), 9);
  });
  it('refuses no values instead of answering NaN', () => {
    expect(() => mean([])).toThrow(RangeError);
    expect(() => median([])).toThrow(RangeError);
  });
  it('takes the middle, or the mean of the two middles', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 6])).toBe(5.5);
  });
});

describe('latency histogram', () => {
  const upTo = (from: number, to: number): LatencyHistogram => {
    const histogram = new LatencyHistogram();
    for (let us = from; us <= to; us++) histogram.record(us * 1000);
    return histogram;
  };
  const near = (value: number, expected: number): void => {
    expect(Math.abs(value - expected) / expected).toBeLessThan(0.002);
  };

  it('gives the percentiles of 1 to 10,000 µs within its three digits', () => {
    const summary = upTo(1, 10_000).summary();
    near(summary.p50, 5_000_000);
    near(summary.p90, 9_000_000);
    near(summary.p95, 9_500_000);
    near(summary.p99, 9_900_000);
    near(summary.p999, 9_990_000);
    near(summary.max, 10_000_000);
    near(summary.min, 1_000);
    near(summary.mean, 5_000_500);
  });
  it('merged from parts equals the whole, through the encoding', () => {
    const parts = [upTo(1, 3_000), upTo(3_001, 9_000), upTo(9_001, 10_000)];
    const sent = parts.map((part) => LatencyHistogram.decode(part.encode()));
    const merged = LatencyHistogram.merged(sent);
    expect(merged.count).toBe(10_000);
    expect(merged.summary()).toEqual(upTo(1, 10_000).summary());
  });
  it('records at least a nanosecond and clamps what no deadline allows', () => {
    const histogram = new LatencyHistogram();
    histogram.record(0);
    histogram.record(1e15);
    expect(histogram.percentile(0)).toBe(1);
    expect(histogram.percentile(100)).toBeGreaterThanOrEqual(600e9);
    expect(histogram.count).toBe(2);
  });
  it('spreads shares over logarithmic cells that add up to one', () => {
    const histogram = new LatencyHistogram();
    histogram.record(2_000, 3);
    histogram.record(5_000_000, 1);
    const shares = histogram.logShares(1_000, 10_000_000, 4);
    expect(shares).toEqual([0.75, 0, 0, 0.25]);
  });
  it('refuses what is not an encoded histogram', () => {
    expect(() => LatencyHistogram.decode('no histogram')).toThrow();
  });
});

describe('time series', () => {
  it('gives rate and latency per cell', () => {
    const series = new TimeSeries(1_000_000);
    for (let index = 0; index < 100; index++) series.record(index * 10_000, 1_000_000);
    for (let index = 0; index < 50; index++) series.record(1_000_000 + index * 10_000, 4_000_000);
    const { widthMs, throughputPerS, p50Ns } = series.series(2_000_000);
    expect(widthMs).toBe(1);
    expect(throughputPerS).toEqual([100_000, 50_000]);
    expect(p50Ns[0]! / 1e6).toBeCloseTo(1, 0);
    expect(p50Ns[1]! / 1e6 > 3.6 && p50Ns[1]! / 1e6 < 4.4).toBe(true);
  });
  it('keeps every count while it widens, in at most 128 cells', () => {
    const series = new TimeSeries(1_000_000);
    for (let ms = 0; ms < 60_000; ms += 5) series.record(ms * 1e6, 1e6);
    const { widthMs, throughputPerS } = series.series(60e9);
    expect(throughputPerS.length).toBeLessThanOrEqual(128);
    expect(throughputPerS.length).toBeGreaterThan(64);
    for (const rate of throughputPerS) expect(Math.abs(rate - 200)).toBeLessThan(15);
    expect(widthMs * throughputPerS.length).toBeGreaterThanOrEqual(60_000 - widthMs);
  });
  it('shows a short run in few wide cells instead of its single batches', () => {
    const series = new TimeSeries(1_000_000);
    for (let batch = 0; batch < 50; batch++) series.record(batch * 2e6, 1e6, 20);
    const { throughputPerS } = series.series(100e6);
    expect(throughputPerS.length).toBeLessThan(51);
    expect(throughputPerS.every((rate) => rate > 5_000)).toBe(true);
  });

  it('merges series of different widths through the wire', () => {
    const short = new TimeSeries(1_000_000);
    short.record(500_000, 1e6, 7_000);
    const long = new TimeSeries(1_000_000);
    long.record(0, 1e6, 3_000);
    long.record(255_000_000, 1e6, 5_000);
    short.add(TimeSeries.from(long.wire()));
    const merged = short.series(256_000_000);
    expect(merged.widthMs).toBe(2);
    expect(merged.throughputPerS[0]).toBe(10_000 / 0.002);
    expect(merged.throughputPerS.at(-1)).toBe(5_000 / 0.002);
    expect(merged.p99Ns[50]).toBeNull();
  });
});
