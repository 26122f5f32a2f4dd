import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { MemberUsage } from '../result.ts';
import { median } from '../stats/summary.ts';
import { parseMetrics } from './metricsText.ts';

const METRICS_DEADLINE_MS = 2_000;
/** Kernel ticks of /proc/<pid>/stat; USER_HZ is 100 on every Linux there is. */
const TICKS_PER_S = 100;

/** Where a member's use of the machine can be read; both may be unknown. */
export interface MemberProbe {
  readonly name: string;
  /** Process on this machine. */
  readonly pid: number | null;
  /** `host:port` that serves `/metrics`. */
  readonly health: string | null;
}

/** Counters of a member at one moment; null: not known. */
export interface UsageSample {
  readonly atMs: number;
  readonly cpuSeconds: number | null;
  readonly residentBytes: number | null;
  readonly diskWriteBytes: number | null;
  readonly walSyncs: number | null;
  readonly walEntries: number | null;
  readonly walBytes: number | null;
}

export async function sampleUsage(probe: MemberProbe): Promise<UsageSample> {
  const [metrics, local] = await Promise.all([fetchMetrics(probe.health), readProcess(probe.pid)]);
  return {
    atMs: performance.now(),
    cpuSeconds: local.cpuSeconds ?? metrics.get('process_cpu_seconds_total') ?? null,
    residentBytes: local.residentBytes ?? metrics.get('process_resident_memory_bytes') ?? null,
    diskWriteBytes: local.diskWriteBytes ?? metrics.get('synccluster_wal_bytes_total') ?? null,
    walSyncs: metrics.get('synccluster_wal_syncs_total') ?? null,
    walEntries: metrics.get('synccluster_wal_entries_total') ?? null,
    walBytes: metrics.get('synccluster_wal_bytes_total') ?? null,
  };
}

export function usageBetween(name: string, before: UsageSample, after: UsageSample): MemberUsage {
  const cpu = difference(before.cpuSeconds, after.cpuSeconds);
  const seconds = Math.max(after.atMs - before.atMs, 1) / 1000;
  return {
    member: name,
    cpuCores: cpu === null ? null : Number((cpu / seconds).toFixed(3)),
    residentBytes: after.residentBytes,
    diskWriteBytes: difference(before.diskWriteBytes, after.diskWriteBytes),
    walSyncs: difference(before.walSyncs, after.walSyncs),
  };
}

/** Null when unknown, or when the counter went back because the process is another one. */
export function difference(before: number | null, after: number | null): number | null {
  return before === null || after === null || after < before ? null : after - before;
}

async function fetchMetrics(health: string | null): Promise<Map<string, number>> {
  if (health === null) return new Map();
  try {
    const response = await fetch(`http://${health}/metrics`, {
      signal: AbortSignal.timeout(METRICS_DEADLINE_MS),
    });
    return response.ok ? parseMetrics(await response.text()) : new Map();
  } catch {
    return new Map();
  }
}

interface ProcessUsage {
  cpuSeconds: number | null;
  residentBytes: number | null;
  diskWriteBytes: number | null;
}

async function readProcess(pid: number | null): Promise<ProcessUsage> {
  const none = { cpuSeconds: null, residentBytes: null, diskWriteBytes: null };
  if (pid === null || process.platform !== 'linux') return none;
  const read = (name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
  const [stat, status, io] = await Promise.all([read('stat'), read('status'), read('io')]);
  // The command's name may hold spaces and brackets: fields are counted from the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(status);
  const written = /^write_bytes: (\d+)/m.exec(io);
  return {
    cpuSeconds: Number.isFinite(ticks) ? ticks / TICKS_PER_S : null,
    residentBytes: resident === null ? null : Number(resident[1]) * 1024,
    diskWriteBytes: written === null ? null : Number(written[1]),
  };
}

/** Median time of a TCP connect, in nanoseconds; null: the endpoint does not answer. */
export async function connectTime(endpoint: string, times = 7): Promise<number | null> {
  const at = endpoint.lastIndexOf(':');
  const host = endpoint.slice(0, at).replace(/^\[|\]$/g, '');
  const port = Number(endpoint.slice(at + 1));
  const samples: number[] = [];
  for (let index = 0; index < times; index++) {
    const begun = process.hrtime.bigint();
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect({ host, port, timeout: 2_000 });
      const end = (good: boolean): void => {
        socket.destroy();
        resolve(good);
      };
      socket.once('connect', () => end(true));
      socket.once('error', () => end(false));
      socket.once('timeout', () => end(false));
    });
    if (!connected) return null;
    samples.push(Number(process.hrtime.bigint() - begun));
  }
  return median(samples);
}

/** Segments this machine has sent again since it booted; null where the system does not tell. */
export async function retransmittedSegments(): Promise<number | null> {
  const text = await readFile('/proc/net/snmp', 'utf8').catch(() => '');
  const [names, values] = text.split('\n').filter((line) => line.startsWith('Tcp:'));
  const column = names?.split(' ').indexOf('RetransSegs') ?? -1;
  const value = column < 0 ? undefined : values?.split(' ')[column];
  return value === undefined ? null : Number(value);
}
