import { OPERATIONS, type Operation, SCENARIOS } from './load/phase.ts';
import {
  type Measurement,
  type MemberUsage,
  PRESETS,
  RESULT_KIND,
  RESULT_SCHEMA_VERSION,
  type Result,
  type Run,
} from './result.ts';
import { LatencyHistogram, type LatencySummary } from './stats/latencyHistogram.ts';
import type { Spread } from './stats/summary.ts';
import type { Series } from './stats/timeSeries.ts';

/** Thrown when something is not a benchmark result; the message begins with the field's path. */
export class InvalidResultError extends Error {
  readonly field: string;

  constructor(field: string, expected: string) {
    super(`${field}: expected ${expected}`);
    this.name = 'InvalidResultError';
    this.field = field;
  }
}

type Reader<T> = (value: unknown, field: string) => T;
type Fields = Record<string, unknown>;

const ALL_OPERATIONS: readonly Operation[] = SCENARIOS.flatMap((scenario) => [...OPERATIONS[scenario]]);

/** Checks every field the report uses; unknown fields of a newer minor version are dropped. */
export function readResult(value: unknown): Result {
  const result = object(value, 'result');
  literal(RESULT_KIND)(result['kind'], 'kind');
  literal(RESULT_SCHEMA_VERSION)(result['schemaVersion'], 'schemaVersion');
  const environment = object(result['environment'], 'environment');
  const settings = object(result['settings'], 'settings');
  const subjects = list(readSubject)(result['subjects'], 'subjects');
  const measurements = list(readMeasurement)(result['measurements'], 'measurements');
  const names = new Set(subjects.map((subject) => subject.name));
  if (names.size !== subjects.length) throw new InvalidResultError('subjects', 'unique names');
  measurements.forEach((measurement, index) => {
    if (!names.has(measurement.subject)) {
      throw new InvalidResultError(`measurements[${index}].subject`, 'the name of a subject');
    }
  });
  return {
    kind: RESULT_KIND,
    schemaVersion: RESULT_SCHEMA_VERSION,
    startedAt: readDate(result['startedAt'], 'startedAt'),
    durationMs: number(result['durationMs'], 'durationMs'),
    outcome: oneOf(['succeeded', 'failed'])(result['outcome'], 'outcome'),
    failures: list(text)(result['failures'], 'failures'),
    environment: {
      nodeVersion: text(environment['nodeVersion'], 'environment.nodeVersion'),
      platform: text(environment['platform'], 'environment.platform'),
      cpuModel: text(environment['cpuModel'], 'environment.cpuModel'),
      cores: number(environment['cores'], 'environment.cores'),
      memoryBytes: number(environment['memoryBytes'], 'environment.memoryBytes'),
    },
    settings: {
      preset: oneOf(PRESETS)(settings['preset'], 'settings.preset'),
      operations: orNull(number)(settings['operations'], 'settings.operations'),
      durationMs: orNull(number)(settings['durationMs'], 'settings.durationMs'),
      runs: number(settings['runs'], 'settings.runs'),
      clients: number(settings['clients'], 'settings.clients'),
      inFlight: list(number)(settings['inFlight'], 'settings.inFlight'),
      payloadBytes: list(number)(settings['payloadBytes'], 'settings.payloadBytes'),
      scenarios: list(oneOf(SCENARIOS))(settings['scenarios'], 'settings.scenarios'),
      ratePerS: orNull(number)(settings['ratePerS'], 'settings.ratePerS'),
      contendedKeys: number(settings['contendedKeys'], 'settings.contendedKeys'),
      cacheKeys: number(settings['cacheKeys'], 'settings.cacheKeys'),
      hitRatio: number(settings['hitRatio'], 'settings.hitRatio'),
    },
    subjects,
    measurements,
  };
}

const readSubject: Reader<Result['subjects'][number]> = (value, field) => {
  const subject = object(value, field);
  return {
    name: text(subject['name'], `${field}.name`),
    members: orNull(number)(subject['members'], `${field}.members`),
    connectNs: list(orNull(number))(subject['connectNs'], `${field}.connectNs`),
  };
};

const readMeasurement: Reader<Measurement> = (value, field) => {
  const measurement = object(value, field);
  const latency = object(measurement['latencyNs'], `${field}.latencyNs`);
  const runs = list(readRun)(measurement['runs'], `${field}.runs`);
  if (runs.length === 0) throw new InvalidResultError(`${field}.runs`, 'at least one run');
  return {
    subject: text(measurement['subject'], `${field}.subject`),
    operation: oneOf(ALL_OPERATIONS)(measurement['operation'], `${field}.operation`),
    payloadBytes: number(measurement['payloadBytes'], `${field}.payloadBytes`),
    inFlight: number(measurement['inFlight'], `${field}.inFlight`),
    runs,
    throughputPerS: readSpread(measurement['throughputPerS'], `${field}.throughputPerS`),
    latencyNs: summaryOf((key) => readSpread(latency[key], `${field}.latencyNs.${key}`)),
  };
};

const readRun: Reader<Run> = (value, field) => {
  const run = object(value, field);
  const latency = object(run['latencyNs'], `${field}.latencyNs`);
  const optional = <T>(name: string, read: Reader<T>): T | undefined =>
    run[name] === undefined ? undefined : read(run[name], `${field}.${name}`);
  const out: { -readonly [K in keyof Run]: Run[K] } = {
    completed: number(run['completed'], `${field}.completed`),
    durationMs: number(run['durationMs'], `${field}.durationMs`),
    throughputPerS: number(run['throughputPerS'], `${field}.throughputPerS`),
    latencyNs: summaryOf((key) => number(latency[key], `${field}.latencyNs.${key}`)),
    errors: counts(run['errors'], `${field}.errors`),
    violations: list(text)(run['violations'], `${field}.violations`),
    members: list(readUsage)(run['members'], `${field}.members`),
  };
  const hits = optional('hits', number);
  const misses = optional('misses', number);
  const redelivered = optional('redelivered', number);
  const retransmitted = optional('retransmittedSegments', number);
  const histogram = optional('histogram', readHistogram);
  const series = optional('series', readSeries);
  if (hits !== undefined) out.hits = hits;
  if (misses !== undefined) out.misses = misses;
  if (redelivered !== undefined) out.redelivered = redelivered;
  if (retransmitted !== undefined) out.retransmittedSegments = retransmitted;
  if (histogram !== undefined) out.histogram = histogram;
  if (series !== undefined) out.series = series;
  return out;
};

const readUsage: Reader<MemberUsage> = (value, field) => {
  const usage = object(value, field);
  return {
    member: text(usage['member'], `${field}.member`),
    cpuCores: orNull(number)(usage['cpuCores'], `${field}.cpuCores`),
    residentBytes: orNull(number)(usage['residentBytes'], `${field}.residentBytes`),
    diskWriteBytes: orNull(number)(usage['diskWriteBytes'], `${field}.diskWriteBytes`),
    walSyncs: orNull(number)(usage['walSyncs'], `${field}.walSyncs`),
  };
};

const readSeries: Reader<Series> = (value, field) => {
  const series = object(value, field);
  const throughputPerS = list(number)(series['throughputPerS'], `${field}.throughputPerS`);
  const p50Ns = list(orNull(number))(series['p50Ns'], `${field}.p50Ns`);
  const p99Ns = list(orNull(number))(series['p99Ns'], `${field}.p99Ns`);
  if (p50Ns.length !== throughputPerS.length || p99Ns.length !== throughputPerS.length) {
    throw new InvalidResultError(field, 'arrays of equal length');
  }
  return { widthMs: number(series['widthMs'], `${field}.widthMs`), throughputPerS, p50Ns, p99Ns };
};

const readHistogram: Reader<string> = (value, field) => {
  const encoded = text(value, field);
  try {
    LatencyHistogram.decode(encoded);
  } catch {
    throw new InvalidResultError(field, 'a compressed HDR histogram');
  }
  return encoded;
};

const readDate: Reader<string> = (value, field) => {
  const date = text(value, field);
  if (Number.isNaN(Date.parse(date))) throw new InvalidResultError(field, 'a date and time');
  return date;
};

function readSpread(value: unknown, field: string): Spread {
  const fields = object(value, field);
  return { mean: number(fields['mean'], `${field}.mean`), stdev: number(fields['stdev'], `${field}.stdev`) };
}

export function summaryOf<T>(read: (key: keyof LatencySummary) => T): { [P in keyof LatencySummary]: T } {
  return {
    min: read('min'),
    p50: read('p50'),
    p90: read('p90'),
    p95: read('p95'),
    p99: read('p99'),
    p999: read('p999'),
    max: read('max'),
    mean: read('mean'),
  };
}

function object(value: unknown, field: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidResultError(field, 'an object');
  }
  return value as Fields;
}

/** Every number of a result is a count, a size, a duration or a rate. */
function number(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new InvalidResultError(field, 'a number ≥ 0');
  }
  return value;
}

function text(value: unknown, field: string): string {
  if (typeof value !== 'string') throw new InvalidResultError(field, 'a string');
  return value;
}

function counts(value: unknown, field: string): Record<string, number> {
  const read: Record<string, number> = {};
  for (const [code, count] of Object.entries(object(value, field))) {
    read[code] = number(count, `${field}.${code}`);
  }
  return read;
}

function list<T>(read: Reader<T>): Reader<T[]> {
  return (value, field) => {
    if (!Array.isArray(value)) throw new InvalidResultError(field, 'an array');
    return value.map((item, index) => read(item, `${field}[${index}]`));
  };
}

function orNull<T>(read: Reader<T>): Reader<T | null> {
  return (value, field) => (value === null ? null : read(value, field));
}

function literal<T extends string | number>(expected: T): Reader<T> {
  return (value, field) => {
    if (value !== expected) throw new InvalidResultError(field, JSON.stringify(expected));
    return expected;
  };
}

function oneOf<T extends string>(allowed: readonly T[]): Reader<T> {
  return (value, field) => {
    const found = allowed.find((option) => option === value);
    if (found === undefined) throw new InvalidResultError(field, `one of ${allowed.join(', ')}`);
    return found;
  };
}
