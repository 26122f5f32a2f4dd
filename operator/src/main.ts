#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { Gauge } from 'prom-client';
import { ConfigError, helpText, loadConfig, type OperatorConfig } from './config.ts';
import type { Kubernetes } from './kubernetes/index.ts';
import { systemClock } from './runtime/clock.ts';
import { startHealth } from './runtime/health.ts';
import { LeaderElection } from './runtime/leaderElection.ts';
import { createMetrics } from './runtime/metrics.ts';
import { type Operator, startOperator } from './runtime/operator.ts';

/** Within the 30 s that Kubernetes leaves a pod by default. */
const STOP_MS = 20_000;
const EXIT_USAGE = 2;
const EXIT_CRASHED = 70;

const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

function readConfig(argv: readonly string[]): OperatorConfig {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(helpText());
    process.exit(0);
  }
  if (argv.includes('--version')) {
    process.stdout.write(`${version}\n`);
    process.exit(0);
  }
  try {
    return loadConfig(argv, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`synccluster-operator: ${error.message}\n`);
    process.exit(EXIT_USAGE);
  }
}

async function main(): Promise<void> {
  const config = readConfig(process.argv.slice(2));
  const logger = pino({ level: config.logLevel, base: { operator: config.identity } });
  const exit = (code: number): never => {
    logger.flush();
    process.exit(code);
  };
  const die = (error: unknown): never => {
    // What this process believes can no longer be trusted; another one starts from what the cluster says.
    logger.fatal({ err: error }, 'the operator stops at once');
    return exit(EXIT_CRASHED);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);

  const kubernetes = await connect(config, logger);
  const metrics = createMetrics();
  let operator: Operator | null = null;
  let election: LeaderElection | null = null;
  const leads = () => election === null || election.leading;
  new Gauge({
    name: 'synccluster_operator_leader',
    help: 'Whether this process leads, and so works.',
    registers: [metrics.registry],
    collect() {
      this.set(leads() ? 1 : 0);
    },
  });
  const health = await startHealth({
    host: config.healthHost,
    port: config.healthPort,
    registry: metrics.registry,
    // One that stands by is as ready as it can be, else no rollout would ever end.
    notReadyReason: () => operator?.notReadyReason() ?? null,
  });
  logger.info({ version, healthPort: health.port, namespaces: config.namespaces }, 'the operator runs');

  const stopping = new AbortController();
  const waiting: Promise<void> = run();
  const stop = async (signal: string) => {
    if (stopping.signal.aborted) exit(1);
    logger.info({ signal }, 'stops');
    setTimeout(() => {
      logger.error({}, 'did not stop in time');
      exit(1);
    }, STOP_MS).unref();
    stopping.abort();
    await waiting;
    await operator?.stop();
    // Only now: a pass of this process and one of the next leader must not run at the same time.
    await election?.release();
    await kubernetes.close();
    await health.stop();
    logger.info({}, 'the operator has stopped');
    exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));

  async function run(): Promise<void> {
    if (config.leaderElection) {
      election = new LeaderElection({
        kube: kubernetes.withTimeout((config.leaseDurationSeconds * 1000) / 5),
        clock: systemClock,
        logger,
        lease: { namespace: config.leaseNamespace ?? kubernetes.namespace, name: config.leaseName },
        identity: config.identity,
        leaseDurationSeconds: config.leaseDurationSeconds,
        onLost: (why) => {
          logger.error({}, `leadership is lost: ${why}`);
          exit(1);
        },
      });
      if (!(await election.acquire(stopping.signal))) return;
    }
    operator = await startOperator({
      kube: kubernetes.kube,
      namespaces: config.namespaces,
      images: { node: config.nodeImage, bench: config.benchImage },
      logger,
      metrics,
      health: null,
      workers: config.workers,
    });
  }
}

async function connect(config: OperatorConfig, logger: pino.Logger): Promise<Kubernetes> {
  // Loaded here, for it takes most of a second, and --help needs none of it.
  const { connectKubernetes } = await import('./kubernetes/index.ts');
  try {
    return connectKubernetes({
      version,
      instance: config.identity,
      logger,
      ...(config.kubeconfig === undefined ? {} : { kubeconfig: config.kubeconfig }),
      ...(config.context === undefined ? {} : { context: config.context }),
    });
  } catch (error) {
    process.stderr.write(`synccluster-operator: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(EXIT_USAGE);
  }
}

await main();
