import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, type JsonObject, listAt, numberAt, stringAt } from './json.ts';
import { CLAIMS, CONFIG_MAPS, EVENTS, JOBS, PODS, STATEFUL_SETS } from './kinds.ts';
import {
  type LocalRuntime,
  type LocalRuntimeOptions,
  startLocalRuntime,
  stopLocalRuntime,
} from './localRuntime.ts';
import type { StoredObject } from './objects.ts';
import { podIsReady } from './podState.ts';
import { processIdentity, sendSignal } from './processIdentity.ts';

const PORT = 7404;
/** Writes what it was given, serves `/`, and answers 503 while the file `unready` is in its volume. */
const SERVER = `
import { createServer } from 'node:http';
import { existsSync, writeFileSync } from 'node:fs';
const dir = process.env.DATA ?? '.';
writeFileSync(dir + '/seen.json', JSON.stringify({ env: process.env, argv: process.argv.slice(2) }));
createServer((_, response) => { response.statusCode = existsSync(dir + '/unready') ? 503 : 200; response.end(); })
  .listen(Number(process.argv.at(-1)) || ${PORT}, process.env.SYNCCLUSTER_HOST);
if (process.env.STUBBORN !== undefined) process.on('SIGTERM', () => {});
`;

let dir: string;
let runtimes: LocalRuntime[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'synccluster-local-'));
  runtimes = [];
});
afterEach(async () => {
  for (const runtime of runtimes) await runtime.stop(0);
  await stopLocalRuntime(dir);
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

function script(name: string, source: string): readonly string[] {
  const path = join(dir, `${name}.mjs`);
  writeFileSync(path, source);
  return [path];
}
async function start(options: Partial<LocalRuntimeOptions> = {}): Promise<LocalRuntime> {
  const runtime = await startLocalRuntime({
    dir: join(dir, 'runtime'),
    logger: pino({ level: 'silent' }),
    programs: { server: script('server', SERVER), quits: script('quits', 'process.exit(3)') },
    timings: { backoffMs: 20, maxBackoffMs: 100, eagerProbeMs: 20, retryMs: 50 },
    nameDelayMs: 30,
    ...options,
  });
  runtimes.push(runtime);
  return runtime;
}
async function until<T>(what: string, check: () => T | null | undefined | false): Promise<T> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const value = check();
    if (value !== null && value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`waited too long for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
function service(name: string, headless: boolean): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'ns' },
    spec: {
      selector: { app: 'db' },
      ports: [{ name: 'health', port: PORT, targetPort: 'health' }],
      ...(headless ? { clusterIP: 'None', publishNotReadyAddresses: true } : {}),
    },
  };
}
function container(command: string[], more: JsonObject = {}): JsonObject {
  return { name: 'main', image: 'x:1', command, ports: [{ name: 'health', containerPort: PORT }], ...more };
}
const READINESS = {
  readinessProbe: { httpGet: { path: '/', port: 'health' }, periodSeconds: 0.05, failureThreshold: 1 },
};
function statefulSet(replicas: number, main: JsonObject, pod: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace: 'ns' },
    spec: {
      replicas,
      serviceName: 'peers',
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      selector: { matchLabels: { app: 'db' } },
      template: {
        metadata: { labels: { app: 'db' } },
        spec: { terminationGracePeriodSeconds: 5, containers: [main], ...pod },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  };
}
const DATA = {
  volumeMounts: [{ name: 'data', mountPath: '/data' }],
  env: [{ name: 'DATA', value: '/data' }],
};
const serverSet = (replicas: number, more: JsonObject = {}): JsonObject =>
  statefulSet(replicas, container(['server'], { ...DATA, ...READINESS, ...more }));

const pod = (runtime: LocalRuntime, name: string): StoredObject | null =>
  runtime.store.get(PODS, { namespace: 'ns', name });
const readyPod = (runtime: LocalRuntime, name: string) => (): StoredObject | false => {
  const found = pod(runtime, name);
  return found !== null && podIsReady(found) && found;
};
const restarts = (object: StoredObject | null): number =>
  numberAt(listAt(object ?? {}, 'status', 'containerStatuses')[0], 'restartCount') ?? 0;
const volume = (claim: string): string => join(dir, 'runtime', 'volumes', 'ns', claim);

describe('a StatefulSet', () => {
  it('gets its pods, their claims, ready by their probes, and a status', async () => {
    const runtime = await start();
    runtime.applyManifest(serverSet(3));
    const set = await until('three ready replicas', () => {
      const found = runtime.store.get(STATEFUL_SETS, { namespace: 'ns', name: 'db' });
      return numberAt(found ?? {}, 'status', 'readyReplicas') === 3 && found;
    });
    expect(at(set, 'status', 'observedGeneration')).toBe(1);
    expect(at(set, 'status', 'currentRevision')).toBe(at(set, 'status', 'updateRevision'));
    const hosts = ['db-0', 'db-1', 'db-2'].map((name) =>
      stringAt(pod(runtime, name) ?? {}, 'status', 'podIP'),
    );
    expect(new Set(hosts).size).toBe(3);
    const claim = runtime.store.get(CLAIMS, { namespace: 'ns', name: 'data-db-1' });
    expect(at(claim ?? {}, 'status', 'phase')).toBe('Bound');
  });

  it('gives programs their environment, with folders in place of mount paths', async () => {
    const runtime = await start();
    const env = [
      { name: 'DATA', value: '/data' },
      { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'BOTH', value: '$(NAME)@$(IP) $$(NAME)' },
      { name: 'NOT_A_MOUNT', value: '/database' },
    ];
    const volumes = [{ name: 'config', configMap: { name: 'settings' } }];
    const mounts = [...DATA.volumeMounts, { name: 'config', mountPath: '/etc/app' }];
    const main = container(['server'], {
      ...READINESS,
      env,
      volumeMounts: mounts,
      args: ['--file=/etc/app/a.conf'],
    });
    runtime.applyManifest(statefulSet(1, main, { volumes }));
    await until('the pod to wait for its ConfigMap', () =>
      stringAt(
        listAt(pod(runtime, 'db-0') ?? {}, 'status', 'containerStatuses')[0],
        'state',
        'waiting',
        'message',
      )?.includes('settings'),
    );
    runtime.applyManifest({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'settings', namespace: 'ns' },
      data: { 'a.conf': 'x' },
    });
    const ready = await until('readiness', readyPod(runtime, 'db-0'));
    const seen = JSON.parse(readFileSync(join(volume('data-db-0'), 'seen.json'), 'utf8'));
    const host = stringAt(ready, 'status', 'podIP');
    expect(seen.env).toMatchObject({
      NAME: 'db-0',
      HOSTNAME: 'db-0',
      IP: host,
      SYNCCLUSTER_HOST: host,
      DATA: volume('data-db-0'),
    });
    expect(seen.env.BOTH).toBe(`db-0@${host} $(NAME)`);
    expect(seen.env.NOT_A_MOUNT).toBe('/database');
    const file = seen.argv[0].slice('--file='.length);
    expect(readFileSync(file, 'utf8')).toBe('x');
    runtime.applyManifest({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'settings', namespace: 'ns' },
      data: { 'a.conf': 'y' },
    });
    await until('the file to follow the ConfigMap', () => readFileSync(file, 'utf8') === 'y');
  });

  it('restarts a killed program under a new address, whose name follows late', async () => {
    const runtime = await start({ nameDelayMs: 400 });
    runtime.applyManifest(service('peers', true));
    runtime.applyManifest(service('db', false));
    runtime.applyManifest(serverSet(1));
    await until('readiness', readyPod(runtime, 'db-0'));
    const before = runtime.podAddress('ns', 'db-0');
    const hosts = (): string => readFileSync(join(dir, 'runtime', 'hosts'), 'utf8');
    await until(
      'both names',
      () => hosts().includes(`${before} db-0.peers.ns.svc\n`) && hosts().includes(`${before} db.ns.svc\n`),
    );
    expect(runtime.endpoints('ns', 'db')).toEqual([{ pod: 'db-0', host: before, port: PORT }]);
    expect(runtime.killPod('ns', 'db-0', 'SIGKILL')).toBe(true);
    const after = await until('a new address', () => {
      const host = runtime.podAddress('ns', 'db-0');
      return host !== before && host;
    });
    expect(hosts()).toContain(`${before} db-0.peers.ns.svc\n`);
    await until('the name to follow', () => hosts().includes(`${after} db-0.peers.ns.svc\n`));
    await until('readiness again', readyPod(runtime, 'db-0'));
    expect(restarts(pod(runtime, 'db-0'))).toBe(1);
  });

  it('waits longer and longer before it restarts a program that keeps ending', async () => {
    const runtime = await start();
    runtime.applyManifest(statefulSet(1, container(['quits'])));
    const crashing = await until('CrashLoopBackOff', () => {
      const found = pod(runtime, 'db-0');
      const reason = stringAt(
        listAt(found ?? {}, 'status', 'containerStatuses')[0],
        'state',
        'waiting',
        'reason',
      );
      return reason === 'CrashLoopBackOff' && restarts(found) >= 3 && found;
    });
    expect(
      at(listAt(crashing, 'status', 'containerStatuses')[0], 'lastState', 'terminated', 'exitCode'),
    ).toBe(3);
    expect(podIsReady(crashing)).toBe(false);
    const backoff = runtime.store
      .list(EVENTS, { namespace: 'ns' })
      .filter((event) => event['reason'] === 'BackOff');
    expect(backoff).toHaveLength(1);
    expect(numberAt(backoff[0], 'series', 'count')).toBeGreaterThanOrEqual(2);
  });

  it('becomes unready when its probe fails, and ready again', async () => {
    const runtime = await start();
    runtime.applyManifest(serverSet(1));
    await until('readiness', readyPod(runtime, 'db-0'));
    writeFileSync(join(volume('data-db-0'), 'unready'), '');
    await until('unreadiness', () => !readyPod(runtime, 'db-0')());
    rmSync(join(volume('data-db-0'), 'unready'));
    await until('readiness again', readyPod(runtime, 'db-0'));
    expect(restarts(pod(runtime, 'db-0'))).toBe(0);
  });

  it('restarts a program whose liveness probe fails', async () => {
    const runtime = await start();
    const livenessProbe = { ...READINESS.readinessProbe, failureThreshold: 2 };
    // Without it, a program would have to answer within two periods of its start.
    const startupProbe = { ...livenessProbe, failureThreshold: 200 };
    runtime.applyManifest(serverSet(1, { livenessProbe, startupProbe }));
    await until('readiness', readyPod(runtime, 'db-0'));
    writeFileSync(join(volume('data-db-0'), 'unready'), '');
    await until('a restart', () => restarts(pod(runtime, 'db-0')) > 0);
    rmSync(join(volume('data-db-0'), 'unready'));
    await until('readiness again', readyPod(runtime, 'db-0'));
  });

  it('keeps the claim when it is scaled down, and removes the folder with the claim', async () => {
    const runtime = await start();
    runtime.applyManifest(serverSet(2));
    await until('both ready', () => readyPod(runtime, 'db-0')() && readyPod(runtime, 'db-1')());
    const pid = runtime.podPid('ns', 'db-1') ?? 0;
    runtime.store.delete(CLAIMS, { namespace: 'ns', name: 'data-db-1' });
    expect(runtime.store.get(CLAIMS, { namespace: 'ns', name: 'data-db-1' }), 'in use').not.toBeNull();
    await runtime.kube.scale({ ...STATEFUL_SETS }, { namespace: 'ns', name: 'db' }, 1, {});
    await until('the pod to go', () => pod(runtime, 'db-1') === null);
    expect(processIdentity(pid)).toBeNull();
    await until(
      'the claim that was to be deleted to go',
      () => runtime.store.get(CLAIMS, { namespace: 'ns', name: 'data-db-1' }) === null,
    );
    expect(existsSync(volume('data-db-1'))).toBe(false);
    await runtime.kube.scale({ ...STATEFUL_SETS }, { namespace: 'ns', name: 'db' }, 0, {});
    await until('the other pod to go', () => pod(runtime, 'db-0') === null);
    expect(existsSync(join(volume('data-db-0'), 'seen.json'))).toBe(true);
    expect(runtime.store.get(CLAIMS, { namespace: 'ns', name: 'data-db-0' })).not.toBeNull();
  });

  it('kills a program that ignores SIGTERM when its grace period is over', async () => {
    const runtime = await start();
    const main = container(['server'], {
      ...READINESS,
      volumeMounts: DATA.volumeMounts,
      env: [...DATA.env, { name: 'STUBBORN', value: '1' }],
    });
    runtime.applyManifest(statefulSet(1, main, { terminationGracePeriodSeconds: 1 }));
    const first = await until('readiness', readyPod(runtime, 'db-0'));
    const pid = runtime.podPid('ns', 'db-0') ?? 0;
    runtime.store.delete(PODS, { namespace: 'ns', name: 'db-0' });
    expect(pod(runtime, 'db-0')?.metadata['deletionTimestamp']).toBeDefined();
    await until('another pod of that name', () => {
      const found = pod(runtime, 'db-0');
      if (found?.metadata.uid === first.metadata.uid) return false;
      expect(processIdentity(pid), 'the name is free only when the process has ended').toBeNull();
      return found !== null;
    });
  });

  it('runs on ports of 127.0.0.1 where there is one loopback address, under the addresses of its pods', async () => {
    const asks = script(
      'asks',
      `for (;;) {
         const answer = await fetch('http://db-0.peers.ns.svc:${PORT}/').catch(() => null);
         if (answer?.status === 200) process.exit(0);
         await new Promise((resolve) => setTimeout(resolve, 20));
       }`,
    );
    const runtime = await start({
      singleAddress: true,
      programs: { server: script('server', SERVER), asks },
    });
    runtime.applyManifest(service('peers', true));
    runtime.applyManifest(serverSet(2));
    await until('both ready', () => readyPod(runtime, 'db-0')() && readyPod(runtime, 'db-1')());
    const host = runtime.podAddress('ns', 'db-0');
    const line = readFileSync(join(dir, 'runtime', 'ports'), 'utf8')
      .split('\n')
      .find((text) => text.startsWith(`${host} ${PORT} `));
    const real = Number(line?.split(' ')[2]);
    const taken = await new Promise((resolve) => {
      createServer()
        .once('error', () => resolve(true))
        .listen(real, '127.0.0.1', function (this: { close(): void }) {
          this.close();
          resolve(false);
        });
    });
    expect(taken, 'the pod listens on the real port').toBe(true);
    expect((await fetch(`http://${host}:${PORT}/`)).status).toBe(200);
    await expect(fetch(`http://127.200.1.1:${PORT}/`)).rejects.toMatchObject({
      cause: { code: 'ECONNREFUSED' },
    });
    runtime.applyManifest({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'asks', namespace: 'ns' },
      spec: {
        template: { metadata: {}, spec: { restartPolicy: 'Never', containers: [container(['asks'])] } },
      },
    });
    await until('a pod to reach another by name', () =>
      numberAt(runtime.store.get(JOBS, { namespace: 'ns', name: 'asks' }) ?? {}, 'status', 'succeeded'),
    );
  });
});

describe('a Job', () => {
  const job = (name: string, command: string[], more: JsonObject = {}): JsonObject => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: 'ns' },
    spec: {
      backoffLimit: 0,
      ...more,
      template: {
        metadata: {},
        spec: { restartPolicy: 'Never', serviceAccountName: 'writer', containers: [container(command)] },
      },
    },
  });
  const ended = (runtime: LocalRuntime, name: string) => () =>
    listAt(runtime.store.get(JOBS, { namespace: 'ns', name }) ?? {}, 'status', 'conditions').find(
      (condition) => ['Complete', 'Failed'].includes(stringAt(condition, 'type') ?? ''),
    );
  const programs = (): Record<string, readonly string[]> => ({
    ok: script('ok', ''),
    quits: script('quits', 'process.exit(3)'),
    waits: script('waits', 'setInterval(() => {}, 1000)'),
  });

  it('is complete when its pods succeed, one for each index', async () => {
    const runtime = await start({ programs: programs() });
    runtime.applyManifest(job('j', ['ok'], { completions: 3, parallelism: 2, completionMode: 'Indexed' }));
    expect(await until('its end', ended(runtime, 'j'))).toMatchObject({ type: 'Complete', status: 'True' });
    expect(
      at(runtime.store.get(JOBS, { namespace: 'ns', name: 'j' }) ?? {}, 'status', 'completedIndexes'),
    ).toBe('0,1,2');
  });

  it('fails at the first failure with a back-off limit of 0', async () => {
    const runtime = await start({ programs: programs() });
    runtime.applyManifest(job('j', ['quits']));
    expect(await until('its end', ended(runtime, 'j'))).toMatchObject({
      type: 'Failed',
      reason: 'BackoffLimitExceeded',
    });
    expect(runtime.store.list(PODS)).toHaveLength(1);
  });

  it('leaves the end of the log of a failed container that asks for it, as a kubelet does', async () => {
    const speaks = {
      speaks: script('speaks', `console.log('first'); console.error('no way'); process.exit(1)`),
    };
    const runtime = await start({ programs: speaks });
    const manifest = job('j', ['speaks']);
    const failing = at(manifest, 'spec', 'template', 'spec', 'containers') as JsonObject[];
    for (const one of failing) one['terminationMessagePolicy'] = 'FallbackToLogsOnError';
    runtime.applyManifest(manifest);
    await until('its end', ended(runtime, 'j'));
    const status = listAt(runtime.store.list(PODS)[0] ?? {}, 'status', 'containerStatuses')[0];
    expect(stringAt(status, 'state', 'terminated', 'message')).toBe('first\nno way\n');
  });

  it('fails when its deadline passes, and leaves no process', async () => {
    const runtime = await start({ programs: programs() });
    runtime.applyManifest(job('j', ['waits'], { activeDeadlineSeconds: 1 }));
    const pid = await until('its process', () => {
      const running = runtime.store.list(PODS)[0];
      return running !== undefined && runtime.podPid('ns', running.metadata.name);
    });
    expect(await until('its end', ended(runtime, 'j'))).toMatchObject({
      type: 'Failed',
      reason: 'DeadlineExceeded',
    });
    expect(processIdentity(pid)).toBeNull();
  });

  it('may write the one ConfigMap its Role names, and no other', async () => {
    const runtime = await start({
      programs: {
        writes: script(
          'writes',
          `const put = (name, token) => fetch(process.env.SYNCCLUSTER_LOCAL_API + '/api/v1/namespaces/ns/configmaps/' + name, {
             method: 'PUT', headers: { authorization: 'Bearer ' + token },
             body: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { 'summary.md': 'fast' } }) });
           const token = process.env.SYNCCLUSTER_LOCAL_TOKEN;
           const codes = [];
           for (const [name, by] of [['r', token], ['other', token], ['r', token + 'x']]) codes.push((await put(name, by)).status);
           process.exit(codes.join() === '200,403,403' ? 0 : 1);`,
        ),
      },
    });
    const metadata = { name: 'writer', namespace: 'ns' };
    const group = 'rbac.authorization.k8s.io';
    runtime.applyManifest({
      apiVersion: `${group}/v1`,
      kind: 'Role',
      metadata,
      rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: ['r'], verbs: ['patch'] }],
    });
    runtime.applyManifest({
      apiVersion: `${group}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: group, kind: 'Role', name: 'writer' },
      subjects: [{ kind: 'ServiceAccount', name: 'writer', namespace: 'ns' }],
    });
    runtime.applyManifest({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'r', namespace: 'ns', labels: { of: 'job' } },
    });
    runtime.applyManifest(job('j', ['writes']));
    expect(await until('its end', ended(runtime, 'j'))).toMatchObject({ type: 'Complete' });
    const results = runtime.store.get(CONFIG_MAPS, { namespace: 'ns', name: 'r' });
    expect(results?.['data']).toEqual({ 'summary.md': 'fast' });
    expect(results?.metadata['labels']).toEqual({ of: 'job' });
  });

  it('is told the true exit code of a program that ended while no runtime was there', async () => {
    const late = {
      late: script(
        'late',
        "import { existsSync } from 'node:fs'; setInterval(() => { if (existsSync(process.env.GO)) process.exit(0); }, 5)",
      ),
    };
    const first = await start({ programs: late });
    const manifest = job('j', ['late']);
    const spec = at(manifest, 'spec', 'template', 'spec') as JsonObject;
    spec['containers'] = [container(['late'], { env: [{ name: 'GO', value: join(dir, 'go') }] })];
    first.applyManifest(manifest);
    const pid = await until('its process', () => {
      const running = first.store.list(PODS)[0];
      return running !== undefined && first.podPid('ns', running.metadata.name);
    });
    await first.abandon();
    writeFileSync(join(dir, 'go'), '');
    await until('its end', () => processIdentity(pid) === null);
    const second = await start({ programs: late });
    expect(await until('the Job to know', ended(second, 'j'))).toMatchObject({ type: 'Complete' });
  });
});

describe('a runtime', () => {
  it('takes over the pods of one that was let go, and restarts what died meanwhile', async () => {
    const first = await start();
    first.applyManifest(serverSet(2));
    await until('both ready', () => readyPod(first, 'db-0')() && readyPod(first, 'db-1')());
    const [pid0, pid1] = [first.podPid('ns', 'db-0') ?? 0, first.podPid('ns', 'db-1') ?? 0];
    const host0 = first.podAddress('ns', 'db-0');
    const version = Number(first.store.resourceVersion);
    await first.abandon();
    sendSignal(pid1, 'SIGKILL');
    await until('its end', () => processIdentity(pid1) === null);
    const second = await start();
    expect(readyPod(second, 'db-0')(), 'ready all the while').not.toBe(false);
    expect(Number(second.store.resourceVersion)).toBeGreaterThanOrEqual(version);
    await until('a new process', () => second.podPid('ns', 'db-1'));
    expect(second.podPid('ns', 'db-0')).toBe(pid0);
    expect(second.podAddress('ns', 'db-0')).toBe(host0);
    expect(restarts(pod(second, 'db-0'))).toBe(0);
    await until('both ready', () => readyPod(second, 'db-0')() && readyPod(second, 'db-1')());
    expect(restarts(pod(second, 'db-1'))).toBe(1);
    expect(second.killPod('ns', 'db-0', 'SIGKILL')).toBe(true);
    await until('the adopted pod to be restarted', () => restarts(pod(second, 'db-0')) === 1);
  });

  it('leaves pods running when it is killed, and they can be stopped without it', async () => {
    const own = join(dir, 'runtime');
    const program = script('server', SERVER);
    writeFileSync(
      join(dir, 'owner.ts'),
      `const { startLocalRuntime } = await import(${JSON.stringify(join(import.meta.dirname, 'localRuntime.ts'))});
       const logger = { debug() {}, info() {}, warn() {}, error() {} };
       const runtime = await startLocalRuntime({ dir: ${JSON.stringify(own)}, logger, customResourceDefinitions: [], programs: { server: ${JSON.stringify(program)} } });
       runtime.applyManifest(${JSON.stringify(serverSet(2))});
       setInterval(() => { const pids = ['db-0', 'db-1'].map((name) => runtime.podPid('ns', name)); if (pids.every((pid) => pid !== null)) console.log(pids.join()); }, 20);`,
    );
    const owner = spawn(process.execPath, [join(dir, 'owner.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const pids = await new Promise<number[]>((resolve, reject) => {
        owner.stdout.once('data', (chunk: Buffer) =>
          resolve(chunk.toString().split('\n')[0]?.split(',').map(Number) ?? []),
        );
        owner.once('exit', (code) => reject(new Error(`ended early with ${code}`)));
      });
      await expect(startLocalRuntime({ dir: own, logger: pino({ level: 'silent' }) })).rejects.toThrow(
        /in use by the process/,
      );
      const gone = new Promise((resolve) => owner.once('exit', resolve));
      owner.kill('SIGKILL');
      await gone;
      expect(pids.map(processIdentity)).not.toContain(null);
      expect(await stopLocalRuntime(own)).toBe(2);
      await until('none to be left', () => pids.every((pid) => processIdentity(pid) === null));
    } finally {
      owner.kill('SIGKILL');
    }
  });

  it('leaves nothing running when it is stopped, not even what a pod started itself', async () => {
    const family = `
      import { spawn } from 'node:child_process';
      import { writeFileSync } from 'node:fs';
      const child = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'], { stdio: 'ignore' });
      writeFileSync(process.env.DATA + '/child', String(child.pid));
      setInterval(() => {}, 1000);`;
    const runtime = await start({ programs: { family: script('family', family) } });
    runtime.applyManifest(statefulSet(1, container(['family'], DATA)));
    const file = join(volume('data-db-0'), 'child');
    const child = await until('the child', () => existsSync(file) && Number(readFileSync(file, 'utf8')));
    const pid = runtime.podPid('ns', 'db-0') ?? 0;
    await runtime.stop();
    expect(processIdentity(pid)).toBeNull();
    await until('the child to end', () => processIdentity(child) === null);
  });

  it('goes on with a damaged object file set aside', async () => {
    const first = await start();
    first.applyManifest({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'good', namespace: 'ns' },
      data: { x: '1' },
    });
    first.applyManifest({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'bad', namespace: 'ns' },
      data: { x: '1' },
    });
    await first.stop();
    const path = join(dir, 'runtime', 'objects', 'configmaps', 'ns', 'bad.yaml');
    writeFileSync(path, '{ half');
    const second = await start();
    expect(second.store.get(CONFIG_MAPS, { namespace: 'ns', name: 'good' })?.['data']).toEqual({ x: '1' });
    expect(second.store.get(CONFIG_MAPS, { namespace: 'ns', name: 'bad' })).toBeNull();
    expect(existsSync(`${path}.damaged`)).toBe(true);
  });

  it('starts even though somebody took the port of its door', async () => {
    const first = await start();
    await first.stop();
    const { port } = JSON.parse(readFileSync(join(dir, 'runtime', 'door.json'), 'utf8'));
    const squatter = createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    await start();
    await new Promise((resolve) => squatter.close(resolve));
  });
});
