import type { KubeObject, Resource } from '../runtime/kube.ts';
import { at, type Json, type JsonObject, listAt, objectAt, stringAt } from './json.ts';
import { builtInListTypes, type ListTypes, schemaListTypes } from './listTypes.ts';
import type { Schema } from './schema.ts';

/** What the store must know of a kind to treat it as an API server does. */
export interface Kind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  /** `status` is a subresource: other writes leave it alone. */
  readonly hasStatus: boolean;
  /** `metadata.generation` counts changes of what lies outside metadata and status. */
  readonly hasGeneration: boolean;
  /** The field the scale subresource writes. */
  readonly scalePath: readonly string[] | null;
  readonly listTypes: ListTypes;
  /** Custom resources only. */
  readonly schema: Schema | null;
}

function builtIn(apiVersion: string, kind: string, plural: string, traits = ''): Kind {
  return {
    apiVersion,
    kind,
    plural,
    hasStatus: traits.includes('status'),
    hasGeneration: traits.includes('generation'),
    scalePath: traits.includes('scale') ? ['spec', 'replicas'] : null,
    listTypes: builtInListTypes,
    schema: null,
  };
}

export const PODS = builtIn('v1', 'Pod', 'pods', 'status');
export const CLAIMS = builtIn('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims', 'status');
export const CONFIG_MAPS = builtIn('v1', 'ConfigMap', 'configmaps');
export const SECRETS = builtIn('v1', 'Secret', 'secrets');
export const SERVICES = builtIn('v1', 'Service', 'services', 'status');
export const STATEFUL_SETS = builtIn('apps/v1', 'StatefulSet', 'statefulsets', 'status generation scale');
export const JOBS = builtIn('batch/v1', 'Job', 'jobs', 'status generation');
export const EVENTS = builtIn('events.k8s.io/v1', 'Event', 'events');
export const ROLES = builtIn('rbac.authorization.k8s.io/v1', 'Role', 'roles');
export const ROLE_BINDINGS = builtIn('rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings');

const BUILT_IN_KINDS: readonly Kind[] = [
  PODS,
  CLAIMS,
  CONFIG_MAPS,
  SECRETS,
  SERVICES,
  STATEFUL_SETS,
  JOBS,
  EVENTS,
  ROLES,
  ROLE_BINDINGS,
  builtIn('v1', 'ServiceAccount', 'serviceaccounts'),
  builtIn('coordination.k8s.io/v1', 'Lease', 'leases'),
  builtIn('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets', 'status generation'),
  builtIn('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies', 'generation'),
];

/** The kinds a CustomResourceDefinition defines, one per served version. */
function customKinds(definition: unknown): Kind[] {
  const crd = definition as Json;
  const group = stringAt(crd, 'spec', 'group');
  const kind = stringAt(crd, 'spec', 'names', 'kind');
  const plural = stringAt(crd, 'spec', 'names', 'plural');
  if (group === undefined || kind === undefined || plural === undefined) {
    throw new TypeError('not a CustomResourceDefinition: spec.group or spec.names is missing');
  }
  return listAt(crd, 'spec', 'versions')
    .filter((version) => at(version, 'served') !== false)
    .map((version) => {
      const schema = objectAt(version, 'schema', 'openAPIV3Schema') as Schema | undefined;
      if (schema === undefined) throw new TypeError(`CustomResourceDefinition of ${kind} has no schema`);
      const scale = stringAt(version, 'subresources', 'scale', 'specReplicasPath');
      return {
        apiVersion: `${group}/${stringAt(version, 'name') ?? ''}`,
        kind,
        plural,
        hasStatus: at(version, 'subresources', 'status') !== undefined,
        hasGeneration: true,
        scalePath: scale === undefined ? null : scale.split('.').filter((step) => step !== ''),
        listTypes: schemaListTypes(schema),
        schema,
      };
    });
}

/** Kinds by `apiVersion` and plural or kind. */
export class KindRegistry {
  readonly kinds: readonly Kind[];
  readonly #byName = new Map<string, Kind>();

  constructor(customResourceDefinitions: readonly unknown[]) {
    this.kinds = [...BUILT_IN_KINDS, ...customResourceDefinitions.flatMap(customKinds)];
    for (const kind of this.kinds) {
      this.#byName.set(`${kind.apiVersion} ${kind.plural}`, kind);
      this.#byName.set(`${kind.apiVersion} ${kind.kind}`, kind);
    }
  }
  ofResource<T extends KubeObject>(resource: Resource<T>): Kind | undefined {
    return this.#byName.get(`${resource.apiVersion} ${resource.plural}`);
  }
  ofObject(object: JsonObject): Kind | undefined {
    return this.#byName.get(`${String(object['apiVersion'])} ${String(object['kind'])}`);
  }
  ofKind(apiVersion: string, kind: string): Kind | undefined {
    return this.#byName.get(`${apiVersion} ${kind}`);
  }
}
