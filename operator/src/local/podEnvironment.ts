import { basename } from 'node:path';
import { isObject, type Json, type JsonObject, listAt, objectAt, stringAt } from './json.ts';
import { CONFIG_MAPS, SECRETS } from './kinds.ts';
import type { ObjectStore } from './objectStore.ts';
import type { StoredObject } from './objects.ts';
import type { PodAddress } from './podAddress.ts';
import { dataOf, type Mounts, NotYet } from './podVolumes.ts';

/** Command of a container → arguments of Node: the script and what always comes first. */
export type ProgramMap = Readonly<Record<string, readonly string[]>>;

export interface Invocation {
  readonly script: readonly string[];
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** What to run for a container, with its environment. Throws `NotYet` while something it refers to is missing. */
export function invocationOf(
  store: ObjectStore,
  pod: StoredObject,
  container: Json,
  address: PodAddress,
  mounts: Mounts,
  programs: ProgramMap,
  runtimeEnvironment: Readonly<Record<string, string>>,
): Invocation {
  const variables = { ...ownVariables(store, pod, container, address) };
  const command = listAt(container, 'command').map(String);
  const image = stringAt(container, 'image') ?? '';
  // Without a command the image's entry point runs; by convention that is `synccluster-<image name>`.
  const name = command[0] === undefined ? `synccluster-${imageName(image)}` : basename(command[0]);
  const script = Object.hasOwn(programs, name) ? programs[name] : undefined;
  if (script === undefined) {
    throw new NotYet(
      'RunContainerError',
      `local mode runs only ${Object.keys(programs).join(', ')}, not "${name}"`,
    );
  }
  const expand = (text: string): string => withFolders(expandVariables(text, variables), mounts);
  const args = [...command.slice(1), ...listAt(container, 'args').map(String)].map(expand);
  const environment: Record<string, string> = { ...inherited() };
  for (const [key, value] of Object.entries(variables)) environment[key] = withFolders(value, mounts);
  // A pod has a network of its own and may listen on every address; here it must keep to its own.
  environment['SYNCCLUSTER_HOST'] = address.host;
  environment['HOSTNAME'] = stringAt(pod, 'spec', 'hostname') ?? pod.metadata.name;
  Object.assign(environment, runtimeEnvironment);
  return { script, args, environment };
}

/** `ghcr.io/synccluster/node:0.1.0` → `node`. */
function imageName(image: string): string {
  const last = image.split('/').at(-1) ?? '';
  return last.split('@')[0]?.split(':')[0] ?? '';
}

/** Of this process's environment only what a program needs to start at all: pods see the same wherever they run. */
function inherited(): Record<string, string> {
  const result: Record<string, string> = {};
  for (const name of ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ']) {
    const value = process.env[name];
    if (value !== undefined) result[name] = value;
  }
  return result;
}

function ownVariables(
  store: ObjectStore,
  pod: StoredObject,
  container: Json,
  address: PodAddress,
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const source of listAt(container, 'envFrom').filter(isObject)) {
    for (const [kind, field] of [
      [CONFIG_MAPS, 'configMapRef'],
      [SECRETS, 'secretRef'],
    ] as const) {
      const reference = objectAt(source, field);
      if (reference === undefined) continue;
      const object = store.get(kind, {
        namespace: pod.metadata.namespace,
        name: stringAt(reference, 'name') ?? '',
      });
      if (object !== null) {
        for (const [key, value] of dataOf(object))
          variables[`${stringAt(source, 'prefix') ?? ''}${key}`] = value.toString();
      } else if (reference['optional'] !== true) {
        throw new NotYet(
          'CreateContainerConfigError',
          `${kind.kind} "${stringAt(reference, 'name') ?? ''}" not found`,
        );
      }
    }
  }
  for (const entry of listAt(container, 'env').filter(isObject)) {
    const name = stringAt(entry, 'name') ?? '';
    const from = objectAt(entry, 'valueFrom');
    const value =
      from === undefined
        ? expandVariables(stringAt(entry, 'value') ?? '', variables)
        : valueFrom(store, pod, from, address);
    if (value !== null) variables[name] = value;
  }
  return variables;
}

function valueFrom(
  store: ObjectStore,
  pod: StoredObject,
  from: JsonObject,
  address: PodAddress,
): string | null {
  const path = stringAt(from, 'fieldRef', 'fieldPath');
  if (path !== undefined) return fieldOf(pod, path, address);
  for (const [kind, field] of [
    [CONFIG_MAPS, 'configMapKeyRef'],
    [SECRETS, 'secretKeyRef'],
  ] as const) {
    const reference = objectAt(from, field);
    if (reference === undefined) continue;
    const object = store.get(kind, {
      namespace: pod.metadata.namespace,
      name: stringAt(reference, 'name') ?? '',
    });
    const value = object === null ? undefined : dataOf(object).get(stringAt(reference, 'key') ?? '');
    if (value !== undefined) return value.toString();
    if (reference['optional'] === true) return null;
    throw new NotYet(
      'CreateContainerConfigError',
      `no key "${stringAt(reference, 'key') ?? ''}" in ${kind.kind} "${stringAt(reference, 'name') ?? ''}"`,
    );
  }
  throw new NotYet(
    'CreateContainerConfigError',
    `local mode does not know valueFrom ${JSON.stringify(from)}`,
  );
}

/** The downward API. */
function fieldOf(pod: StoredObject, path: string, address: PodAddress): string {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed !== null) return stringAt(pod, 'metadata', keyed[1] ?? '', keyed[2] ?? '') ?? '';
  switch (path) {
    case 'status.podIP':
    case 'status.podIPs':
      return address.host;
    case 'status.hostIP':
      return '127.0.0.1';
    default: {
      const value = stringAt(pod, ...path.split('.'));
      if (value === undefined) throw new NotYet('CreateContainerConfigError', `no field "${path}" in a pod`);
      return value;
    }
  }
}

/** `$(NAME)` becomes the variable's value, `$$(NAME)` stays as `$(NAME)`, unknown names stay as they are. */
function expandVariables(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (match, name: string | undefined) => {
    if (name === undefined) return '$';
    return Object.hasOwn(variables, name) ? (variables[name] ?? match) : match;
  });
}

/**
 * There are no mounts here: wherever an argument or variable holds a `mountPath` as a whole path or its beginning
 * (`/data`, `/data/wal`, `--dir=/data`), the real folder takes its place. Longest first, so that a mount within
 * another wins; `/database` is not `/data`.
 */
function withFolders(text: string, mounts: Mounts): string {
  const paths = [...mounts.keys()].sort((a, b) => b.length - a.length);
  if (paths.length === 0) return text;
  const escaped = paths.map((path) => path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`(?<![\\w./-])(${escaped.join('|')})(?=$|[/:,;=\\s"'])`, 'g');
  return text.replace(pattern, (path) => mounts.get(path) ?? path);
}
