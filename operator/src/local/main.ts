#!/usr/bin/env node
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Logger, pino } from 'pino';
import { startOperator } from '../runtime/operator.ts';
import { Ending } from './ending.ts';
import { startLocalRuntime, stopLocalRuntime } from './localRuntime.ts';
import { ManifestFiles, type Told } from './manifestFiles.ts';
import { printStatus } from './statusLines.ts';

const HELP = `Runs SyncClusters and SyncBenchmarks on this machine: operator, members and benchmarks as processes.

Usage: npm start -- -f FILE… [options]

  -f, --file FILE   manifests to apply and to follow while they are edited; may be given more than once
  -d, --dir DIR     where objects, volumes and logs are kept (default: .synccluster)
      --stop        end everything that runs for DIR, after an operator was killed; data stays
      --verbose     write the operator's log to standard error too
  -h, --help        this text

Ctrl-C ends all processes; a second Ctrl-C ends them at once. Data stays in DIR. A killed operator leaves its members
running: the next start takes them over, and --stop ends them.
Logs: DIR/logs/operator.log and DIR/logs/NAMESPACE/POD.log.`;

interface Options {
  readonly files: readonly string[];
  readonly dir: string;
  readonly stop: boolean;
  readonly verbose: boolean;
}

/** Bad arguments: told in one line, exit code 2. */
class UsageError extends Error {}

function readOptions(args: readonly string[]): Options | null {
  let values: { file?: string[]; dir: string; stop: boolean; verbose: boolean; help: boolean };
  let positionals: string[];
  try {
    ({ values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        file: { type: 'string', short: 'f', multiple: true },
        dir: { type: 'string', short: 'd', default: '.synccluster' },
        stop: { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
  }
  if (values.help) return null;
  // `-f a.yaml b.yaml`, as a shell writes out `-f *.yaml`.
  const files = [...(values.file ?? []), ...positionals];
  if (values.file === undefined && positionals.length > 0)
    throw new UsageError(`unexpected argument ${positionals[0]}; files are given with -f`);
  if (files.length === 0 && !values.stop) throw new UsageError('no manifests: give them with -f FILE');
  return { files, dir: values.dir, stop: values.stop, verbose: values.verbose };
}

async function run(options: Options): Promise<void> {
  const told: Told = { info: (line) => print(line), problem: (line) => print(`! ${line}`) };
  if (options.stop) {
    const ended = await stopLocalRuntime(options.dir);
    print(ended === 0 ? 'nothing was left running' : `ended ${ended} processes`);
    return;
  }
  // Before anything is started: Ctrl-C at any moment leaves nothing behind.
  const ending = new Ending(options.dir, told.info);
  const logger = operatorLog(options);
  const runtime = await startLocalRuntime({ dir: options.dir, logger });
  ending.last(() => runtime.stop());
  const stopPrinting = printStatus(runtime.store, (line) => print(line));
  const manifests = new ManifestFiles(runtime, options.files, told);
  try {
    manifests.applyAll();
    const operator = await startOperator({ kube: runtime.kube, namespaces: [], logger, health: null });
    ending.last(() => operator.stop());
    manifests.watch();
    print(`running; logs in ${join(options.dir, 'logs')}, Ctrl-C to end`);
    await ending.asked;
  } finally {
    manifests.stop();
    stopPrinting();
    await ending.finish();
    told.info('all processes ended');
  }
}

function operatorLog(options: Options): Logger {
  const directory = join(options.dir, 'logs');
  mkdirSync(directory, { recursive: true });
  const file = {
    level: 'info',
    stream: pino.destination({ dest: join(directory, 'operator.log'), sync: true }),
  };
  const streams = options.verbose
    ? [file, { level: 'info', stream: pino.destination({ fd: 2, sync: true }) }]
    : [file];
  return pino({ level: 'info' }, pino.multistream(streams));
}

function print(line: string): void {
  process.stdout.write(`${new Date().toTimeString().slice(0, 8)}  ${line}\n`);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === null) process.stdout.write(`${HELP}\n`);
  else await run(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
