import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { measureFdatasync } from './fsyncProbe.ts';
import { parseMetrics } from './metricsText.ts';
import { connectTime, sampleUsage, usageBetween } from './usage.ts';

const EXPOSITION = `# HELP synccluster_wal_syncs_total Syncs
# TYPE synccluster_wal_syncs_total counter
synccluster_wal_syncs_total 41
synccluster_wal_bytes_total{kind="a b"} 100
synccluster_wal_bytes_total{kind="c"} 2.5e2 1700000000000
process_resident_memory_bytes 7e7
broken line here
nan_value NaN
`;

describe('use of a member', () => {
  it('sums a metric over its labels and passes over what it cannot read', () => {
    expect([...parseMetrics(EXPOSITION)]).toEqual([
      ['synccluster_wal_syncs_total', 41],
      ['synccluster_wal_bytes_total', 350],
      ['process_resident_memory_bytes', 7e7],
    ]);
  });
  it('comes from the metrics where the process is elsewhere', async () => {
    const server = createServer((_request, response) => response.end(EXPOSITION));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const health = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      expect(await sampleUsage({ name: 'm', pid: null, health })).toMatchObject({
        residentBytes: 7e7,
        walSyncs: 41,
        walEntries: null,
        cpuSeconds: null,
      });
      expect(await connectTime(health)).toBeGreaterThan(0);
    } finally {
      server.close();
    }
  });
  it.runIf(process.platform === 'linux')('comes from the system where the process is here', async () => {
    const probe = { name: 'self', pid: process.pid, health: '127.0.0.1:1' };
    const before = await sampleUsage(probe);
    const until = performance.now() + 60;
    while (performance.now() < until);
    const used = usageBetween('self', before, await sampleUsage(probe));
    expect(used.cpuCores).toBeGreaterThan(0);
    expect(used.residentBytes).toBeGreaterThan(10e6);
    expect(used.walSyncs).toBeNull();
  });
  it('does not invent a difference across a restart', () => {
    const sample = {
      atMs: 0,
      cpuSeconds: 9,
      residentBytes: 1,
      diskWriteBytes: 5,
      walSyncs: 9,
      walEntries: 0,
      walBytes: 0,
    };
    const after = { ...sample, atMs: 1_000, cpuSeconds: 1, walSyncs: 2 };
    expect(usageBetween('m', sample, after)).toMatchObject({
      cpuCores: null,
      walSyncs: null,
      diskWriteBytes: 0,
    });
  });
  it('finds no connect time where nothing listens', async () => {
    expect(await connectTime('127.0.0.1:1')).toBeNull();
  });
  it('measures a sync of the disk', () => {
    const { medianNs, p99Ns } = measureFdatasync(tmpdir(), 5);
    expect(medianNs).toBeGreaterThan(0);
    expect(p99Ns).toBeGreaterThanOrEqual(medianNs);
  });
});
