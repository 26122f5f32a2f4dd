import { parseArgs } from 'node:util';
import { LIMITS } from './limits.ts';
import { SCENARIOS, type Scenario } from './load/phase.ts';
import type { ProgressStyle } from './progress.ts';
import { PRESET_OPERATIONS, PRESETS, type Preset, type Settings } from './result.ts';

/** Thrown for arguments that cannot be followed; the message is for the user. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

export const HELP = `synccluster-bench: measures locks, queues and cache of a SyncCluster

  synccluster-bench run --endpoints HOST:PORT,… --out DIR     a cluster that runs already
  synccluster-bench local --members 1,3,5 --out DIR           the same work on local clusters of these sizes
  synccluster-bench floors --members 3                        development: what the cores reach, beside one fdatasync

Work
  --preset light|medium|heavy   1,000, 10,000 or 100,000 operations per primitive (default light)
  --operations N                another number of operations
  --duration-seconds N          bound each operation by time instead
  --scenario lock,queue,cache   which primitives (default all)
  --runs N                      measured runs after a warm-up, at least 3 (default 3)
  --clients N                   load processes (default 1)
  --in-flight N,…               operations outstanding per client, each is measured (default 64)
  --payload-bytes N,…           payload sizes, each is measured, at least ${LIMITS.payloadBytes[0]} (default 256)
  --rate N                      open loop: operations begin N times a second, whatever the answers do
  --contended-keys N            locks that all clients fight for (default 4)
  --cache-keys N                entries in the cache (default 1000)
  --hit-ratio R                 share of gets for an entry that exists, 0 to 1 (default 0.9)
  --drain-seconds N             how long consumers may wait in vain before messages count as lost (default 15)

Cluster
  --endpoints HOST:PORT,…       client listeners (run)
  --cluster-members N           how many members the endpoints lead to, for the results (run, optional)
  --health HOST:PORT,…          health listeners, for CPU, memory and log syncs of members (run, optional)
  --members N,…                 1, 3 or 5 members (local, floors)
  --shards N                    data groups of local clusters (default 3)

Output
  --out DIR                     results.json, summary.md and report.html
  --json                        everything as JSON on standard output too (floors)
  --results-configmap NAME      write them as a ConfigMap too
  --namespace NS                its namespace
  --progress bar|lines|json|none  (default: bar on a terminal, else lines)
  --help

Exit code 0: results written; 1: failed, or a guarantee was violated; 2: bad arguments.
`;

export interface Arguments {
  readonly command: 'run' | 'local' | 'floors';
  readonly settings: Settings;
  readonly endpoints: readonly string[];
  readonly health: readonly string[];
  /** Of the cluster that runs already; null: not told. */
  readonly clusterMembers: number | null;
  readonly members: readonly number[];
  readonly shards: number;
  readonly out: string | null;
  readonly json: boolean;
  readonly configMap: { readonly name: string; readonly namespace: string } | null;
  readonly progress: ProgressStyle | null;
  readonly drainIdleMs: number;
}

/** As a SyncCluster may have. */
const MEMBERS = [1, 3, 5] as const;
const COMMANDS = ['run', 'local', 'floors'] as const;
const PROGRESS_STYLES: readonly ProgressStyle[] = ['bar', 'lines', 'json', 'none'];
const OPTIONS = {
  preset: { type: 'string' },
  operations: { type: 'string' },
  'duration-seconds': { type: 'string' },
  scenario: { type: 'string' },
  runs: { type: 'string' },
  clients: { type: 'string' },
  'in-flight': { type: 'string' },
  'payload-bytes': { type: 'string' },
  rate: { type: 'string' },
  'contended-keys': { type: 'string' },
  'cache-keys': { type: 'string' },
  'hit-ratio': { type: 'string' },
  'drain-seconds': { type: 'string' },
  endpoints: { type: 'string' },
  'cluster-members': { type: 'string' },
  health: { type: 'string' },
  members: { type: 'string' },
  shards: { type: 'string' },
  out: { type: 'string' },
  'results-configmap': { type: 'string' },
  namespace: { type: 'string' },
  progress: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;
type Flag = Exclude<keyof typeof OPTIONS, 'help' | 'json'>;

/** Null: help was asked for. */
export function parseArguments(argv: readonly string[]): Arguments | null {
  let parsed: {
    values: Partial<Record<Flag, string>> & { help?: boolean; json?: boolean };
    positionals: string[];
  };
  try {
    parsed = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message.split(/\. |\n/)[0]! : String(error));
  }
  const { values, positionals } = parsed;
  if (values.help === true) return null;
  if (positionals.length > 1) throw new UsageError(`unexpected argument ${positionals[1]}`);
  const named = positionals[0] ?? (values.members !== undefined ? 'local' : 'run');
  const command = COMMANDS.find((candidate) => candidate === named);
  if (command === undefined)
    throw new UsageError(`unknown command ${named}; there are ${COMMANDS.join(', ')}`);

  const integer = (flag: Flag, fallback: number, min: number, max: number): number =>
    values[flag] === undefined ? fallback : readInteger(values[flag], flag, min, max);
  const integers = (flag: Flag, fallback: readonly number[], min: number, max: number): number[] =>
    values[flag] === undefined
      ? [...fallback]
      : distinct(words(values[flag], flag), flag).map((word) => readInteger(word, flag, min, max));

  const preset = oneOf<Preset>(values.preset ?? 'light', 'preset', PRESETS);
  if (values.operations !== undefined && values['duration-seconds'] !== undefined) {
    throw new UsageError('--operations and --duration-seconds exclude each other');
  }
  const durationMs =
    values['duration-seconds'] === undefined
      ? null
      : Math.round(readNumber(values['duration-seconds'], 'duration-seconds', 0.1, 86_400) * 1000);
  const settings: Settings = {
    preset,
    operations:
      durationMs === null ? integer('operations', PRESET_OPERATIONS[preset], ...LIMITS.operations) : null,
    durationMs,
    runs: integer('runs', 3, ...LIMITS.runs),
    clients: integer('clients', 1, ...LIMITS.clients),
    inFlight: integers('in-flight', [64], ...LIMITS.inFlight),
    payloadBytes: integers('payload-bytes', [256], ...LIMITS.payloadBytes),
    scenarios:
      values.scenario === undefined
        ? [...SCENARIOS]
        : distinct(words(values.scenario, 'scenario'), 'scenario').map((word) =>
            oneOf<Scenario>(word, 'scenario', SCENARIOS),
          ),
    ratePerS: values.rate === undefined ? null : readNumber(values.rate, 'rate', 0.1, 10_000_000),
    contendedKeys: integer('contended-keys', 4, 1, 100_000),
    cacheKeys: integer('cache-keys', 1_000, 1, 10_000_000),
    hitRatio: values['hit-ratio'] === undefined ? 0.9 : readNumber(values['hit-ratio'], 'hit-ratio', 0, 1),
  };

  const endpoints = addresses(values.endpoints, 'endpoints');
  if (command === 'run' && endpoints.length === 0) throw new UsageError('run needs --endpoints HOST:PORT,…');
  if (command !== 'run' && endpoints.length > 0)
    throw new UsageError(`--endpoints belongs to run, not to ${command}`);
  if (command === 'run' && values.members !== undefined)
    throw new UsageError('--members belongs to local and floors');
  if (command !== 'run' && values['cluster-members'] !== undefined)
    throw new UsageError('--cluster-members belongs to run; local and floors have --members');
  const members =
    values.members === undefined
      ? command === 'floors'
        ? [3]
        : [...MEMBERS]
      : distinct(words(values.members, 'members'), 'members').map((word) =>
          Number(oneOf(word, 'members', MEMBERS.map(String))),
        );
  if (command !== 'floors' && values.json === true) throw new UsageError('--json belongs to floors');
  if (command !== 'floors' && values.out === undefined) throw new UsageError(`${command} needs --out DIR`);
  if (values['results-configmap'] !== undefined && values.namespace === undefined) {
    throw new UsageError('--results-configmap needs --namespace NS');
  }
  return {
    command,
    settings,
    endpoints,
    health: addresses(values.health, 'health'),
    clusterMembers: values['cluster-members'] === undefined ? null : integer('cluster-members', 1, 1, 5),
    members,
    shards: integer('shards', 3, 1, 64),
    out: values.out ?? null,
    json: values.json === true,
    configMap:
      values['results-configmap'] === undefined || values.namespace === undefined
        ? null
        : { name: values['results-configmap'], namespace: values.namespace },
    progress:
      values.progress === undefined
        ? null
        : oneOf<ProgressStyle>(values.progress, 'progress', PROGRESS_STYLES),
    drainIdleMs: integer('drain-seconds', 15, 1, 3_600) * 1000,
  };
}

function addresses(value: string | undefined, flag: Flag): string[] {
  if (value === undefined) return [];
  return words(value, flag).map((word) => {
    const match = /^(\[[0-9a-fA-F:]+\]|[^:\s/]+):(\d+)$/.exec(word);
    const port = Number(match?.[2]);
    if (match === null || port < 1 || port > 65_535)
      throw new UsageError(`--${flag}: ${word} is not HOST:PORT`);
    return word;
  });
}

function words(value: string, flag: Flag): string[] {
  const split = value.split(',').map((word) => word.trim());
  if (split.some((word) => word === '')) throw new UsageError(`--${flag}: an element is empty`);
  return split;
}

function distinct(items: string[], flag: Flag): string[] {
  if (new Set(items).size !== items.length) throw new UsageError(`--${flag}: an element is given twice`);
  return items;
}

function readInteger(text: string, flag: Flag, min: number, max: number): number {
  const value = readNumber(text, flag, min, max);
  if (!Number.isInteger(value)) throw new UsageError(`--${flag}: ${text} is not a whole number`);
  return value;
}

function readNumber(text: string, flag: Flag, min: number, max: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw new UsageError(`--${flag}: ${text} is not a number`);
  if (value < min || value > max) throw new UsageError(`--${flag}: ${text} is not within ${min} and ${max}`);
  return value;
}

function oneOf<T extends string>(text: string, flag: Flag, allowed: readonly T[]): T {
  const found = allowed.find((option) => option === text);
  if (found === undefined) throw new UsageError(`--${flag}: ${text} is not one of ${allowed.join(', ')}`);
  return found;
}
