import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STATEFUL_SETS } from './api/kinds.ts';
import { API_VERSION, SYNC_CLUSTERS, type SyncCluster } from './api/syncCluster.ts';
import { startLocalApiServer } from './kubernetes/localApiServer.ts';
import { configFor, type TestServer } from './kubernetes/testServer.ts';
import { type LocalRuntime, startLocalRuntime } from './local/localRuntime.ts';
import { LEASES } from './runtime/leaderElection.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const DEADLINE = { timeout: 15_000, interval: 50 };

let directory: string;
let runtime: LocalRuntime;
let server: TestServer;
const running: Running[] = [];

interface Running {
  readonly process: ChildProcess;
  readonly exit: Promise<number | null>;
  output: string;
  healthPort(): Promise<number>;
}

function start(args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, ['--conditions=development', MAIN, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const one: Running = {
    process: child,
    exit: once(child, 'exit').then(([code]) => code as number | null),
    output: '',
    healthPort: async () => {
      await expect.poll(() => one.output, DEADLINE).toContain('"healthPort":');
      return Number(/"healthPort":(\d+)/.exec(one.output)?.[1]);
    },
  };
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => (one.output += String(chunk)));
  running.push(one);
  return one;
}

function startOperator(identity: string): Running {
  return start(
    ['--kubeconfig', join(directory, 'kubeconfig'), '--health-host=127.0.0.1', '--health-port=0'],
    {
      POD_NAME: identity,
      SYNCCLUSTER_OPERATOR_LEASE_DURATION_SECONDS: '5',
      SYNCCLUSTER_OPERATOR_NAMESPACES: 'ns',
    },
  );
}

async function text(port: number, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return `${response.status} ${await response.text()}`;
}
async function holder(): Promise<string | undefined> {
  const lease = await runtime.kube.get(LEASES, { namespace: 'default', name: 'synccluster-operator' });
  return lease?.spec?.holderIdentity;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'synccluster-operator-'));
  runtime = await startLocalRuntime({
    dir: join(directory, 'objects'),
    logger: pino({ level: 'silent' }),
    programs: {},
  });
  server = await startLocalApiServer(runtime.store, 10_000);
  writeFileSync(join(directory, 'kubeconfig'), configFor(server.url).exportConfig());
});
afterEach(async () => {
  for (const { process: child, exit } of running.splice(0)) {
    child.kill('SIGKILL');
    await exit;
  }
  await server.close();
  await runtime.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('synccluster-operator', () => {
  it('works as one leader with a ready standby, which takes over at once', { timeout: 60_000 }, async () => {
    const first = startOperator('first');
    await expect.poll(holder, DEADLINE).toBe('first');
    const second = startOperator('second');
    const port = await second.healthPort();
    expect(await text(port, '/livez')).toBe('200 ok\n');
    expect(await text(port, '/readyz')).toBe('200 ok\n');
    expect(await text(port, '/metrics')).toContain('synccluster_operator_leader 0');

    const cluster: SyncCluster = {
      apiVersion: API_VERSION,
      kind: 'SyncCluster',
      metadata: { namespace: 'ns', name: 'db' },
      spec: { members: 3 },
    } as SyncCluster;
    await runtime.kube.create(SYNC_CLUSTERS, cluster);
    await expect
      .poll(
        () => runtime.kube.list(STATEFUL_SETS, { namespace: 'ns' }).then(({ items }) => items.length),
        DEADLINE,
      )
      .toBe(1);
    const status = () =>
      runtime.kube.get(SYNC_CLUSTERS, { namespace: 'ns', name: 'db' }).then((live) => live?.status);
    await expect.poll(status, DEADLINE).toMatchObject({ conditions: expect.any(Array) });
    expect(await text(await first.healthPort(), '/readyz')).toBe('200 ok\n');

    first.process.kill('SIGTERM');
    expect(await first.exit, first.output).toBe(0);
    // Given up in good order: nobody has to wait for it to run out.
    expect(first.output).toContain('gave up leadership');
    await expect.poll(holder, DEADLINE).toBe('second');
    await expect.poll(() => text(port, '/metrics'), DEADLINE).toContain('synccluster_operator_leader 1');
    second.process.kill('SIGTERM');
    expect(await second.exit, second.output).toBe(0);
    expect(`${first.output}${second.output}`).not.toContain('"level":60');
  });

  it('ends when somebody else takes the lease', { timeout: 30_000 }, async () => {
    const first = startOperator('first');
    await expect.poll(holder, DEADLINE).toBe('first');
    await runtime.kube.apply(LEASES, {
      apiVersion: LEASES.apiVersion,
      kind: 'Lease',
      metadata: { namespace: 'default', name: 'synccluster-operator' },
      spec: { holderIdentity: 'thief', leaseDurationSeconds: 60 },
    });
    expect(await first.exit).toBe(1);
    expect(first.output).toContain('leadership is lost: the lease is held by thief');
  });

  it('stands by without a server, and stops when told', { timeout: 30_000 }, async () => {
    await server.close();
    const one = startOperator('first');
    expect(await text(await one.healthPort(), '/readyz')).toBe('200 ok\n');
    await expect.poll(() => one.output, DEADLINE).toContain('the lease cannot be read or written');
    one.process.kill('SIGTERM');
    expect(await one.exit, one.output).toBe(0);
  });

  it('answers --version and --help, and says in one line what is wrong with its configuration', async () => {
    const version = start(['--version']);
    const help = start(['--help']);
    const wrong = start(['--workers=none']);
    const nowhere = start(['--kubeconfig', join(directory, 'absent')]);
    expect(await version.exit).toBe(0);
    expect(version.output).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
    expect(await help.exit).toBe(0);
    expect(help.output).toContain('Usage: synccluster-operator');
    expect(await wrong.exit).toBe(2);
    expect(wrong.output).toMatch(/^synccluster-operator: --workers must be .*\n$/);
    expect(await nowhere.exit).toBe(2);
    expect(nowhere.output).toMatch(/^synccluster-operator: .*absent.*\n$/);
  });
});
