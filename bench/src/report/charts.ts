import type { LatencyHistogram } from '../stats/latencyHistogram.ts';
import type { Spread } from '../stats/summary.ts';
import type { Series } from '../stats/timeSeries.ts';
import { compact, duration, escapeHtml, plusMinus, rate, significant } from './format.ts';
import { axisOf, type Chart, type LegendEntry, PLOT, px, py, renderChart, round } from './frame.ts';
import { linearScale, logScale, ninesScale } from './scale.ts';

/** One subject's values in a chart; `klass` is its colour throughout the report. */
export interface Named<T> {
  readonly name: string;
  readonly klass: string;
  readonly value: T;
}

const HISTOGRAM_CELLS = 64;
const HEAT_CELLS = 30;

export function histogramChart(subjects: readonly Named<LatencyHistogram>[]): string {
  const [low, high] = bounds(subjects.map((subject) => subject.value));
  const x = logScale(low, high);
  const shares = subjects.map((subject) => subject.value.logShares(low, high, HISTOGRAM_CELLS));
  const y = linearScale(Math.max(...shares.flat()) * 100);
  const body = subjects.map((subject, index) => {
    const own = shares[index]!;
    let path = `M${px(0)} ${py(0)}`;
    own.forEach((share, cell) => {
      const top = py(y.at(share * 100));
      path += `L${px(cell / HISTOGRAM_CELLS)} ${top}L${px((cell + 1) / HISTOGRAM_CELLS)} ${top}`;
    });
    path += `L${px(1)} ${py(0)}Z`;
    return `<path class="area ${subject.klass}" d="${path}"><title>${escapeHtml(subject.name)}</title></path>`;
  });
  return renderChart({
    title: 'Distribution of latency',
    note: 'all runs together',
    x: axisOf(x, 'latency (logarithmic)', duration),
    y: axisOf(y, 'operations (%)', significant),
    legend: legendOf(subjects),
    body: body.join(''),
  });
}

export function boxPlot(subjects: readonly Named<LatencyHistogram>[]): string {
  const [low, high] = bounds(subjects.map((subject) => subject.value));
  const x = logScale(low, high);
  const rows = subjects.length;
  const body = subjects.map((subject, index) => {
    const middle = PLOT.top + ((index + 0.6) / rows) * PLOT.height;
    const half = Math.min(20, (PLOT.height / rows) * 0.24);
    const value = (percentile: number): number => subject.value.percentile(percentile);
    const at = (percentile: number): number => px(x.at(value(percentile)));
    const text = [1, 25, 50, 75, 99].map((p) => `p${p} ${duration(value(p))}`).join(', ');
    const line = (x1: number, x2: number, y1: number, y2: number, klass: string): string =>
      `<line class="${klass}" x1="${round(x1)}" x2="${round(x2)}" y1="${round(y1)}" y2="${round(y2)}"/>`;
    return [
      `<g class="${subject.klass}"><title>${escapeHtml(`${subject.name}: ${text}, max ${duration(value(100))}`)}</title>`,
      line(at(1), at(25), middle, middle, 'line'),
      line(at(75), at(99), middle, middle, 'line'),
      line(at(1), at(1), middle - half / 2, middle + half / 2, 'line'),
      line(at(99), at(99), middle - half / 2, middle + half / 2, 'line'),
      `<rect class="area" x="${at(25)}" y="${round(middle - half)}" width="${round(Math.max(1, at(75) - at(25)))}" height="${round(half * 2)}" rx="2"/>`,
      line(at(50), at(50), middle - half, middle + half, 'line strong'),
      `<circle class="dot" cx="${at(100)}" cy="${round(middle)}" r="3.5"/>`,
      '</g>',
      `<text class="tick" x="${PLOT.left + 5}" y="${round(middle - half - 5)}">${escapeHtml(subject.name)}</text>`,
    ].join('');
  });
  return renderChart({
    title: 'Latency, box plot',
    note: 'box p25–p75 with the median, whiskers p1–p99, dot maximum',
    x: axisOf(x, 'latency (logarithmic)', duration),
    y: { label: 'cluster', ticks: [] },
    grid: 'x',
    body: body.join(''),
  });
}

export function percentileChart(subjects: readonly Named<LatencyHistogram>[]): string {
  const most = Math.max(...subjects.map((subject) => subject.value.count));
  const nines = Math.min(5, Math.max(2, Math.log10(most)));
  const x = ninesScale(nines);
  const low = Math.min(...subjects.map((subject) => subject.value.percentile(0)));
  const high = Math.max(...subjects.map((subject) => subject.value.percentile(100)));
  const y = logScale(low / 1.1, high * 1.1);
  const body = subjects.map((subject) => {
    const points: string[] = [];
    for (let step = 0; step <= 120; step++) {
      const percentile = 100 * (1 - 10 ** ((-step / 120) * nines));
      points.push(`${px(step / 120)} ${py(y.at(subject.value.percentile(percentile)))}`);
    }
    return `<path class="line ${subject.klass}" d="M${points.join('L')}"><title>${escapeHtml(subject.name)}</title></path>`;
  });
  return renderChart({
    title: 'Latency by percentile',
    x: axisOf(x, 'percentile (by nines)', (tick) => String(tick)),
    y: axisOf(y, 'latency (logarithmic)', duration),
    legend: legendOf(subjects),
    body: body.join(''),
  });
}

export function throughputOverTime(subjects: readonly Named<Series>[]): string {
  const x = linearScale(longest(subjects), true);
  const y = linearScale(Math.max(1, ...subjects.flatMap((subject) => subject.value.throughputPerS)));
  return renderChart({
    title: 'Throughput over time',
    note: 'the run with the median throughput',
    ...timeAxes(x, axisOf(y, 'operations/s', compact)),
    legend: legendOf(subjects),
    body: subjects
      .map((subject) => timeLine(subject, subject.value.throughputPerS, x.at, y.at, subject.klass))
      .join(''),
  });
}

export function latencyOverTime(subjects: readonly Named<Series>[]): string {
  const x = linearScale(longest(subjects), true);
  const values = subjects.flatMap((subject) => [...subject.value.p50Ns, ...subject.value.p99Ns]);
  const known = values.filter((value) => value !== null);
  const low = known.length === 0 ? 1_000 : Math.min(...known);
  const high = known.length === 0 ? 1_000_000 : Math.max(...known);
  const y = logScale(low / 1.2, high * 1.2);
  return renderChart({
    title: 'Latency over time',
    note: 'p50 solid, p99 dashed; the run with the median throughput',
    ...timeAxes(x, axisOf(y, 'latency (logarithmic)', duration)),
    legend: legendOf(subjects),
    body: subjects
      .map(
        (subject) =>
          timeLine(subject, subject.value.p50Ns, x.at, y.at, subject.klass) +
          timeLine(subject, subject.value.p99Ns, x.at, y.at, `${subject.klass} dashed`),
      )
      .join(''),
  });
}

export function throughputBars(subjects: readonly Named<Spread>[]): string {
  // Room above the highest bar for its figure.
  const y = linearScale(1.1 * Math.max(1, ...subjects.map(({ value }) => value.mean + value.stdev)));
  const slot = 1 / subjects.length;
  const body = subjects.map((subject, index) => {
    const { mean, stdev } = subject.value;
    const middle = (index + 0.5) * slot;
    const width = Math.min(0.6 * slot * PLOT.width, 84);
    const centre = px(middle);
    const top = py(y.at(mean));
    const [high, low] = [py(y.at(mean + stdev)), py(y.at(Math.max(0, mean - stdev)))];
    const text = `${subject.name}: ${plusMinus(subject.value, rate)} operations/s`;
    return [
      `<g class="${subject.klass}"><title>${escapeHtml(text)}</title>`,
      `<rect class="bar" x="${round(centre - width / 2)}" y="${top}" width="${round(width)}" height="${round(py(0) - top)}" rx="2"/>`,
      `<path class="error" d="M${centre} ${high}V${low}M${centre - 6} ${high}h12M${centre - 6} ${low}h12"/>`,
      '</g>',
      `<text class="value" x="${centre}" y="${round(high - 7)}" text-anchor="middle">${escapeHtml(compact(mean))}</text>`,
    ].join('');
  });
  return renderChart({
    title: 'Throughput, single member and clusters',
    note: 'mean over the runs ± standard deviation',
    x: {
      label: 'cluster',
      ticks: subjects.map((subject, index) => ({ at: (index + 0.5) * slot, text: subject.name })),
    },
    y: axisOf(y, 'operations/s', compact),
    grid: 'y',
    body: body.join(''),
  });
}

/** Throughput against operations in flight: points `[inFlight, throughput]`. */
export function inFlightChart(subjects: readonly Named<readonly (readonly [number, Spread])[]>[]): string {
  const flights = subjects.flatMap((subject) => subject.value.map(([inFlight]) => inFlight));
  const rates = subjects.flatMap((subject) => subject.value.map(([, spread]) => spread.mean + spread.stdev));
  const x = logScale(Math.min(...flights) / 1.25, Math.max(...flights) * 1.25);
  const y = linearScale(Math.max(1, ...rates));
  const body = subjects.map((subject) => {
    const points = subject.value.map(([inFlight, { mean }]) => [px(x.at(inFlight)), py(y.at(mean))] as const);
    const dots = points.map(([cx, cy]) => `<circle class="dot" cx="${cx}" cy="${cy}" r="3.5"/>`);
    const line = `<path class="line" d="M${points.map((point) => point.join(' ')).join('L')}"/>`;
    return `<g class="${subject.klass}"><title>${escapeHtml(subject.name)}</title>${line}${dots.join('')}</g>`;
  });
  const ticks = [...new Set(flights)].sort((a, b) => a - b);
  return renderChart({
    title: 'Throughput by operations in flight',
    note: 'per client; mean over the runs',
    x: {
      label: 'in flight per client (logarithmic)',
      ticks: ticks.map((tick) => ({ at: x.at(tick), text: String(tick) })),
    },
    y: axisOf(y, 'operations/s', compact),
    legend: legendOf(subjects),
    body: body.join(''),
  });
}

/** Share of operations by latency (up) and payload size (across). */
export function payloadHeatMap(
  subject: string,
  columns: readonly { payloadBytes: number; histogram: LatencyHistogram }[],
): string {
  const [low, high] = bounds(columns.map((column) => column.histogram));
  const y = logScale(low, high);
  const shares = columns.map((column) => column.histogram.logShares(low, high, HEAT_CELLS));
  const most = Math.max(...shares.flat());
  const cells: string[] = [];
  columns.forEach((column, index) => {
    shares[index]!.forEach((share, cell) => {
      if (share === 0) return;
      const left = px(index / columns.length);
      const right = px((index + 1) / columns.length);
      const top = py((cell + 1) / HEAT_CELLS);
      const bottom = py(cell / HEAT_CELLS);
      // The square root keeps the thin tails visible beside the bulk.
      const opacity = Math.max(0.06, Math.sqrt(share / most)).toFixed(2);
      const from = duration(low * (high / low) ** (cell / HEAT_CELLS));
      const text = `${column.payloadBytes} B, from ${from}: ${significant(share * 100)} %`;
      cells.push(
        `<rect class="heat" x="${round(left + 1)}" y="${top}" width="${round(right - left - 2)}" height="${round(bottom - top)}" fill-opacity="${opacity}"><title>${escapeHtml(text)}</title></rect>`,
      );
    });
  });
  return renderChart({
    title: `Latency by payload size, ${subject}`,
    note: `the stronger the colour, the more operations (at most ${significant(most * 100)} %)`,
    x: {
      label: 'payload (bytes)',
      ticks: columns.map((column, index) => ({
        at: (index + 0.5) / columns.length,
        text: String(column.payloadBytes),
      })),
    },
    y: axisOf(y, 'latency (logarithmic)', duration),
    grid: 'y',
    body: cells.join(''),
  });
}

function timeAxes(x: ReturnType<typeof linearScale>, y: Chart['y']): { x: Chart['x']; y: Chart['y'] } {
  const inMs = x.ticks.at(-1)! < 2_000;
  const show = (tick: number): string => significant(inMs ? tick : tick / 1000);
  return { x: axisOf(x, inMs ? 'time since the start (ms)' : 'time since the start (s)', show), y };
}

/** A gap where nothing completed. */
function timeLine(
  subject: Named<Series>,
  values: readonly (number | null)[],
  atX: (ms: number) => number,
  atY: (value: number) => number,
  klass: string,
): string {
  let path = '';
  let drawing = false;
  values.forEach((value, index) => {
    if (value === null) {
      drawing = false;
      return;
    }
    path += `${drawing ? 'L' : 'M'}${px(atX((index + 0.5) * subject.value.widthMs))} ${py(atY(value))}`;
    drawing = true;
  });
  return `<path class="line ${klass}" d="${path === '' ? 'M0 0' : path}"><title>${escapeHtml(subject.name)}</title></path>`;
}

function longest(subjects: readonly Named<Series>[]): number {
  return Math.max(1, ...subjects.map(({ value }) => value.widthMs * value.throughputPerS.length));
}

/** Widened so that the outermost values do not lie on the frame. */
function bounds(histograms: readonly LatencyHistogram[]): [low: number, high: number] {
  const low = Math.min(...histograms.map((histogram) => histogram.percentile(0)));
  const high = Math.max(...histograms.map((histogram) => histogram.percentile(100)));
  return [Math.max(0.5, low / 1.15), high * 1.15];
}

function legendOf(subjects: readonly Named<unknown>[]): LegendEntry[] {
  return subjects.map(({ name, klass }) => ({ name, klass }));
}
