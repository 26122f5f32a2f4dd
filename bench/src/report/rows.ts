import { OPERATION_TITLES } from '../load/phase.ts';
import type { Measurement, Result } from '../result.ts';
import { mean } from '../stats/summary.ts';
import { bytes, count, duration, durationSpread, plusMinus, rate, significant } from './format.ts';

/** The results as text, one row per measurement: the same in the terminal, the summary and the report. */
export function columnsOf(): string[] {
  return [
    'Operation',
    'Cluster',
    'Payload',
    'In flight',
    'Operations/s',
    'p50',
    'p90',
    'p95',
    'p99',
    'Max',
    'Errors',
  ];
}

export function rowsOf(result: Result): string[][] {
  return ordered(result).map((measurement) => {
    const { latencyNs } = measurement;
    return [
      OPERATION_TITLES[measurement.operation],
      measurement.subject,
      measurement.payloadBytes === 0 ? '–' : bytes(measurement.payloadBytes),
      String(measurement.inFlight),
      plusMinus(measurement.throughputPerS, rate),
      durationSpread(latencyNs.p50),
      durationSpread(latencyNs.p90),
      durationSpread(latencyNs.p95),
      durationSpread(latencyNs.p99),
      duration(latencyNs.max.mean),
      errorsOf(measurement),
    ];
  });
}

/** By operation, then variant, with the clusters side by side. */
function ordered(result: Result): Measurement[] {
  const operations = Object.keys(OPERATION_TITLES);
  const subjects = result.subjects.map((subject) => subject.name);
  return [...result.measurements].sort(
    (a, b) =>
      operations.indexOf(a.operation) - operations.indexOf(b.operation) ||
      a.payloadBytes - b.payloadBytes ||
      a.inFlight - b.inFlight ||
      subjects.indexOf(a.subject) - subjects.indexOf(b.subject),
  );
}

function errorsOf(measurement: Measurement): string {
  const total = new Map<string, number>();
  for (const run of measurement.runs) {
    for (const [code, times] of Object.entries(run.errors)) total.set(code, (total.get(code) ?? 0) + times);
  }
  return total.size === 0 ? '0' : [...total].map(([code, times]) => `${times} × ${code}`).join(', ');
}

export function usageRows(result: Result): string[][] {
  return ordered(result).flatMap((measurement) => {
    const names = measurement.runs[0]!.members.map((member) => member.member);
    return names.map((name) => {
      const used = measurement.runs.flatMap((run) => run.members.filter((member) => member.member === name));
      const average = (pick: (usage: (typeof used)[number]) => number | null): number | null => {
        const known = used.map(pick).filter((value) => value !== null);
        return known.length === 0 ? null : mean(known);
      };
      const show = (value: number | null, how: (value: number) => string): string =>
        value === null ? '–' : how(value);
      return [
        OPERATION_TITLES[measurement.operation],
        measurement.subject,
        measurement.payloadBytes === 0 ? '–' : bytes(measurement.payloadBytes),
        String(measurement.inFlight),
        name,
        show(
          average((usage) => usage.cpuCores),
          significant,
        ),
        show(
          average((usage) => usage.residentBytes),
          bytes,
        ),
        show(
          average((usage) => usage.diskWriteBytes),
          bytes,
        ),
        show(
          average((usage) => usage.walSyncs),
          count,
        ),
      ];
    });
  });
}

export function settingsList(result: Result): [name: string, value: string][] {
  const { settings, environment } = result;
  const connects = result.subjects.map((subject) => {
    const known = subject.connectNs.map((ns) => (ns === null ? 'no answer' : duration(ns)));
    return `${subject.name}: ${known.length === 0 ? 'not known' : known.join(', ')}`;
  });
  const resent = result.measurements.flatMap((m) => m.runs.map((run) => run.retransmittedSegments ?? 0));
  return [
    ['Preset', settings.preset],
    [
      'Work per run',
      settings.operations === null
        ? `${(settings.durationMs ?? 0) / 1000} s per operation`
        : `${count(settings.operations)} of each operation`,
    ],
    ['Runs', `${settings.runs}, after a warm-up that is checked but not counted`],
    ['Clients', `${settings.clients}, each a process of its own`],
    ['In flight per client', settings.inFlight.join(', ')],
    ['Payload', settings.payloadBytes.map(bytes).join(', ')],
    [
      'Load',
      settings.ratePerS === null ? 'closed loop' : `open loop, ${count(settings.ratePerS)} operations/s`,
    ],
    ['Contended locks', `${settings.contendedKeys}, each held for one turn of the client’s event loop`],
    [
      'Cache',
      `${count(settings.cacheKeys)} keys, ${significant(settings.hitRatio * 100)} % of gets ask for one of them`,
    ],
    ['TCP connect', connects.join('; ')],
    ['Segments sent again', count(resent.reduce((sum, segments) => sum + segments, 0))],
    ['Processor', `${environment.cpuModel}, ${environment.cores} cores`],
    ['Memory', bytes(environment.memoryBytes)],
    ['Platform', `${environment.platform}, Node.js ${environment.nodeVersion}`],
  ];
}
