import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { MemberError } from './errors.ts';
import {
  check,
  checkText,
  integer,
  object,
  oneOf,
  type Schema,
  type Static,
  text,
  withDefault,
} from './schema.ts';

const MIB = 1024 * 1024;
/** Ten years: as wrong as a clock without a battery. */
const MAX_SKEW_MS = 10 * 366 * 86_400_000;
const port = (use: string, value: number): Schema<number> =>
  withDefault(integer(`Port of the ${use} listener; 0 takes any free one`, 0, 65_535), value);

/** Every field of the configuration: file, environment, flags, help and checks all come from here. */
const FIELDS = object(
  'Configuration of a member',
  {
    dataDir: text('Directory of the volume; one process at a time', 4096),
    podName: text('Name of the pod; its trailing number is the ordinal (default: HOSTNAME)', 253),
    host: withDefault(text('Address that all listeners bind to', 253), '0.0.0.0'),
    clientPort: port('client (binary protocol)', 7400),
    peerPort: port('peer', 7401),
    httpPort: port('HTTP API', 7402),
    adminPort: port('admin', 7403),
    healthPort: port('health and metrics', 7404),
    peerAddress: text("Template of the members' host name, for example db-{ordinal}.db-peers.ns.svc", 512),
    electionTimeoutMs: withDefault(integer('Silence of a leader before a campaign, in ms', 50, 60_000), 500),
    heartbeatMs: withDefault(integer("Pause between a leader's heartbeats, in ms", 5, 20_000), 75),
    snapshotEntries: withDefault(integer('Log entries kept before a snapshot', 1, 1_000_000_000), 100_000),
    snapshotBytes: withDefault(
      integer('Bytes of log kept before a snapshot', 64 * 1024, 64 * 1024 * MIB),
      16 * MIB,
    ),
    segmentBytes: withDefault(
      integer('Size of a segment of the write-ahead log, in bytes', MIB, 4096 * MIB),
      64 * MIB,
    ),
    clockSkewMs: withDefault(
      integer('For tests: how far to falsify this wall clock, in ms', -MAX_SKEW_MS, MAX_SKEW_MS),
      0,
    ),
    logLevel: withDefault(
      oneOf('Lowest level that is logged', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
      'info',
    ),
  },
  {
    ordinal: integer("Position of the member (default: podName's trailing number)", 0, 64),
    advertiseHost: text('Host name that clients are told (default: peerAddress with the own ordinal)', 512),
    hostsFile: text('File of "address name" lines, read at each connect and before DNS', 4096),
  },
);

type Given = Static<typeof FIELDS>;

export interface MemberConfig extends Omit<Given, 'ordinal' | 'advertiseHost' | 'hostsFile'> {
  ordinal: number;
  /** Host name that clients are told. */
  advertiseHost: string;
  /** Null: names are looked up by DNS alone. */
  hostsFile: string | null;
}

const NAMES: readonly string[] = Object.keys(FIELDS.properties ?? {});

function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function variableOf(name: string): string {
  return `SYNCCLUSTER_${flagOf(name).replaceAll('-', '_').toUpperCase()}`;
}

/** Refusals of the schema speak of fields; here they become CONFIG and say where the field was set. */
function asConfigError<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof MemberError && error.code !== 'CONFIG') {
      throw new MemberError('CONFIG', `${where}${error.message}`, { cause: error });
    }
    throw error;
  }
}

function checkSource(source: string, values: Record<string, unknown>, fromText: boolean): Partial<Given> {
  // One source alone need not have the required fields; they are checked when all sources are laid together.
  const { required: _, ...schema } = FIELDS;
  const partial: Schema<unknown> = {
    ...schema,
    properties: Object.fromEntries(
      Object.entries(FIELDS.properties ?? {}).map(([name, { default: __, ...field }]) => [name, field]),
    ),
  };
  return asConfigError(`${source}: `, () =>
    fromText ? checkText(partial, values, source) : check(partial, values, source),
  ) as Partial<Given>;
}

function readFlags(argv: readonly string[]): { flags: Partial<Given>; file: string | undefined } {
  const options: Record<string, { type: 'string' }> = { config: { type: 'string' } };
  for (const name of NAMES) options[flagOf(name)] = { type: 'string' };
  let values: Record<string, string | undefined>;
  try {
    values = parseArgs({ args: [...argv], options, strict: true }).values;
  } catch (error) {
    throw new MemberError('CONFIG', `${(error as Error).message}; --help lists the flags`, { cause: error });
  }
  const given: Record<string, unknown> = {};
  for (const name of NAMES) {
    const value = values[flagOf(name)];
    if (value !== undefined) given[name] = value;
  }
  return { flags: checkSource('flags', given, true), file: values['config'] };
}

function readEnvironment(env: NodeJS.ProcessEnv): Partial<Given> {
  const given: Record<string, unknown> = {};
  for (const name of NAMES) {
    const value = env[variableOf(name)];
    if (value === undefined || value === '') continue;
    // Kubernetes sets SYNCCLUSTER_HTTP_PORT=tcp://… in every pod beside a Service named synccluster-http.
    if (name.endsWith('Port') && /^(tcp|udp|sctp):\/\//.test(value)) continue;
    given[name] = value;
  }
  return checkSource('environment', given, true);
}

function readFile(path: string): Partial<Given> {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new MemberError('CONFIG', `config: ${path} cannot be read as JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new MemberError('CONFIG', `config: ${path} must hold one JSON object`);
  }
  return checkSource(path, content as Record<string, unknown>, false);
}

/** What no single field can say. */
function checkTogether(config: MemberConfig): void {
  if (config.heartbeatMs * 3 > config.electionTimeoutMs) {
    throw new MemberError(
      'CONFIG',
      `heartbeatMs must be at most a third of electionTimeoutMs (${config.electionTimeoutMs}), so that one lost heartbeat starts no election`,
    );
  }
  if (!config.peerAddress.includes('{ordinal}') && config.ordinal > 0) {
    throw new MemberError(
      'CONFIG',
      'peerAddress must contain {ordinal}: only the single member of a cluster of one goes without',
    );
  }
  const users = new Map<number, string>();
  for (const name of ['clientPort', 'peerPort', 'httpPort', 'adminPort', 'healthPort'] as const) {
    const value = config[name];
    const other = users.get(value);
    if (value !== 0 && other !== undefined) {
      throw new MemberError('CONFIG', `${name} must differ from ${other}: both are ${value}`);
    }
    users.set(value, name);
  }
}

/** Precedence: flag, environment, file, default. Throws `MemberError` CONFIG that names the field. */
export function loadConfig(argv: readonly string[], env: NodeJS.ProcessEnv): MemberConfig {
  const { flags, file } = readFlags(argv);
  const path = file ?? (env['SYNCCLUSTER_CONFIG'] || undefined);
  const merged: Record<string, unknown> = {
    ...(path === undefined ? {} : readFile(path)),
    ...readEnvironment(env),
    ...flags,
  };
  const hostName = env['HOSTNAME'];
  if (merged['podName'] === undefined && hostName !== undefined && hostName !== '') {
    merged['podName'] = hostName;
  }
  for (const name of FIELDS.required ?? []) {
    if (merged[name] !== undefined) continue;
    throw new MemberError(
      'CONFIG',
      `${name} is missing: set --${flagOf(name)}, ${variableOf(name)} or "${name}" in the configuration file`,
    );
  }
  const given = asConfigError('', () => check(FIELDS, merged, 'configuration'));
  const ordinal = given.ordinal ?? ordinalOf(given.podName);
  const config: MemberConfig = {
    ...given,
    ordinal,
    advertiseHost: given.advertiseHost ?? given.peerAddress.replaceAll('{ordinal}', String(ordinal)),
    hostsFile: given.hostsFile ?? null,
  };
  checkTogether(config);
  return config;
}

function ordinalOf(podName: string): number {
  const digits = /-(\d{1,3})$/.exec(podName)?.[1];
  const ordinal = digits === undefined ? Number.NaN : Number(digits);
  if (ordinal >= 0 && ordinal <= 64) return ordinal;
  throw new MemberError(
    'CONFIG',
    `ordinal is missing, and podName "${podName}" does not end in a number from 0 to 64 (as in db-0)`,
  );
}

export function wantsHelp(argv: readonly string[]): boolean {
  return argv.includes('--help') || argv.includes('-h');
}

/** Text of `--help`, from the same fields. */
export function helpText(): string {
  const lines = [
    'Usage: synccluster-node [--config FILE] [--FIELD VALUE]…',
    '',
    'Runs one member. Each field is taken from its flag, else its environment variable, else the JSON file,',
    'else its default.',
    '',
  ];
  for (const [name, field] of Object.entries(FIELDS.properties ?? {})) {
    const range =
      field.enum?.join(' | ') ?? (field.type === 'integer' ? `${field.minimum}…${field.maximum}` : 'text');
    const needed = FIELDS.required?.includes(name) === true && name !== 'podName' ? ', required' : '';
    const preset = field.default === undefined ? needed : `, default ${field.default}`;
    lines.push(
      `  --${flagOf(name)} (${range}${preset})`,
      `      ${field.description}. Environment: ${variableOf(name)}`,
    );
  }
  lines.push(
    '  --config FILE',
    '      JSON file with fields as above, in camelCase. Environment: SYNCCLUSTER_CONFIG',
  );
  return `${lines.join('\n')}\n`;
}
