import type { Schema } from './schema.ts';

/**
 * How lists and maps of a kind merge under server-side apply. Paths are field names only: the element of a list
 * adds no step.
 */
export interface ListTypes {
  /** The keys of the list-map at this path; null for a list that is replaced whole. */
  keysAt(path: readonly string[]): readonly string[] | null;
  /** True for a map that is replaced whole. */
  atomicMapAt(path: readonly string[]): boolean;
}

const BUILT_IN_KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  volumes: ['name'],
  env: ['name'],
  imagePullSecrets: ['name'],
  volumeMounts: ['mountPath'],
  topologySpreadConstraints: ['topologyKey', 'whenUnsatisfiable'],
  ownerReferences: ['uid'],
};
const ATOMIC_MAPS = new Set([
  'selector',
  'nodeSelector',
  'labelSelector',
  'podSelector',
  'namespaceSelector',
  'fieldRef',
  'secretKeyRef',
  'configMapKeyRef',
  'resourceFieldRef',
  'roleRef',
]);

/** Key fields an API server fills in, so that a port without a protocol has the same identity as one with it. */
export const KEY_DEFAULTS: Readonly<Record<string, string>> = { protocol: 'TCP' };

/** The merge types that matter of the built-in kinds; other lists count as atomic. */
export const builtInListTypes: ListTypes = {
  keysAt(path) {
    const last = path.at(-1) ?? '';
    if (last === 'ports') {
      if (path.at(-2) === 'containers') return ['containerPort', 'protocol'];
      return path.length === 2 && path[0] === 'spec' ? ['port', 'protocol'] : null;
    }
    if (last === 'conditions' && path[0] === 'status') return ['type'];
    // A claim template is part of an atomic list, and Object.hasOwn keeps "constructor" from being a list-map.
    return Object.hasOwn(BUILT_IN_KEYS, last) ? (BUILT_IN_KEYS[last] ?? null) : null;
  },
  atomicMapAt(path) {
    return path.length > 1 && path[0] === 'spec' && ATOMIC_MAPS.has(path.at(-1) ?? '');
  },
};

/** The merge types a CRD declares with `x-kubernetes-list-type` and `x-kubernetes-map-type`. */
export function schemaListTypes(root: Schema): ListTypes {
  const find = (path: readonly string[]): Schema | undefined => {
    let schema: Schema | undefined = root;
    for (const step of path) {
      // A list adds no step: look through it.
      while (schema?.items !== undefined) schema = schema.items;
      const properties: Schema['properties'] = schema?.properties;
      if (properties !== undefined && Object.hasOwn(properties, step)) schema = properties[step];
      else
        schema = typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined;
      if (schema === undefined) return undefined;
    }
    return schema;
  };
  return {
    keysAt(path) {
      if (path[0] === 'metadata') return builtInListTypes.keysAt(path);
      const schema = find(path);
      return schema?.['x-kubernetes-list-type'] === 'map'
        ? (schema['x-kubernetes-list-map-keys'] ?? null)
        : null;
    },
    atomicMapAt: (path) => find(path)?.['x-kubernetes-map-type'] === 'atomic',
  };
}
