import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Member } from './replica/member.ts';

/** The member's metrics, read when they are scraped: nothing is counted twice on the hot path. */
export function createMetrics(member: Member, clientConnections: () => number): Registry {
  const registry = new Registry();
  const { wal } = member.options.storage;
  const counted = (name: string, help: string, read: () => number): void => {
    let last = 0;
    const counter: Counter = new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        const now = read();
        counter.inc(Math.max(0, now - last));
        last = now;
      },
    });
  };
  const measured = (name: string, help: string, read: () => number): void => {
    const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()) });
  };

  counted('synccluster_wal_syncs_total', 'Synced writes of the log', () => wal.stats.syncs);
  counted('synccluster_wal_batches_total', 'Batches written to the log', () => wal.stats.batches);
  counted('synccluster_wal_bytes_total', 'Bytes written to the log', () => wal.stats.bytes);
  counted('synccluster_wal_entries_total', 'Raft entries written to the log', () => wal.stats.entries);
  measured('synccluster_wal_segments', 'Segments of the log on disk', () => wal.stats.segments);
  const sync: Histogram = new Histogram({
    name: 'synccluster_wal_sync_seconds',
    help: 'Duration of one write and sync of the log',
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5],
    registers: [registry],
    collect() {
      for (const ns of wal.stats.drainSyncNs()) sync.observe(ns / 1e9);
    },
  });
  counted('synccluster_cache_hits_total', 'Cache reads answered with a value', () => member.cacheReads.hits);
  counted('synccluster_cache_misses_total', 'Cache reads that found nothing', () => member.cacheReads.misses);
  counted('synccluster_commands_applied_total', 'Commands applied over all groups', () => {
    let applied = 0;
    for (const group of member.groups.values()) applied += group.commandsApplied;
    return applied;
  });
  measured('synccluster_client_connections', 'Open connections of clients', clientConnections);
  measured('synccluster_free_bytes', 'Free space on the volume', () => member.freeBytes);
  measured('synccluster_ready', '1 when the member is ready', () =>
    member.notReadyReason() === null ? 1 : 0,
  );

  const perGroup = (name: string, help: string, read: (group: number) => number): void => {
    const gauge: Gauge<'group'> = new Gauge({
      name,
      help,
      labelNames: ['group'],
      registers: [registry],
      collect() {
        for (const id of member.groups.keys()) gauge.set({ group: String(id) }, read(id));
      },
    });
  };
  const of = (id: number) => member.groups.get(id as never)!;
  perGroup('synccluster_group_leader', '1 when this member leads the group', (id) =>
    of(id).isLeader ? 1 : 0,
  );
  perGroup('synccluster_group_term', 'Raft term', (id) => of(id).core.term);
  perGroup('synccluster_group_commit_index', 'Highest committed index', (id) => of(id).status().commit);
  perGroup('synccluster_group_applied_index', 'Highest applied index', (id) => of(id).applied);

  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  measured('synccluster_event_loop_delay_p99_seconds', 'Event loop delay since the last scrape', () => {
    const p99 = delay.percentile(99) / 1e9;
    delay.reset();
    return Number.isFinite(p99) ? p99 : 0;
  });
  const startedMs = Date.now() - performance.now();
  measured('process_start_time_seconds', 'Start of the process', () => startedMs / 1000);
  measured('process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss());
  counted('process_cpu_seconds_total', 'CPU time of the process', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  return registry;
}
