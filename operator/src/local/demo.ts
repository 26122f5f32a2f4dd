#!/usr/bin/env node
import { mkdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readResult, renderTable } from '@synccluster/bench';
import { type Client, connect } from '@synccluster/client';
import { pino } from 'pino';
import { CONFIG_MAPS, PODS } from '../api/kinds.ts';
import { SYNC_BENCHMARKS } from '../api/syncBenchmark.ts';
import { API_VERSION, SYNC_CLUSTERS, type SyncCluster } from '../api/syncCluster.ts';
import { startOperator } from '../runtime/operator.ts';
import { emptyDemoDirectory, whyNotForDemo } from './demoDirectory.ts';
import { DemoWriter, findLosses } from './demoWriter.ts';
import { Ending } from './ending.ts';
import { type LocalRuntime, startLocalRuntime, stopLocalRuntime } from './localRuntime.ts';
import { killStrays } from './podRunner.ts';
import { resultFile, writeResultFiles } from './resultFiles.ts';

const HELP = `The whole story on this machine, in about a minute: a SyncCluster of three members, used through the client,
scaled to five, its leader killed under load, scaled back, and benchmarked into a ConfigMap.

Usage: npm run demo [-- --dir DIR] [--verbose]

  -d, --dir DIR   where objects, volumes, logs and results go: a new or empty directory, or that of
                  an earlier demo, which is emptied (default: .synccluster/demo)
      --verbose   write the operator's log to standard error
  -h, --help      this text

Exit code 0: everything happened as told. Ctrl-C ends all processes.`;

const NAMESPACE = 'default';
const NAME = 'demo';
const QUEUE = 'jobs';
const STEP_MS = 60_000;
const begun = performance.now();

function say(line: string): void {
  const seconds = ((performance.now() - begun) / 1000).toFixed(1).padStart(5);
  process.stdout.write(`${seconds} s  ${line}\n`);
}

/** The steps of the story share what was started. */
class Demo {
  readonly #runtime: LocalRuntime;
  readonly #ending: Ending;
  readonly #dir: string;
  #client: Client | null = null;

  constructor(runtime: LocalRuntime, ending: Ending, dir: string) {
    this.#runtime = runtime;
    this.#ending = ending;
    this.#dir = dir;
  }

  async run(): Promise<void> {
    say('apply a SyncCluster with members: 3');
    await this.#scale(3);
    await this.#use();
    say('set members: 5');
    await this.#scale(5);
    await this.#killLeader();
    say('set members: 3');
    await this.#scale(3);
    await this.#benchmark();
    await this.#client?.close();
    this.#client = null;
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }

  async #scale(members: number): Promise<void> {
    this.#runtime.applyManifest({
      apiVersion: API_VERSION,
      kind: 'SyncCluster',
      metadata: { name: NAME, namespace: NAMESPACE },
      spec: { members, shards: 3, storage: { size: '1Gi', retention: { whenScaled: 'Delete' } } },
    });
    let shown = '';
    const cluster = await this.#until(`${members} ready members`, async () => {
      const now = await this.#runtime.kube.get(SYNC_CLUSTERS, { namespace: NAMESPACE, name: NAME });
      if (now === null) return null;
      const line = progressOf(now);
      if (line !== shown) say(`    ${line}`);
      shown = line;
      return isSettled(now, members) ? now : null;
    });
    const table = cluster.status?.memberStatuses ?? [];
    const voters = table.filter(({ role }) => role === 'Voter' || role === 'Leader').length;
    say(`  ✓ ${voters} voters, all ready; coordination led by ${cluster.status?.leader ?? 'nobody'}`);
  }

  async #use(): Promise<void> {
    const endpoints = this.#runtime
      .endpoints(NAMESPACE, NAME, 'client')
      .map(({ host, port }) => `${host}:${port}`);
    const client = await connect({ endpoints, label: 'demo', requestTimeoutMs: 20_000 });
    this.#client = client;

    const lock = await client.locks.acquire('report');
    const refused = await client.locks.tryAcquire('report');
    const waiting = client.locks.acquire('report', { waitMs: 10_000 });
    await lock.release();
    const next = await waiting;
    await next.release();
    if (refused !== null || next.token <= lock.token) throw new Error('a lock was granted that was held');
    say(
      `  ✓ lock: held, refused to another, passed on when released; fencing tokens ${lock.token} < ${next.token}`,
    );

    await client.queues.declare(QUEUE, { partitions: 3, visibilityMs: 30_000 });
    const queue = client.queue(QUEUE);
    await Promise.all(Array.from({ length: 100 }, (_, n) => queue.enqueue(`job ${n}`)));
    const seen = new Set<string>();
    while (seen.size < 100) {
      const messages = await queue.receive({ max: 50, waitMs: 5_000 });
      if (messages.length === 0) throw new Error(`only ${seen.size} of 100 messages came back`);
      for (const message of messages) seen.add(message.text());
      await Promise.all(messages.map((message) => message.ack()));
    }
    say('  ✓ queue: 100 messages sent, received and acknowledged');

    await client.cache.put('greeting', 'hello', { ttlMs: 60_000 });
    const hit = await client.cache.get('greeting');
    const miss = await client.cache.get('nothing');
    if (hit === null || Buffer.from(hit.value).toString() !== 'hello' || miss !== null) {
      throw new Error('the cache did not give back what was put');
    }
    say('  ✓ cache: put, a hit, a miss');
  }

  async #killLeader(): Promise<void> {
    const client = this.#client!;
    const cluster = await this.#runtime.kube.get(SYNC_CLUSTERS, { namespace: NAMESPACE, name: NAME });
    const leader = cluster?.status?.leader;
    if (leader === undefined) throw new Error('nobody leads');
    const writer = new DemoWriter(client, QUEUE);
    try {
      const until = (what: string, holds: () => boolean): Promise<boolean> =>
        this.#until(what, async () => {
          writer.throwIfFailed();
          return holds() ? true : null;
        });
      const written = (): number => writer.messages.size + writer.entries.size;
      await until('writes', () => written() > 200 && writer.tokens.length > 20);
      writer.longestGapMs = 0;
      const locks = writer.tokens.length;
      say(`kill -9 ${leader}, which leads coordination, while six writers run`);
      if (!this.#runtime.killPod(NAMESPACE, leader, 'SIGKILL')) throw new Error(`${leader} does not run`);
      await until('locks to be granted again', () => writer.tokens.length > locks + 20);
      say(`  ✓ writes go on; longest gap ${Math.round(writer.longestGapMs)} ms`);
      await this.#until(`${leader} to be back`, async () => {
        writer.throwIfFailed();
        const pod = await this.#runtime.kube.get(PODS, { namespace: NAMESPACE, name: leader });
        const container = pod?.status?.containerStatuses?.[0];
        if (container?.ready !== true || container.restartCount === 0) return null;
        const now = await this.#runtime.kube.get(SYNC_CLUSTERS, { namespace: NAMESPACE, name: NAME });
        return now !== null && isSettled(now, 5) ? true : null;
      });
      say(`  ✓ ${leader} is back as a voter`);
    } finally {
      await writer.stop();
    }
    writer.throwIfFailed();
    const losses = await findLosses(client, QUEUE, writer);
    if (losses.length > 0) throw new Error(`lost although acknowledged: ${losses.slice(0, 5).join(', ')}`);
    say(
      `  ✓ nothing lost: ${writer.messages.size} messages, ${writer.entries.size} cache entries, ${writer.tokens.length} locks with rising tokens`,
    );
  }

  async #benchmark(): Promise<void> {
    const name = `${NAME}-light`;
    say('apply a SyncBenchmark with preset Light: three runs, members and load on this machine');
    this.#runtime.applyManifest({
      apiVersion: API_VERSION,
      kind: 'SyncBenchmark',
      metadata: { name, namespace: NAMESPACE },
      spec: { clusterRef: { name: NAME }, preset: 'Light', scenarios: ['Lock', 'Queue', 'Cache'], runs: 3 },
    });
    let shown = '';
    await this.#until('the benchmark', async () => {
      const now = await this.#runtime.kube.get(SYNC_BENCHMARKS, { namespace: NAMESPACE, name });
      const complete = now?.status?.conditions?.find((condition) => condition.type === 'Complete');
      if (complete === undefined) return null;
      if (complete.reason !== shown) say(`    ${complete.reason}: ${complete.message}`);
      shown = complete.reason;
      if (complete.status !== 'True') return null;
      if (complete.reason !== 'Succeeded') throw new Error(complete.message);
      return true;
    });
    const configMap = await this.#runtime.kube.get(CONFIG_MAPS, {
      namespace: NAMESPACE,
      name: `${name}-results`,
    });
    if (configMap === null) throw new Error(`ConfigMap ${name}-results is missing`);
    const json = resultFile(configMap, 'results.json');
    if (json === null) throw new Error('the results have no results.json');
    const result = readResult(JSON.parse(json));
    writeResultFiles(configMap, this.#dir);
    const report = join(this.#dir, 'report.html');
    process.stdout.write(`\n${renderTable(result)}\n\n`);
    const shownPath = (path: string): string => relative(process.cwd(), path);
    say(
      `  ✓ ConfigMap ${shownPath(join(this.#runtime.directory, 'objects', 'configmaps', NAMESPACE, `${name}-results.yaml`))}`,
    );
    say(`  ✓ report    ${shownPath(report)}`);
  }

  /** Polls what people would look at; ends at Ctrl-C and after a minute, saying what was waited for. */
  async #until<T>(what: string, attempt: () => Promise<T | null>): Promise<T> {
    const deadline = performance.now() + STEP_MS;
    for (;;) {
      this.#ending.signal.throwIfAborted();
      const value = await attempt();
      if (value !== null) return value;
      if (performance.now() > deadline) throw new Error(`waited ${STEP_MS / 1000} s in vain for ${what}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

function condition(cluster: SyncCluster, type: string): { status: string; reason: string } | undefined {
  return cluster.status?.conditions?.find((one) => one.type === type);
}

function progressOf(cluster: SyncCluster): string {
  const { status } = cluster;
  const reasons = ['Available', 'Progressing']
    .map((type) => condition(cluster, type))
    .map((one) => one?.reason ?? 'Unknown');
  return `${status?.readyReplicas ?? 0} of ${status?.replicas ?? 0} pods ready; ${reasons.join(', ')}`;
}

function isSettled(cluster: SyncCluster, members: number): boolean {
  return (
    cluster.status?.observedGeneration === cluster.metadata.generation &&
    condition(cluster, 'Available')?.status === 'True' &&
    condition(cluster, 'Progressing')?.status === 'False' &&
    cluster.status?.readyReplicas === members &&
    cluster.status?.replicas === members
  );
}

function readOptions(): { dir: string; verbose: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        dir: { type: 'string', short: 'd', default: '.synccluster/demo' },
        verbose: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(`${HELP}\n`);
      process.exit(0);
    }
    return values;
  } catch (error) {
    process.stderr.write(
      `${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}\n`,
    );
    process.exit(2);
  }
}

async function main(): Promise<number> {
  const options = readOptions();
  const dir = resolve(options.dir);
  const objection = whyNotForDemo(dir);
  if (objection !== null) {
    process.stderr.write(`${objection}\n`);
    return 2;
  }
  const ending = new Ending({ dir, tell: say, podsAtCrash: 'end' });
  let code = 0;
  try {
    // An earlier demo that was killed may have left its members running.
    await stopLocalRuntime(dir);
    emptyDemoDirectory(dir);
    mkdirSync(join(dir, 'logs'), { recursive: true });
    const log = pino.destination({
      dest: options.verbose ? 2 : join(dir, 'logs', 'operator.log'),
      sync: true,
    });
    // A log that nobody can take is no reason to end.
    log.on('error', () => undefined);
    const logger = pino({ level: 'info' }, log);
    const runtime = await startLocalRuntime({ dir, logger });
    ending.last(() => runtime.stop());
    const operator = await startOperator({ kube: runtime.kube, namespaces: [], logger, health: null });
    ending.last(() => operator.stop());
    const demo = new Demo(runtime, ending, dir);
    ending.last(() => demo.close());
    await Promise.race([demo.run(), ending.asked.then(() => Promise.reject(new Error('interrupted')))]);
  } catch (error) {
    code = ending.signal.aborted ? 130 : 1;
    say(`  ✗ ${error instanceof Error ? error.message : String(error)}`);
    if (code === 1) say(`    logs: ${relative(process.cwd(), join(dir, 'logs'))}`);
  }
  try {
    await ending.finish();
  } finally {
    killStrays(dir, new Set());
  }
  say(code === 0 ? 'done: all processes ended' : 'all processes ended');
  return code;
}

process.exit(await main());
