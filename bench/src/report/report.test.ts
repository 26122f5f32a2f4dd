import { describe, expect, it } from 'vitest';
import { sampleResult } from '../sampleResult.ts';
import { duration, durationSpread } from './format.ts';
import { renderReport } from './html.ts';
import { linearScale, logScale, ninesScale } from './scale.ts';
import { renderSummary, renderTable } from './text.ts';

/** Names of elements that never close and need no slash in HTML. */
const VOID = new Set(['meta', 'br', 'hr', 'img', 'link', 'input']);

/** The first thing that is wrong with the nesting of tags; null: well-formed. */
function nestingFault(html: string): string | null {
  const open: string[] = [];
  const body = html.replace(/^<!doctype html>/, '').replace(/<style>[^<]*<\/style>/g, '');
  for (const [tag, slash, name, attributes] of body.matchAll(
    /<(\/?)([a-zA-Z][\w]*)((?:\s+[\w-]+="[^"<>]*")*)\s*\/?>/g,
  )) {
    if (slash === '/') {
      if (open.pop() !== name) return `unexpected ${tag}`;
    } else if (!tag.endsWith('/>') && !VOID.has(name!)) open.push(name!);
    if (/NaN|Infinity|undefined|null/.test(attributes!)) return `bad number in ${tag}`;
  }
  const rest = body.replace(/<\/?[a-zA-Z][\w]*(?:\s+[\w-]+="[^"<>]*")*\s*\/?>/g, '');
  const stray = /.{0,30}[<>].{0,30}/.exec(rest);
  return stray === null
    ? open.length === 0
      ? null
      : `never closed: ${open.join(' ')}`
    : `stray ${stray[0]}`;
}

describe('the report', () => {
  const html = renderReport(sampleResult());

  it('is well-formed, whatever a subject is called', () => {
    expect(nestingFault(html)).toBeNull();
    expect(html).toContain('1 &lt;member&gt; &amp; &quot;co&quot;');
  });
  it('would show a fault: the check itself can fail', () => {
    expect(nestingFault(html.replace('</figure>', ''))).not.toBeNull();
    expect(nestingFault(html.replace('<figcaption>', '<figcaption>a < b'))).not.toBeNull();
    expect(nestingFault(html.replace(/x1="\d+/, 'x1="NaN'))).not.toBeNull();
  });
  it('refers to nothing outside itself', () => {
    expect(html.match(/(?:https?:)?\/\/[a-z]/gi)).toBeNull();
    expect(html).not.toMatch(/<script|<link|<img|<iframe|url\(|@import|\ssrc=|\shref=/i);
  });
  it('has every kind of chart for every operation, each with a title and labelled axes', () => {
    const figures = html.match(/<figure>.*?<\/figure>/gs)!;
    for (const figure of figures) {
      expect(figure).toMatch(/<figcaption>[^<]+/);
      expect(figure.match(/<text class="label"[^>]*>[^<]+</g)).toHaveLength(2);
    }
    const count = (title: string): number =>
      figures.filter((figure) => figure.includes(`<figcaption>${title}`)).length;
    for (const title of [
      'Distribution of latency',
      'Latency, box plot',
      'Latency by percentile',
      'Throughput over time',
      'Latency over time',
      'Throughput, single member and clusters',
      'Throughput by operations in flight',
    ]) {
      expect([title, count(title)]).toEqual([title, 6]);
    }
    // Two subjects, four operations with a payload.
    expect(count('Latency by payload size')).toBe(8);
  });
  it('still stands without series and histograms', () => {
    const bare = sampleResult();
    const measurements = bare.measurements.map((measurement) => ({
      ...measurement,
      runs: measurement.runs.map(({ histogram: _, series: __, ...run }) => run),
    }));
    expect(nestingFault(renderReport({ ...bare, measurements }))).toBeNull();
  });
  it('shows what failed', () => {
    const failed = { ...sampleResult(), outcome: 'failed' as const, failures: ['1 message <lost>'] };
    expect(renderReport(failed)).toContain('<li>1 message &lt;lost&gt;</li>');
    expect(renderTable(failed)).toContain('1 message <lost>');
    expect(renderSummary(failed)).toContain('- 1 message <lost>');
  });
});

describe('numbers for people', () => {
  it('never read 0.0 ms', () => {
    expect(duration(37)).toBe('37 ns');
    expect(duration(45_678)).toBe('45.7 µs');
    expect(duration(1_000_000)).toBe('1 ms');
    expect(duration(12_345_678_901)).toBe('12.3 s');
    expect(duration(235_000_000_000)).toBe('3 min 55 s');
    expect(durationSpread({ mean: 1_660_000, stdev: 33_800 })).toBe('1.66 ± 0.03 ms');
    expect(durationSpread({ mean: 1_660_000, stdev: 338 })).toBe('1.66 ± 0.0003 ms');
  });
  it('stand in aligned columns', () => {
    const [head, rule, ...rows] = renderTable(sampleResult()).trimEnd().split('\n');
    expect(rule).toMatch(/^─+( {2}─+)+$/);
    expect(head).toMatch(/^Operation +Cluster +Payload/);
    const widths = new Set([head, rule, ...rows].map((line) => line!.length));
    expect(widths.size).toBe(1);
  });
});

describe('scales', () => {
  it('put ticks within the domain', () => {
    expect(linearScale(93).ticks).toEqual([0, 20, 40, 60, 80, 100]);
    expect(linearScale(0).ticks[0]).toBe(0);
    expect(logScale(90, 11_000).ticks).toEqual([100, 1_000, 10_000]);
    expect(logScale(1_000, 1_000).ticks).toEqual([1_000]);
    expect(ninesScale(3).ticks).toEqual([0, 50, 90, 99, 99.9]);
    expect(ninesScale(3).at(99)).toBeCloseTo(2 / 3, 9);
  });
});
