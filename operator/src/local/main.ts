#!/usr/bin/env node
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Logger, pino } from 'pino';
import { startOperator } from '../runtime/operator.ts';
import { announceAddresses, announceResults } from './announcements.ts';
import { Ending } from './ending.ts';
import { startLocalRuntime, stopLocalRuntime } from './localRuntime.ts';
import { ManifestFiles, type Told } from './manifestFiles.ts';
import { lockHolder } from './runtimeLock.ts';
import { printStatus } from './statusLines.ts';

const HELP = `Runs SyncClusters and SyncBenchmarks on this machine: operator, members and benchmarks as processes.

Usage: npm start -- -f FILE… [options]

  -f, --file FILE   manifests to apply and to follow while they are edited; may be given more than once
  -d, --dir DIR     where objects, volumes and logs are kept (default: .synccluster)
      --stop        end everything that runs for DIR, after an operator was killed; data stays. Without --dir,
                    what the demo left too
      --verbose     write the operator's log to standard error too
  -h, --help        this text

Ctrl-C ends all processes; a second Ctrl-C ends them at once. Data stays in DIR. A killed operator leaves its members
running: the next start takes them over, and --stop ends them.
Logs: DIR/logs/operator.log and DIR/logs/NAMESPACE/POD.log.`;

const DIR = '.synccluster';
const DEMO_DIR = join(DIR, 'demo');

interface Options {
  readonly files: readonly string[];
  readonly dir: string;
  /** Where `--stop` looks. */
  readonly stopDirs: readonly string[];
  readonly stop: boolean;
  readonly verbose: boolean;
}

/** Bad arguments: told in one line, exit code 2. */
class UsageError extends Error {}

function readOptions(args: readonly string[]): Options | null {
  let values: { file?: string[]; dir?: string; stop: boolean; verbose: boolean; help: boolean };
  let positionals: string[];
  try {
    ({ values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        file: { type: 'string', short: 'f', multiple: true },
        dir: { type: 'string', short: 'd' },
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
  const { dir = DIR, stop, verbose } = values;
  if (stop)
    return { files, dir, stop, verbose, stopDirs: values.dir === undefined ? [DIR, DEMO_DIR] : [dir] };
  // Before anything is made or started: what cannot be read now needs no directory and no operator.
  for (const file of files) checkFile(file);
  try {
    mkdirSync(join(dir, 'logs'), { recursive: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isFile = code === 'ENOTDIR' || code === 'EEXIST';
    throw new UsageError(`--dir ${dir}: ${isFile ? 'not a directory' : messageOf(error)}`);
  }
  return { files, dir, stop, verbose, stopDirs: [] };
}

function checkFile(file: string): void {
  let isFile: boolean;
  try {
    const found = statSync(file);
    isFile = !found.isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `${file}: ${code === 'ENOENT' || code === 'ENOTDIR' ? 'no such file' : messageOf(error)}`,
    );
  }
  if (!isFile) throw new UsageError(`${file}: is a directory; give its files`);
}

async function stopAll(dirs: readonly string[]): Promise<void> {
  for (const dir of dirs) {
    const holder = lockHolder(dir);
    const ended = await stopLocalRuntime(dir);
    const parts = [
      ...(holder === null ? [] : [`the operator (process ${holder.pid}) and what it ran`]),
      ...(ended === 0 ? [] : [ended === 1 ? '1 process' : `${ended} processes`]),
    ];
    print(`${dir}: ${parts.length === 0 ? 'nothing was left running' : `ended ${parts.join(', and ')}`}`);
  }
}

async function run(options: Options): Promise<void> {
  const told: Told = { info: (line) => print(line), problem: (line) => print(`! ${line}`) };
  if (options.stop) {
    await stopAll(options.stopDirs);
    return;
  }
  // Before anything is started: Ctrl-C at any moment leaves nothing behind.
  const ending = new Ending({ dir: options.dir, tell: told.info, podsAtCrash: 'leave' });
  const logger = operatorLog(options);
  const runtime = await startLocalRuntime({ dir: options.dir, logger });
  ending.last(() => runtime.stop());
  const stopParts = [
    printStatus(runtime.store, told.info),
    announceAddresses(runtime, told.info),
    announceResults(runtime, told),
  ];
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
    for (const stop of stopParts) stop();
    await ending.finish();
    told.info('all processes ended');
  }
}

function operatorLog(options: Options): Logger {
  const directory = join(options.dir, 'logs');
  const destinations = [
    pino.destination({ dest: join(directory, 'operator.log'), sync: true }),
    ...(options.verbose ? [pino.destination({ fd: 2, sync: true })] : []),
  ];
  // A log that nobody can take is no reason to end.
  for (const destination of destinations) destination.on('error', () => undefined);
  const streams = destinations.map((stream) => ({ level: 'info', stream }));
  return pino({ level: 'info' }, pino.multistream(streams));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function print(line: string): void {
  process.stdout.write(`${new Date().toTimeString().slice(0, 8)}  ${line}\n`);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === null) process.stdout.write(`${HELP}\n`);
  else await run(options);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
