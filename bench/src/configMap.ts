import { gzipSync } from 'node:zlib';
import { renderReport } from './report/html.ts';
import { renderSummary } from './report/text.ts';
import type { Measurement, Result, Run } from './result.ts';

/** An API server refuses objects above 1 MiB; the rest is room for metadata and encoding. */
export const CONFIG_MAP_BYTES_MAX = 900 * 1024;
/** Above this a file is stored compressed. */
const PLAIN_BYTES_MAX = 128 * 1024;

export interface ConfigMap {
  readonly apiVersion: 'v1';
  readonly kind: 'ConfigMap';
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly data: Readonly<Record<string, string>>;
  /** Base64. Keys end in `.gz`. */
  readonly binaryData: Readonly<Record<string, string>>;
}

interface Reduction {
  readonly omits: string;
  apply(contents: Contents): Contents;
}
interface Contents {
  readonly result: Result;
  /** Made once, of the whole result: what `results.json` has to do without is still drawn. Null: left out. */
  readonly report: File | null;
  readonly summary: File | null;
}
interface File {
  readonly key: string;
  readonly value: string;
  readonly packed: boolean;
}

/** In the order in which things are given up: what can be had again from the rest goes first. */
const REDUCTIONS: readonly Reduction[] = [
  {
    omits: 'results.json: time series of all but each measurement’s median run',
    apply: (contents) => withMeasurements(contents, keepSeriesOfMedianRun),
  },
  {
    omits: 'results.json: all time series',
    apply: (contents) => withRuns(contents, ({ series: _, ...run }) => run),
  },
  { omits: 'report.html', apply: (contents) => ({ ...contents, report: null }) },
  {
    omits: 'results.json: histograms',
    apply: (contents) => withRuns(contents, ({ histogram: _, ...run }) => run),
  },
  {
    omits: 'results.json: use of members by run',
    apply: (contents) => withRuns(contents, (run) => ({ ...run, members: [] })),
  },
  { omits: 'summary.md', apply: (contents) => ({ ...contents, summary: null }) },
  {
    omits: 'results.json: all but the first failures',
    apply: (contents) => ({
      ...contents,
      result: {
        ...contents.result,
        failures: contents.result.failures.slice(0, 20).map((f) => f.slice(0, 500)),
      },
    }),
  },
];

/** Thrown when not even the bare figures fit. */
export class ResultTooLargeError extends Error {
  constructor(bytes: number, bytesMax: number) {
    super(
      `the results take ${bytes} bytes even without charts and histograms; a ConfigMap may have ${bytesMax}`,
    );
    this.name = 'ResultTooLargeError';
  }
}

/** `results.json`, `summary.md` and `report.html` within `bytesMax`; what had to go is listed under `omitted`. */
export function buildConfigMap(
  result: Result,
  where: { readonly name: string; readonly namespace: string },
  bytesMax = CONFIG_MAP_BYTES_MAX,
): ConfigMap {
  let contents: Contents = {
    result,
    report: fileOf('report.html', renderReport(result)),
    summary: fileOf('summary.md', renderSummary(result)),
  };
  const omitted: string[] = [];
  for (const reduction of [null, ...REDUCTIONS]) {
    if (reduction !== null) {
      contents = reduction.apply(contents);
      omitted.push(reduction.omits);
    }
    const made = assemble(contents, omitted, where);
    if (sizeOf(made) <= bytesMax) return made;
  }
  throw new ResultTooLargeError(sizeOf(assemble(contents, omitted, where)), bytesMax);
}

function assemble(
  contents: Contents,
  omitted: readonly string[],
  where: { readonly name: string; readonly namespace: string },
): ConfigMap {
  const data: Record<string, string> = {};
  const binaryData: Record<string, string> = {};
  for (const file of [
    fileOf('results.json', JSON.stringify(contents.result)),
    contents.summary,
    contents.report,
  ]) {
    if (file !== null) (file.packed ? binaryData : data)[file.key] = file.value;
  }
  if (omitted.length > 0) data['omitted'] = `${omitted.join('\n')}\n`;
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: where.name,
      namespace: where.namespace,
      labels: { 'app.kubernetes.io/name': 'synccluster', 'app.kubernetes.io/component': 'benchmark-results' },
    },
    data,
    binaryData,
  };
}

function fileOf(name: string, text: string): File {
  return Buffer.byteLength(text) <= PLAIN_BYTES_MAX
    ? { key: name, value: text, packed: false }
    : { key: `${name}.gz`, value: gzipSync(text, { level: 9 }).toString('base64'), packed: true };
}

/** As it travels: base64 counts with its overhead. */
export function sizeOf(configMap: ConfigMap): number {
  let bytes = 0;
  for (const part of [configMap.data, configMap.binaryData]) {
    for (const [key, value] of Object.entries(part))
      bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return bytes;
}

function withMeasurements(contents: Contents, change: (measurement: Measurement) => Measurement): Contents {
  return {
    ...contents,
    result: { ...contents.result, measurements: contents.result.measurements.map(change) },
  };
}

function withRuns(contents: Contents, change: (run: Run) => Run): Contents {
  return withMeasurements(contents, (measurement) => ({
    ...measurement,
    runs: measurement.runs.map(change),
  }));
}

/** The run that the report draws. */
function keepSeriesOfMedianRun(measurement: Measurement): Measurement {
  const sorted = [...measurement.runs].sort((a, b) => a.throughputPerS - b.throughputPerS);
  const kept = sorted[sorted.length >> 1];
  return {
    ...measurement,
    runs: measurement.runs.map((run) => {
      if (run === kept) return run;
      const { series: _, ...rest } = run;
      return rest;
    }),
  };
}
