import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ClaimController } from './claimController.ts';
import { at, isObject, type Json, type JsonObject, listAt, objectAt, stringAt } from './json.ts';
import { CONFIG_MAPS, SECRETS } from './kinds.ts';
import { writeFileAtomically } from './objectFiles.ts';
import type { ObjectStore } from './objectStore.ts';
import type { StoredObject } from './objects.ts';

/** The real folder behind each `mountPath`. */
export type Mounts = ReadonlyMap<string, string>;

/** Why a pod cannot start yet: it is looked at again when something changes. */
export class NotYet extends Error {
  readonly reason: string;
  constructor(reason: string, message: string) {
    super(message);
    this.name = 'NotYet';
    this.reason = reason;
  }
}

/** Makes the pod's volumes and answers where they are. Throws `NotYet` while something is missing. */
export function mountVolumes(
  store: ObjectStore,
  claims: ClaimController,
  pod: StoredObject,
  container: Json,
  podFolder: string,
): Mounts {
  const folders = new Map<string, string>();
  for (const volume of listAt(pod, 'spec', 'volumes').filter(isObject)) {
    const name = stringAt(volume, 'name') ?? '';
    folders.set(name, volumeFolder(store, claims, pod, volume, join(podFolder, 'volumes', name)));
  }
  const mounts = new Map<string, string>();
  for (const mount of listAt(container, 'volumeMounts')) {
    const folder = folders.get(stringAt(mount, 'name') ?? '');
    const path = stringAt(mount, 'mountPath');
    if (folder === undefined || path === undefined) {
      throw new NotYet('CreateContainerConfigError', `no volume "${stringAt(mount, 'name') ?? ''}" to mount`);
    }
    mounts.set(path, join(folder, stringAt(mount, 'subPath') ?? ''));
  }
  return mounts;
}

/** Brings the files of ConfigMap and Secret volumes up to date, as a kubelet does while the pod runs. */
export function refreshVolumes(store: ObjectStore, pod: StoredObject, podFolder: string): void {
  for (const volume of listAt(pod, 'spec', 'volumes').filter(isObject)) {
    const folder = join(podFolder, 'volumes', stringAt(volume, 'name') ?? '');
    for (const source of sourcesOf(volume)) {
      const files = filesOf(store, pod, source);
      if (files !== null) writeFiles(folder, files);
    }
  }
}

function volumeFolder(
  store: ObjectStore,
  claims: ClaimController,
  pod: StoredObject,
  volume: JsonObject,
  folder: string,
): string {
  const claim = stringAt(volume, 'persistentVolumeClaim', 'claimName');
  if (claim !== undefined) {
    const mounted = claims.mount(pod.metadata.namespace, claim);
    if (mounted === null)
      throw new NotYet('Unschedulable', `persistentvolumeclaim "${claim}" is missing or being deleted`);
    return mounted;
  }
  mkdirSync(folder, { recursive: true });
  // emptyDir: kept over restarts of the process, gone with the pod.
  if (volume['emptyDir'] !== undefined) return folder;
  const sources = sourcesOf(volume);
  if (sources.length === 0) {
    throw new NotYet(
      'CreateContainerConfigError',
      `volumes of this kind do not exist in local mode: ${JSON.stringify(volume)}`,
    );
  }
  for (const source of sources) {
    const files = filesOf(store, pod, source);
    if (files !== null) writeFiles(folder, files);
    else if (at(source.spec, 'optional') !== true) {
      throw new NotYet('ContainerCreating', `${source.kind} "${source.name}" not found`);
    }
  }
  return folder;
}

interface Source {
  readonly kind: 'configMap' | 'secret';
  readonly name: string;
  readonly spec: JsonObject;
}

function sourcesOf(volume: JsonObject): Source[] {
  const projected = listAt(volume, 'projected', 'sources').filter(isObject);
  return [volume, ...projected].flatMap((item): Source[] => {
    const configMap = objectAt(item, 'configMap');
    const secret = objectAt(item, 'secret');
    if (configMap !== undefined)
      return [{ kind: 'configMap', name: stringAt(configMap, 'name') ?? '', spec: configMap }];
    if (secret !== undefined) {
      return [
        {
          kind: 'secret',
          name: stringAt(secret, 'secretName') ?? stringAt(secret, 'name') ?? '',
          spec: secret,
        },
      ];
    }
    return [];
  });
}

/** File name to content; null while the object is missing. */
function filesOf(store: ObjectStore, pod: StoredObject, source: Source): Map<string, Buffer> | null {
  const kind = source.kind === 'configMap' ? CONFIG_MAPS : SECRETS;
  const object = store.get(kind, { namespace: pod.metadata.namespace, name: source.name });
  if (object === null) return null;
  const all = dataOf(object);
  const items = listAt(source.spec, 'items');
  if (items.length === 0) return all;
  const chosen = new Map<string, Buffer>();
  for (const item of items) {
    const content = all.get(stringAt(item, 'key') ?? '');
    const path = stringAt(item, 'path') ?? '';
    if (content !== undefined && !path.split('/').includes('..')) chosen.set(path, content);
  }
  return chosen;
}

/** The keys of a ConfigMap or Secret, decoded. */
export function dataOf(object: StoredObject): Map<string, Buffer> {
  const result = new Map<string, Buffer>();
  const base64 = object.kind === 'Secret' ? ['data'] : ['binaryData'];
  const plain = object.kind === 'Secret' ? ['stringData'] : ['data'];
  for (const field of base64) {
    for (const [key, value] of Object.entries(objectAt(object, field) ?? {}))
      result.set(key, Buffer.from(String(value), 'base64'));
  }
  for (const field of plain) {
    for (const [key, value] of Object.entries(objectAt(object, field) ?? {}))
      result.set(key, Buffer.from(String(value)));
  }
  return result;
}

function writeFiles(folder: string, files: ReadonlyMap<string, Buffer>): void {
  for (const [name, content] of files) {
    const path = join(folder, name);
    if (existsSync(path) && readFileSync(path).equals(content)) continue;
    writeFileAtomically(path, content, 0o600);
  }
  if (files.size > 0) chmodSync(folder, 0o700);
}

/** Removes what belongs to the pod alone; claims stay. */
export function removePodFolder(podFolder: string): void {
  rmSync(podFolder, { recursive: true, force: true });
}
