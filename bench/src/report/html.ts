import { OPERATION_TITLES, OPERATIONS, type Operation } from '../load/phase.ts';
import type { Measurement, Result, Run } from '../result.ts';
import { LatencyHistogram } from '../stats/latencyHistogram.ts';
import type { Series } from '../stats/timeSeries.ts';
import {
  boxPlot,
  histogramChart,
  inFlightChart,
  latencyOverTime,
  type Named,
  payloadHeatMap,
  percentileChart,
  throughputBars,
  throughputOverTime,
} from './charts.ts';
import { bytes, duration, escapeHtml, significant } from './format.ts';
import { columnsOf, rowsOf, settingsList, usageRows } from './rows.ts';
import { STYLE } from './style.ts';

/** One file with everything in it: no request leaves it. */
export function renderReport(result: Result): string {
  const operations = OPERATIONS_IN_ORDER.filter((operation) =>
    result.measurements.some((measurement) => measurement.operation === operation),
  );
  const body = [
    header(result),
    failures(result),
    overview(result, operations),
    ...operations.map((operation) => section(result, operation)),
    usage(result),
    '<h2>Settings and environment</h2>',
    `<dl>${settingsList(result)
      .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
      .join('')}</dl>`,
  ];
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"/>',
    '<meta name="viewport" content="width=device-width,initial-scale=1"/>',
    '<title>SyncCluster benchmark</title>',
    `<style>${STYLE}</style></head><body><main>`,
    ...body,
    '</main></body></html>\n',
  ].join('\n');
}

const OPERATIONS_IN_ORDER: readonly Operation[] = Object.values(OPERATIONS).flat();

function header(result: Result): string {
  const good = result.outcome === 'succeeded';
  const subjects = result.subjects.map((subject) => subject.name).join(', ');
  return [
    '<header>',
    `<h1>SyncCluster benchmark</h1>`,
    `<p><span class="outcome ${good ? 'good' : 'bad'}">${good ? 'Succeeded' : 'Failed'}</span> <span class="soft">${escapeHtml(
      `${subjects} · ${result.settings.preset} · ${result.startedAt.slice(0, 16).replace('T', ' ')} UTC · took ${duration(result.durationMs * 1e6)}`,
    )}</span></p>`,
    '</header>',
  ].join('');
}

function overview(result: Result, operations: readonly Operation[]): string {
  const shown = operations.flatMap((operation) => {
    const { payload, inFlight, all } = variantsOf(result, operation);
    return all.filter((m) => m.payloadBytes === payload && m.inFlight === inFlight);
  });
  return [
    '<h2>Overview</h2>',
    '<p class="soft">Mean over the runs ± standard deviation, for one payload size and number in flight of each operation; every section below lists all of them.</p>',
    table(brief(columnsOf()), rowsOf({ ...result, measurements: shown }).map(brief)),
  ].join('\n');
}

/** Without p90 and p95: the overview is to fit without scrolling. */
function brief(row: readonly string[]): string[] {
  const left = columnsOf().map((column) => column !== 'p90' && column !== 'p95');
  return row.filter((_, index) => left[index]);
}

interface Variants {
  readonly all: readonly Measurement[];
  readonly payloads: readonly number[];
  readonly flights: readonly number[];
  /** The variant that stands for the others where there is room for one only: smallest payload, middle in flight. */
  readonly payload: number;
  readonly inFlight: number;
}

function variantsOf(result: Result, operation: Operation): Variants {
  const all = result.measurements.filter((measurement) => measurement.operation === operation);
  const payloads = distinct(all.map((measurement) => measurement.payloadBytes));
  const flights = distinct(all.map((measurement) => measurement.inFlight));
  return { all, payloads, flights, payload: payloads[0]!, inFlight: flights[flights.length >> 1]! };
}

function failures(result: Result): string {
  if (result.failures.length === 0) return '';
  const items = result.failures.map((failure) => `<li>${escapeHtml(failure)}</li>`).join('');
  return `<h2 class="bad">What failed</h2><ul>${items}</ul>`;
}

function section(result: Result, operation: Operation): string {
  const { all, payloads, flights, payload, inFlight } = variantsOf(result, operation);
  const shown = subjectsIn(result, (subject) =>
    all.find(
      (measurement) =>
        measurement.subject === subject &&
        measurement.payloadBytes === payload &&
        measurement.inFlight === inFlight,
    ),
  );
  const charts = [throughputBars(mapped(shown, (measurement) => measurement.throughputPerS))];
  const histograms = present(mapped(shown, (measurement) => mergedHistogram(measurement)));
  if (histograms.length > 0) {
    charts.push(histogramChart(histograms), boxPlot(histograms), percentileChart(histograms));
  }
  const series = present(mapped(shown, (measurement) => medianRun(measurement).series ?? null));
  if (series.length > 0) charts.push(throughputOverTime(series), latencyOverTime(series));
  if (flights.length > 1) {
    const byFlight = subjectsIn(result, (subject) =>
      flights.flatMap((flight) => {
        const found = all.find(
          (m) => m.subject === subject && m.payloadBytes === payload && m.inFlight === flight,
        );
        return found === undefined ? [] : [[flight, found.throughputPerS] as const];
      }),
    );
    charts.push(inFlightChart(byFlight.filter(({ value }) => value.length > 0)));
  }
  if (payloads.length > 1) {
    for (const subject of result.subjects) {
      const columns = payloads.flatMap((payloadBytes) => {
        const found = all.find(
          (m) => m.subject === subject.name && m.payloadBytes === payloadBytes && m.inFlight === inFlight,
        );
        const histogram = found === undefined ? null : mergedHistogram(found);
        return histogram === null ? [] : [{ payloadBytes, histogram }];
      });
      if (columns.length > 1) charts.push(payloadHeatMap(subject.name, columns));
    }
  }
  const about = [
    `${inFlight} in flight per client, ${result.settings.clients} client${result.settings.clients === 1 ? '' : 's'}`,
    payload === 0 ? '' : `payload ${bytes(payload)}`,
    hitText(shown.map(({ value }) => value)),
  ].filter((text) => text !== '');
  return [
    `<h2>${escapeHtml(OPERATION_TITLES[operation])}</h2>`,
    `<p class="soft">${escapeHtml(about.join(' · '))}</p>`,
    `<div class="charts">${charts.join('')}</div>`,
    figures(result, all),
  ].join('\n');
}

function figures(result: Result, all: readonly Measurement[]): string {
  const [, ...columns] = columnsOf();
  const rows = rowsOf({ ...result, measurements: all }).map(([, ...row]) => row);
  return `<details><summary>All figures (${rows.length})</summary>${table(columns, rows)}</details>`;
}

function hitText(measurements: readonly Measurement[]): string {
  let hits = 0;
  let misses = 0;
  for (const run of measurements.flatMap((measurement) => measurement.runs)) {
    hits += run.hits ?? 0;
    misses += run.misses ?? 0;
  }
  return hits + misses === 0 ? '' : `hit rate ${significant((hits / (hits + misses)) * 100)} %`;
}

function usage(result: Result): string {
  const rows = usageRows(result);
  if (rows.length === 0) return '';
  return [
    '<h2>What the members used</h2>',
    '<p class="soft">Mean over the runs. One CPU core fully used is 1.</p>',
    table(
      [
        'Operation',
        'Cluster',
        'Payload',
        'In flight',
        'Member',
        'CPU (cores)',
        'Memory',
        'Disk writes per run',
        'Log syncs per run',
      ],
      rows,
    ),
  ].join('\n');
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = columns.map((column) => `<th>${escapeHtml(column)}</th>`).join('');
  const body = rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`)
    .join('\n');
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function mergedHistogram(measurement: Measurement): LatencyHistogram | null {
  const parts = measurement.runs.flatMap((run) =>
    run.histogram === undefined ? [] : [LatencyHistogram.decode(run.histogram)],
  );
  return parts.length === 0 ? null : LatencyHistogram.merged(parts);
}

function medianRun(measurement: Measurement): Run & { series?: Series } {
  const sorted = [...measurement.runs].sort((a, b) => a.throughputPerS - b.throughputPerS);
  return sorted[sorted.length >> 1]!;
}

function subjectsIn<T>(result: Result, pick: (subject: string) => T | undefined): Named<T>[] {
  return result.subjects.flatMap(({ name }, index) => {
    const value = pick(name);
    return value === undefined ? [] : [{ name, klass: `s${(index % 6) + 1}`, value }];
  });
}

function mapped<T, U>(items: readonly Named<T>[], change: (value: T) => U): Named<U>[] {
  return items.map(({ name, klass, value }) => ({ name, klass, value: change(value) }));
}

function present<T>(items: readonly Named<T | null>[]): Named<T>[] {
  return items.flatMap(({ name, klass, value }) => (value === null ? [] : [{ name, klass, value }]));
}

function distinct(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}
