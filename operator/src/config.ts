import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { parse as parseYaml } from 'yaml';
import { RELEASED_IMAGES } from './desired/images.ts';

const dnsLabel = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$';
const dnsName = '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$';

/** Every field of the configuration: file, environment, flags, help and checks all come from here. */
const FIELDS = {
  namespaces: Type.Array(Type.String({ pattern: dnsLabel, maxLength: 63 }), {
    maxItems: 256,
    default: [],
    description: 'Namespaces to serve, separated by commas; none: all of them',
  }),
  leaderElection: Type.Boolean({
    default: true,
    description: 'Whether several operators may run, of which one works',
  }),
  leaseName: Type.String({
    pattern: dnsName,
    maxLength: 253,
    default: 'synccluster-operator',
    description: 'Name of the Lease that says which one',
  }),
  leaseNamespace: Type.Optional(
    Type.String({
      pattern: dnsLabel,
      maxLength: 63,
      description: 'Namespace of the Lease (default: the own)',
    }),
  ),
  leaseDurationSeconds: Type.Integer({
    minimum: 5,
    maximum: 600,
    default: 15,
    description:
      'How long a leader that vanished keeps others waiting; it gives up by itself after two thirds',
  }),
  identity: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 253,
      description:
        'Name of this process, its own among all that run (default: POD_NAME, else host name and chance)',
    }),
  ),
  healthHost: Type.String({
    minLength: 1,
    maxLength: 253,
    default: '0.0.0.0',
    description: 'Address of the listener for health and metrics',
  }),
  healthPort: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: 8080,
    description: 'Port of the listener for health and metrics; 0 takes any free one',
  }),
  workers: Type.Integer({
    minimum: 1,
    maximum: 64,
    default: 4,
    description: 'Objects of a kind that are worked on at the same time',
  }),
  nodeImage: Type.String({
    minLength: 1,
    maxLength: 512,
    default: RELEASED_IMAGES.node,
    description: 'Image of the members of a new cluster that names none',
  }),
  benchImage: Type.String({
    minLength: 1,
    maxLength: 512,
    default: RELEASED_IMAGES.bench,
    description: 'Image of the load generator of a benchmark that names none',
  }),
  logLevel: Type.Union(
    (['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const).map((level) =>
      Type.Literal(level),
    ),
    { default: 'info', description: 'Lowest level that is logged' },
  ),
  kubeconfig: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4096,
      description:
        "File that says where the cluster is (default: KUBECONFIG, the pod's account, ~/.kube/config)",
    }),
  ),
  context: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 1024,
      description: "Context of the kubeconfig (default: the file's)",
    }),
  ),
};
const SCHEMA = Type.Object(FIELDS, { additionalProperties: false });
type Given = Static<typeof SCHEMA>;

export interface OperatorConfig extends Omit<Given, 'identity'> {
  identity: string;
}

/** What is wrong with the configuration, and where it was set. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Name = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as Name[];

/** What `--help` and the readers of texts need of a field, whatever its type. */
interface Field {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly { readonly const?: unknown }[];
}
function fieldOf(name: Name): Field {
  return FIELDS[name] as Field;
}

function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
function variableOf(name: string): string {
  return `SYNCCLUSTER_OPERATOR_${flagOf(name).replaceAll('-', '_').toUpperCase()}`;
}

/** A text as the type its field has; what is no such value stays a text, and is refused by the check. */
function fromText(name: Name, text: string): unknown {
  switch (fieldOf(name).type) {
    case 'integer':
      return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'array':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    default:
      return text;
  }
}

function checkField(name: Name, value: unknown, where: string): void {
  const schema: TSchema = FIELDS[name];
  if (Value.Check(schema, value)) return;
  throw new ConfigError(`${where} must be ${rangeOf(name)}, but is ${JSON.stringify(value)}`);
}

function rangeOf(name: Name): string {
  const { type, minimum, maximum, anyOf } = fieldOf(name);
  if (anyOf !== undefined) return anyOf.map((option) => String(option.const)).join(' | ');
  switch (type) {
    case 'integer':
      return `a whole number ${minimum}…${maximum}`;
    case 'boolean':
      return 'true | false';
    case 'array':
      return 'names as Kubernetes takes them, separated by commas';
    default:
      return 'pattern' in FIELDS[name] ? 'a name as Kubernetes takes it' : 'text';
  }
}

function readFlags(argv: readonly string[]): { flags: Record<string, unknown>; file: string | undefined } {
  const options: Record<string, { type: 'string' }> = { config: { type: 'string' } };
  for (const name of NAMES) options[flagOf(name)] = { type: 'string' };
  let values: Record<string, string | undefined>;
  try {
    values = parseArgs({ args: [...argv], options, strict: true }).values;
  } catch (error) {
    throw new ConfigError(
      `${error instanceof Error ? error.message : String(error)}; --help lists the flags`,
    );
  }
  const flags: Record<string, unknown> = {};
  for (const name of NAMES) {
    const text = values[flagOf(name)];
    if (text === undefined) continue;
    flags[name] = fromText(name, text);
    checkField(name, flags[name], `--${flagOf(name)}`);
  }
  return { flags, file: values['config'] };
}

function readEnvironment(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const name of NAMES) {
    const text = env[variableOf(name)];
    if (text === undefined || text === '') continue;
    // Kubernetes sets …_HEALTH_PORT=tcp://… in every pod beside a Service named synccluster-operator-health.
    if (name.endsWith('Port') && /^(tcp|udp|sctp):\/\//.test(text)) continue;
    given[name] = fromText(name, text);
    checkField(name, given[name], variableOf(name));
  }
  return given;
}

function readFile(path: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${path} cannot be read as YAML or JSON: ${why}`);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw new ConfigError(`${path} must hold one object`);
  for (const [name, value] of Object.entries(content)) {
    if (!isName(name))
      throw new ConfigError(`${path}: ${name} is unknown; the fields are ${NAMES.join(', ')}`);
    checkField(name, value, `${path}: ${name}`);
  }
  return { ...content };
}

function isName(name: string): name is Name {
  return Object.hasOwn(FIELDS, name);
}

/** Precedence: flag, environment, file, default. Throws `ConfigError`. */
export function loadConfig(argv: readonly string[], env: NodeJS.ProcessEnv): OperatorConfig {
  const { flags, file } = readFlags(argv);
  const path = file ?? (env['SYNCCLUSTER_OPERATOR_CONFIG'] || undefined);
  const merged: Record<string, unknown> = {};
  for (const name of NAMES) {
    const preset = fieldOf(name).default;
    if (preset !== undefined) merged[name] = structuredClone(preset);
  }
  Object.assign(merged, path === undefined ? {} : readFile(path), readEnvironment(env), flags);
  const config = Value.Parse(SCHEMA, merged);
  return {
    ...config,
    namespaces: [...new Set(config.namespaces)],
    // A host name alone may be that of several processes, which would then all hold the lease.
    identity: config.identity ?? (env['POD_NAME'] || `${hostname()}-${randomBytes(4).toString('hex')}`),
  };
}

/** Text of `--help`, from the same fields. */
export function helpText(): string {
  const lines = [
    'Usage: synccluster-operator [--config FILE] [--FIELD VALUE]…',
    '',
    'Runs the operator of SyncClusters and SyncBenchmarks against a Kubernetes cluster. Each field is taken from its',
    'flag, else its environment variable, else the file, else its default.',
    '',
  ];
  for (const name of NAMES) {
    const { description = '', default: preset } = fieldOf(name);
    const shown = preset === undefined || Array.isArray(preset) ? '' : `, default ${String(preset)}`;
    lines.push(
      `  --${flagOf(name)} (${rangeOf(name)}${shown})`,
      `      ${description}. Environment: ${variableOf(name)}`,
    );
  }
  lines.push(
    '  --config FILE',
    '      YAML or JSON file with fields as above, in camelCase. Environment: SYNCCLUSTER_OPERATOR_CONFIG',
    '  --version, --help',
  );
  return `${lines.join('\n')}\n`;
}
