import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { API_VERSION } from '../api/syncCluster.ts';
import { announceAddresses, announceResults } from './announcements.ts';
import { CONFIG_MAPS, PODS, SERVICES } from './kinds.ts';
import { type LocalRuntime, startLocalRuntime } from './localRuntime.ts';

let dir: string;
let runtime: LocalRuntime;
let told: string[];
let problems: string[];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'synccluster-announcements-'));
  const program = join(dir, 'member.mjs');
  writeFileSync(program, 'setInterval(() => {}, 1000)');
  runtime = await startLocalRuntime({
    dir,
    logger: pino({ level: 'silent' }),
    programs: { member: [program] },
  });
  told = [];
  problems = [];
});
afterEach(async () => {
  await runtime.stop(0);
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});
function setCondition(kindName: string, name: string, type: string, more: object = {}): void {
  const kind = runtime.store.kinds.ofKind(API_VERSION, kindName);
  const object = kind === undefined ? null : runtime.store.get(kind, { namespace: 'default', name });
  if (kind === undefined || object === null) throw new Error(`no ${kindName} ${name}`);
  const condition = {
    type,
    status: 'True',
    reason: 'X',
    message: '',
    observedGeneration: 1,
    lastTransitionTime: '2030-01-01T00:00:00Z',
  };
  runtime.store.updateStatus(kind, { ...object, status: { conditions: [condition], ...more } }, 'test');
}

describe('people are told', () => {
  it('where clients find a cluster, once, when it is available and a member is ready', async () => {
    announceAddresses(runtime, (line) => told.push(line));
    runtime.applyManifest({
      apiVersion: API_VERSION,
      kind: 'SyncCluster',
      metadata: { name: 'demo' },
      spec: { members: 1 },
    });
    runtime.store.create(
      SERVICES,
      {
        metadata: { name: 'demo', namespace: 'default' },
        spec: {
          selector: { app: 'demo' },
          ports: [
            { name: 'client', port: 7400, targetPort: 7400 },
            { name: 'http', port: 7402, targetPort: 7402 },
          ],
        },
      },
      'test',
    );
    setCondition('SyncCluster', 'demo', 'Available');
    const ports = await runtime.clientPorts('default', 'demo');
    expect(told).toEqual([]);
    const metadata = { name: 'demo-0', namespace: 'default', labels: { app: 'demo' } };
    const spec = { containers: [{ name: 'member', image: 'x:1', command: ['member'] }] };
    runtime.store.create(PODS, { metadata, spec }, 'test');
    await expect
      .poll(() => told)
      .toEqual([`demo: clients 127.0.0.1:${ports?.client}, http://127.0.0.1:${ports?.http}/docs`]);
  });

  it('where the results of a benchmark are, which are written as files too', () => {
    announceResults(runtime, { info: (line) => told.push(line), problem: (line) => problems.push(line) });
    const metadata = { name: 'light', namespace: 'default' };
    runtime.applyManifest({
      apiVersion: API_VERSION,
      kind: 'SyncBenchmark',
      metadata,
      spec: { clusterRef: { name: 'demo' } },
    });
    runtime.store.create(
      CONFIG_MAPS,
      {
        metadata: { name: 'light-results', namespace: 'default' },
        data: { 'summary.md': 'short' },
        binaryData: { 'report.html.gz': gzipSync('<p>long').toString('base64') },
      },
      'test',
    );
    setCondition('SyncBenchmark', 'light', 'Complete', { resultsConfigMap: 'light-results' });
    expect(problems).toEqual([]);
    expect(told).toEqual([
      `light: results in ConfigMap light-results (${join(dir, 'objects/configmaps/default/light-results.yaml')})`,
      `light: report ${join(dir, 'results/light/report.html')}`,
    ]);
    expect(readFileSync(join(dir, 'results/light/report.html'), 'utf8')).toBe('<p>long');
    expect(readFileSync(join(dir, 'results/light/summary.md'), 'utf8')).toBe('short');
    setCondition('SyncBenchmark', 'light', 'Complete', { resultsConfigMap: 'light-results', headline: 'x' });
    expect(told).toHaveLength(2);
  });
});
