#!/usr/bin/env node
import { type Arguments, HELP, parseArguments, UsageError } from './args.ts';
import {
  assembleResult,
  type BenchmarkOptions,
  type BenchmarkSubject,
  measureSubject,
  type SubjectOutcome,
} from './benchmark.ts';
import { startLocalCluster } from './cluster/localCluster.ts';
import { memberProgram } from './cluster/memberProcess.ts';
import { buildConfigMap } from './configMap.ts';
import { findDestination, writeConfigMap } from './configMapSink.ts';
import { runFloors } from './floors.ts';
import { forkWorker } from './load/forkWorker.ts';
import { checkWritable, writeFiles } from './output.ts';
import { makeProgress, type Progress } from './progress.ts';
import { renderTable } from './report/text.ts';

async function main(argv: readonly string[]): Promise<number> {
  let args: Arguments | null;
  try {
    args = parseArguments(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`synccluster-bench: ${error.message} (--help explains)\n`);
    return 2;
  }
  if (args === null) {
    process.stdout.write(HELP);
    return 0;
  }
  const abort = new AbortController();
  // A second signal ends at once; whatever was started dies with this process.
  const onSignal = (): void => {
    if (abort.signal.aborted) process.exit(1);
    abort.abort(new Error('aborted by a signal'));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  // Nobody reads any more: as told to end.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => abort.abort(new Error('its output cannot be written')));
  const progress = makeProgress(args.progress ?? (process.stderr.isTTY ? 'bar' : 'lines'), process.stderr);
  try {
    // Before the work too: figures that cannot be written were measured in vain.
    if (args.out !== null) await checkWritable(args.out);
    if (args.command === 'floors') return await runFloors(args, progress, abort.signal);
    return await benchmark(args, progress, abort.signal);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`synccluster-bench: ${message}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function benchmark(args: Arguments, progress: Progress, signal: AbortSignal): Promise<number> {
  // Before the work, not after it: half an hour of load must not end in "no permission".
  const destination = args.configMap === null ? null : await findDestination(process.env);
  if (args.command === 'local') memberProgram();
  const startedAt = new Date();
  const begunMs = performance.now();
  const options: BenchmarkOptions = {
    settings: args.settings,
    lockWaitMs: 30_000,
    visibilityMs: 10_000,
    drainIdleMs: args.drainIdleMs,
    progress,
    signal,
  };
  const outcomes: SubjectOutcome[] = [];
  if (args.command === 'run') outcomes.push(await measureSubject(remoteSubject(args), options));
  else for (const members of args.members) outcomes.push(await measureLocal(members, args, options));
  signal.throwIfAborted();

  const result = assembleResult(args.settings, startedAt, performance.now() - begunMs, outcomes);
  const written = await writeFiles(args.out!, result);
  if (destination !== null && args.configMap !== null) {
    await writeConfigMap(destination, buildConfigMap(result, args.configMap), { signal });
    progress.note(`written to ConfigMap ${args.configMap.namespace}/${args.configMap.name}`);
  }
  if (args.progress !== 'json') {
    process.stdout.write(`\n${renderTable(result)}\n${written.map((path) => `${path}\n`).join('')}`);
  }
  return result.outcome === 'succeeded' ? 0 : 1;
}

function remoteSubject(args: Arguments): BenchmarkSubject {
  const { endpoints, health, clusterMembers } = args;
  const count = endpoints.length;
  return {
    // Not told, addresses say little: one may stand for a whole cluster behind a service.
    name:
      clusterMembers === null
        ? `${count} ${count === 1 ? 'endpoint' : 'endpoints'}`
        : membersName(clusterMembers),
    members: clusterMembers ?? (count === 1 ? null : count),
    endpoints,
    probes: health.map((address) => ({ name: address, pid: null, health: address })),
    spawnWorker: () => forkWorker({ kind: 'synccluster', endpoints }),
  };
}

function membersName(members: number): string {
  return members === 1 ? '1 member' : `${members} members`;
}

async function measureLocal(
  members: number,
  args: Arguments,
  options: BenchmarkOptions,
): Promise<SubjectOutcome> {
  const name = membersName(members);
  options.progress.note(`starting ${name}`);
  const cluster = await startLocalCluster({ members, shards: args.shards, signal: options.signal });
  try {
    return await measureSubject(
      {
        name,
        members,
        endpoints: cluster.endpoints,
        probes: cluster.pids.map((pid, ordinal) => ({
          name: `member ${ordinal}`,
          pid,
          health: cluster.healthEndpoints[ordinal]!,
        })),
        spawnWorker: () => forkWorker({ kind: 'synccluster', endpoints: cluster.endpoints }),
      },
      options,
    );
  } finally {
    await cluster.stop();
  }
}

process.exitCode = await main(process.argv.slice(2));
